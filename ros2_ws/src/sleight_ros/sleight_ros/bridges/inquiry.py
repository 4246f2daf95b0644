"""Asking other nodes at configuration: their parameters, and the names in their joint states."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError

from sleight_ros.nodes.base import NEWEST

#: A request may fall into the gap in which both sides have not discovered each other: ask again, s.
ASK_AGAIN = 1.0


@contextlib.contextmanager
def _helper(node: Node) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """A node and an executor of its own, because the caller is in a callback of its own executor already."""
    # Remappings of the process must not give the helper its name.
    helper = rclpy.create_node(
        f"{node.get_name()}_inquiry",
        context=node.context,
        namespace=node.get_namespace(),
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(helper)
    try:
        yield helper, executor
    finally:
        executor.shutdown(timeout_sec=1.0)
        helper.destroy_node()


def _spin(executor: SingleThreadedExecutor, condition: Callable[[], bool], timeout: float) -> bool:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        executor.spin_once(timeout_sec=0.02)
    return True


def read_parameters(node: Node, target: str, names: Sequence[str], timeout: float) -> dict[str, Any] | None:
    """Read parameters of another node.

    Args:
        node: Who asks.
        target: The other node, relative to the asker's namespace or absolute.
        names: Parameters.
        timeout: How long the other node may take to be there, s.

    Returns:
        Those that it has; None when it does not answer in time.
    """
    end = time.monotonic() + timeout
    with _helper(node) as (helper, executor):
        client = helper.create_client(GetParameters, f"{target}/get_parameters")
        found: dict[str, Any] = {}
        # One at a time: rclcpp answers nothing at all when one of several is not declared.
        for name in names:
            while True:
                left = end - time.monotonic()
                if left <= 0 or not _spin(executor, client.service_is_ready, left):
                    return None
                future = client.call_async(GetParameters.Request(names=[name]))
                if _spin(executor, future.done, min(ASK_AGAIN, left)):
                    break
            answer = future.result()
            value = parameter_value_to_python(answer.values[0]) if answer is not None and answer.values else None
            if value is not None:
                found[name] = value if isinstance(value, str | bool | int | float) else list(value)
        return found


def state_names(node: Node, topic: str, timeout: float) -> set[str]:
    """Names in the first joint state on a topic.

    Raises:
        SleightError: None comes in time.
    """
    heard: list[JointState] = []
    with _helper(node) as (helper, executor):
        helper.create_subscription(JointState, topic, heard.append, NEWEST)
        if not _spin(executor, lambda: bool(heard), timeout):
            raise SleightError(
                f"no joint states within {timeout:.0f} s", value=topic, remedy="start the robot's driver first"
            )
    return set(heard[0].name)
