"""Driver nodes as processes of their own, and someone who talks to them over DDS."""

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import JointState
from sleight_ros import convert
from sleight_ros.nodes.base import RELIABLE
from trajectory_msgs.msg import JointTrajectory

from ..outsider import ALL, PERIOD, Outsider


class Graph(Outsider):
    """Processes and a node that listens and commands; a context manager.

    Args:
        folder: For logs and parameters.

    Attributes:
        target: Angle of each joint (rad) that is commanded at 60 Hz, or None.
        states, diagnostics, official: What came back.
    """

    def __init__(self, folder):
        super().__init__(folder, "leap")
        self.states, self.diagnostics, self.official = [], [], []
        self.target = None
        self._trajectories = self.node.create_publisher(JointTrajectory, "hand_controller/joint_trajectory", RELIABLE)
        self._commands = self.node.create_publisher(JointState, "hand_controller/joint_command", RELIABLE)
        self._direct = self.node.create_publisher(JointState, "cmd_leap", RELIABLE)
        for kind, topic, bucket in (
            (JointState, "joint_states", self.states),
            (DiagnosticArray, "/diagnostics", self.diagnostics),
            (JointState, "cmd_leap", self.official),
        ):
            self.node.create_subscription(kind, topic, bucket.append, ALL)
        self._rng = np.random.default_rng(0)

    def speak(self):
        """Send the target, if there is one: names in another order every time."""
        target = self.target
        if target:
            names = list(self._rng.permutation(list(target)))
            self.trajectory(names, [target[name] for name in names])

    def last(self):
        """What the driver said of itself."""
        return self.values("leap_driver")

    # Talking ---------------------------------------------------------------------------------------------------

    def trajectory(self, names, positions):
        """Send a one-point trajectory."""
        self._trajectories.publish(convert.trajectory_msg(names, np.array(positions, dtype=float), PERIOD))

    def two_points(self, names, positions):
        """Send a trajectory of two points."""
        msg = convert.trajectory_msg(names, np.array(positions, dtype=float), PERIOD)
        msg.points = [*msg.points, *msg.points]
        self._trajectories.publish(msg)

    def joint_command(self, names, positions):
        """Send a named joint state."""
        self._commands.publish(JointState(name=list(names), position=[float(one) for one in positions]))

    def past_the_adapter(self, positions):
        """Send the official module a list directly."""
        self._direct.publish(JointState(position=[float(one) for one in positions]))

    def transition(self, node, number):
        """Ask a node for a lifecycle transition; return whether it was made."""
        request = ChangeState.Request()
        request.transition.id = number
        return self.call(ChangeState, f"{node}/change_state", request).success

    def fresh_states(self, count=3):
        """Wait for states that are published from now on; return them."""
        before = len(self.states)
        self.wait(lambda: len(self.states) >= before + count, f"{count} joint states")
        return self.states[before:]

    def values(self, node):
        """The values that a node reported last, with its level and message."""
        for array in reversed(self.diagnostics):
            for status in array.status:
                if status.name == f"{self.namespace}/{node}":
                    return {"level": status.level, "message": status.message, **{v.key: v.value for v in status.values}}
        return {}
