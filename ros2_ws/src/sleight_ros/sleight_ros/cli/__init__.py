"""Commands of the ROS room, found through the entry-point group ``sleight.commands``."""
