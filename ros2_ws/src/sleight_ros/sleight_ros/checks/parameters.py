"""What a profile says to a node, read as ROS reads it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rclpy
from rclpy.impl.implementation_singleton import rclpy_implementation
from sleight_core.errors import SleightError

from sleight_ros.processes import private_domain


def node_parameters(profile: Path, node: str) -> dict[str, Any]:
    """Parameters that a profile sets for a node, by full name.

    Args:
        profile: The parameter file.
        node: Name of the node.

    Raises:
        SleightError: ROS cannot read the file.
    """
    context = rclpy.Context()
    # In a domain of its own: it bears the name of a node that may be running.
    rclpy.init(args=[], context=context, domain_id=private_domain())
    try:
        made = rclpy.create_node(
            node,
            context=context,
            cli_args=["--ros-args", "--params-file", str(profile)],
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
            automatically_declare_parameters_from_overrides=True,
        )
        given: dict[str, Any] = dict(made.get_parameters_by_prefix(""))
        found = {name: _plain(parameter.value) for name, parameter in given.items()}
        made.destroy_node()
    except rclpy_implementation.RCLError as error:
        raise SleightError("the profile cannot be read", value=profile, remedy=" ".join(str(error).split())) from error
    finally:
        rclpy.try_shutdown(context=context)
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
