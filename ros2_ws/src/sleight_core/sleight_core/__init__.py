"""The run-time without ROS: hand tables, observations, actions, bundles, safety, perception."""
