#!/usr/bin/env bash
# Sources the distribution, the workspace and the virtual environment, in this order: the environment's python3 is the one
# that the nodes are started with.
set -e
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /opt/sleight/ros2_ws/install/setup.bash
source /opt/sleight/venv/bin/activate
export PATH="/opt/sleight/ros2_ws/install/lib/sleight_core:$PATH"
exec "$@"
