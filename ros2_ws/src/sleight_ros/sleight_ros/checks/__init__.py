"""Checks of a machine and of a robot's profile that need ROS; `sleight doctor` runs each in a process of its own."""
