"""A hand in Isaac Sim, or behind any topics of named joint states: perception, policy, bridge, skill server.

    ros2 launch sleight_bringup isaac_policy.launch.py bundle:=policies/shadow_base use_sim_time:=true

Start the simulation first; its action graph publishes what the profile names. `use_sim_time:=true` needs its /clock.
"""

from launch import LaunchDescription
from sleight_ros.graph.launching import graph_description


def generate_launch_description() -> LaunchDescription:
    return graph_description(profile="isaac_shadow", sim="false")
