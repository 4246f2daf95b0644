r"""A simulation in Isaac Sim or Isaac Gym beside a real hand: one follows the other, through the safety filter.

    ros2 launch sleight_bringup isaac_bridge.launch.py mode:=shadow simulator:=isaac_gym \
        profile:=leap hand_driver:=leap_driver port:=/dev/ttyUSB0

Then `ros2 service call /bridge/rearm std_srvs/srv/Trigger`. A policy on a hand in Isaac Sim: isaac_policy.launch.py.
"""

from launch import LaunchDescription
from sleight_ros.graph.launching import mirror_description


def generate_launch_description() -> LaunchDescription:
    return mirror_description(profile="leap", hand_driver="none")
