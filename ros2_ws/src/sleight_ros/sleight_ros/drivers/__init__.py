"""Robots that Sleight drives itself: the LEAP Hand on its Dynamixel bus, and through its makers' ROS 2 module."""
