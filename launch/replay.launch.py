"""Play a recording through a policy, without a robot, and say where it would have acted otherwise.

ros2 launch sleight_bringup replay.launch.py bag:=recordings/2026-11-27T06-28-33 bundle:=policies/shadow_base
"""

from launch import LaunchDescription
from sleight_ros.graph.launching import replay_description


def generate_launch_description() -> LaunchDescription:
    return replay_description()
