"""`isaac_gym`: gives an Isaac Gym process, which cannot speak to this ROS, the topics that Isaac Sim has.

The process sends datagrams through `sleight_ros.isaac.gym_link`; here they become named joint states and a clock, and
joint commands go back to it.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter

from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError

from sleight_ros import convert
from sleight_ros.isaac.datagrams import SimulatedJoints, read_joints, write_targets
from sleight_ros.isaac.gym_link import ADDRESS, BUFFER
from sleight_ros.nodes.base import OK, STATE, WARN, SleightNode, Throttle, run

#: How long the receiver waits before it looks whether it is to end, s.
LISTEN = 0.1


class IsaacGymNode(SleightNode):
    """Between datagrams of one simulation and topics. Judges nothing: that is the bridge's business."""

    def __init__(self) -> None:
        super().__init__("isaac_gym")
        self.text("host", ADDRESS[0], "Address to listen on; anything but this machine's own opens it to the network.")
        self.integer("port", ADDRESS[1], 0, 65535, "UDP port; 0: any.")
        self.text("states_topic", "isaac_joint_states", "Gets the simulation's joint states.")
        self.text("commands_topic", "isaac_joint_commands", "Joint commands for the simulation.")
        self.text("clock_topic", "", "Gets the simulation's time (/clock); empty: nobody does.")
        self._warn = Throttle(self.get_logger().warning)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def setup(self) -> None:
        """Open the port and create the topics."""
        address = (self.value("host"), self.value("port"))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(address)
        except OSError as error:
            self.teardown()
            raise SleightError(
                "the port for Isaac Gym cannot be opened",
                value=f"{address[0]}:{address[1]}",
                remedy=f"{error.strerror}; choose another 'port', here and in GymLink",
            ) from error
        self._socket.settimeout(LISTEN)
        self._peer: tuple[str, int] | None = None
        self._session, self._sequence = "", -1
        self._taken = 0
        self._refused: Counter[str] = Counter()
        self._states = self.publish_on(JointState, self.value("states_topic"), STATE)
        self._clock = self.publish_on(Clock, self.value("clock_topic"), STATE) if self.value("clock_topic") else None
        self.listen(JointState, self.value("commands_topic"), self._on_command)

    def start(self) -> None:
        """Begin to receive."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="isaac gym", daemon=True)
        self._thread.start()
        assert self._socket is not None
        self.get_logger().info(f"listening on {self._socket.getsockname()[0]}:{self._socket.getsockname()[1]}")

    def halt(self) -> None:
        """Stop receiving."""
        if self._thread is not None:
            self._ended.set()
            self._thread.join(timeout=10 * LISTEN)
            self._thread = None

    def teardown(self) -> None:
        """Close the port."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """Who speaks, and what was refused."""
        if not self.active:
            return OK, "inactive", {}
        values = {"datagrams": str(self._taken), "session": self._session or "none"}
        values |= {f"refused: {words}": str(count) for words, count in self._refused.items()}
        return (OK, "receiving", values) if self._taken else (WARN, "nothing from a simulation yet", values)

    def _receive(self) -> None:
        assert self._socket is not None
        while not self._ended.is_set():
            try:
                data, peer = self._socket.recvfrom(BUFFER)
            except TimeoutError:
                continue
            except OSError as error:
                # What the last command met: nobody listens there any more.
                self._warn(f"the link to Isaac Gym: {error.strerror}")
                continue
            try:
                joints = read_joints(data)
            except SleightError as error:
                self._refused[error.what] += 1
                self._warn(f"refused: {error}")
                continue
            if joints.session == self._session and joints.sequence <= self._sequence:
                self._refused["datagram: overtaken"] += 1
                continue
            self._session, self._sequence, self._peer = joints.session, joints.sequence, peer
            self._taken += 1
            self._publish(joints)

    def _publish(self, joints: SimulatedJoints) -> None:
        stamp = convert.stamp_from_ns(round(joints.time * convert.NANOSECONDS))
        msg = JointState(name=list(joints.names), position=list(joints.positions))
        # The session goes with every message: another one is another simulation, whatever its clock says.
        msg.header.stamp, msg.header.frame_id = stamp, joints.session
        if self._clock is not None:
            self._clock.publish(Clock(clock=stamp))
        self._states.publish(msg)

    def _on_command(self, msg: JointState) -> None:
        if not self.active or self._socket is None or self._peer is None:
            return
        try:
            self._socket.sendto(write_targets(list(msg.name), list(msg.position)), self._peer)
        except OSError as error:
            self._warn(f"the link to Isaac Gym: {error.strerror}")


def main() -> int:
    """Run the node."""
    return run(IsaacGymNode)


if __name__ == "__main__":
    sys.exit(main())
