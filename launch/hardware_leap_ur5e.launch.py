"""A LEAP Hand on an arm: the hand's driver, perception, policy, bridge, skill server. The arm's driver is yours.

    ros2 launch sleight_bringup hardware_leap_ur5e.launch.py bundle:=... profile:=mine.yaml port:=/dev/serial/by-id/...
    ros2 launch sleight_bringup hardware_leap_ur5e.launch.py bundle:=... arm:=franka sim:=true       # rehearse

Copy the shipped profile of your arm and fill in what it marks. Nothing moves until someone calls `driver/enable`,
`policy/engage` and `bridge/rearm`. The namespace keeps our joint states apart from the arm's /joint_states.
"""

from launch import LaunchDescription
from launch.substitutions import LaunchConfiguration
from sleight_ros.graph.launching import graph_description


def generate_launch_description() -> LaunchDescription:
    return graph_description(
        ("arm", "hand_driver", "port"), profile=["leap_", LaunchConfiguration("arm")], namespace="sleight", sim="false"
    )
