"""The grasp graph: simulated hand (or your drivers), perception, policy, bridge.

    ros2 launch sleight_bringup grasp_demo.launch.py bundle:=policies/shadow_base
    ros2 launch sleight_bringup grasp_demo.launch.py sim:=false profile:=my_robot.yaml bundle:=... namespace:=right

Nothing moves until someone calls `policy/engage` and `bridge/rearm`.
"""

from launch import LaunchDescription
from sleight_ros.graph.launching import graph_description


def generate_launch_description() -> LaunchDescription:
    return graph_description()
