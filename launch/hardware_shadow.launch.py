"""A real Shadow Hand on an arm with a Cartesian servo: perception, policy, bridge, skill server. Its drivers are yours.

    ros2 launch sleight_bringup hardware_shadow.launch.py bundle:=policies/shadow_base profile:=my_shadow.yaml
    ros2 launch sleight_bringup hardware_shadow.launch.py bundle:=policies/shadow_base sim:=true     # rehearse

Copy the shipped profile and fill in what it marks. Nothing moves until someone calls `policy/engage` and
`bridge/rearm`.
"""

from launch import LaunchDescription
from sleight_ros.graph.launching import graph_description


def generate_launch_description() -> LaunchDescription:
    return graph_description(profile="shadow_hardware", sim="false")
