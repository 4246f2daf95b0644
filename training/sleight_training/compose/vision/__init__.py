"""The vision version of a task's features: estimated from clouds and the robot's own state (docs/compose_vision.md)."""
