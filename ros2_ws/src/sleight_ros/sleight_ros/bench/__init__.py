"""Benchmarks of the ROS room; `sleight bench NAME` loads the module of that name."""
