"""ROS 2 nodes of the Sleight stack."""
