"""The grasp graph: simulated hand (or your drivers), perception, policy, bridge.

    ros2 launch sleight_bringup grasp_demo.launch.py bundle:=policies/shadow_base
    ros2 launch sleight_bringup grasp_demo.launch.py sim:=false profile:=my_robot.yaml bundle:=... namespace:=right

Nothing moves until someone calls `policy/engage` and `bridge/rearm`.
"""

import os
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode


def default_profile() -> str:
    """Path of the shipped profile, installed or in the source tree."""
    try:
        share = get_package_share_directory("sleight_bringup")
    except (PackageNotFoundError, OSError):
        here = os.path.dirname(os.path.abspath(__file__))
        share = os.path.join(here, "..", "ros2_ws", "src", "sleight_bringup")
    return os.path.join(share, "config", "shadow_sim.yaml")


def generate_launch_description() -> LaunchDescription:
    profile, bundle, objects = (LaunchConfiguration(name) for name in ("profile", "bundle", "objects"))
    namespace = LaunchConfiguration("namespace")

    def node(name: str, executable: str, overrides: dict | None = None, **options: Any) -> LifecycleNode:
        return LifecycleNode(
            package="sleight_ros",
            executable=executable,
            name=name,
            namespace=namespace,
            parameters=[profile, *([overrides] if overrides else [])],
            output="screen",
            **options,
        )

    return LaunchDescription(
        [
            DeclareLaunchArgument("bundle", description="Folder of the policy bundle."),
            DeclareLaunchArgument("profile", default_value=default_profile(), description="Parameters of all nodes."),
            DeclareLaunchArgument("namespace", default_value="", description="Moves the whole graph."),
            DeclareLaunchArgument(
                "sim", default_value="true", choices=["true", "false"], description="Simulate the robot."
            ),
            DeclareLaunchArgument("objects", default_value="['household:demo']", description="Objects on the table."),
            node("sim_node", "sim_node", {"objects": objects}, condition=IfCondition(LaunchConfiguration("sim"))),
            node("perception_node", "perception_node"),
            node("policy_node", "policy_node", {"bundle": bundle}),
            # Without its last safety layer nothing else may go on.
            node("hand_bridge", "hand_bridge", on_exit=Shutdown(reason="the hand bridge ended")),
        ]
    )
