"""`isaac_bridge`: the hand bridge with a leader in place of a policy.

In shadow mode a simulation leads and the real hand follows; in monitor mode the real hand leads and the simulation
follows. Which is which is in the profile alone: ``leader`` is whom to follow, ``bridge`` and ``states`` are the
follower's controllers and states. It is the only writer of the follower, as every hand bridge (contract 4).
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.safety import ReasonCode, SafetyConfig, SafetyOutput
from sleight_msgs.msg import HandCommand

from sleight_ros import convert
from sleight_ros.bridges.section import parse, read_section
from sleight_ros.bridges.states import JOINTS
from sleight_ros.isaac.mirror import Action, LeaderPart, Mirror, Verdict
from sleight_ros.nodes.base import run
from sleight_ros.nodes.bridge_node import WATCHDOG_PERIODS, BridgeNode

#: Messages that come sooner after the last tick than this share of a period wait for the next one.
SOONEST = 0.8
#: Stands in `bridge/sent` where the bundle of a policy would.
LEADER = "leader"


class IsaacBridgeNode(BridgeNode):
    """Follows a leader's joints. The wrist is not mirrored: its twist is zero."""

    def __init__(self) -> None:
        super().__init__("isaac_bridge")

    def listen_for_commands(self) -> None:
        """Subscribe to the leader's joint states and clock."""
        part = self._part
        if self.resolve_topic_name(part.topic) == self.resolve_topic_name(JOINTS):
            raise SleightError(
                "parameter 'leader.topic' is the topic of the follower's own states",
                value=self.resolve_topic_name(part.topic),
                remedy="give the leader's joint states another topic, or run this node in a namespace",
            )
        self._mirror = Mirror(self._table, part)
        self._count = 0
        self.listen(JointState, part.topic, self._on_leader)
        if part.clock:
            self.listen(Clock, part.clock, self._on_clock)

    def _read_config(self) -> SafetyConfig:
        self._part = parse(LeaderPart, read_section(self, "leader"), "leader")
        # No object is looked at. A leader's silence is judged here, which knows more of it, and by the filter besides.
        age = self.value("command_max_age") or self._part.max_age
        return replace(super()._read_config(), watch_object=False, command_max_age=age)

    def start(self) -> None:
        """Begin with nothing remembered of the leader either."""
        self._mirror.forget()
        super().start()

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """What the hand bridge reports, and whom it follows."""
        level, message, values = super().report()
        if self.active:
            values["leader"] = self.resolve_topic_name(self._mirror.part.topic)
        return level, message, values

    def _on_clock(self, msg: Clock) -> None:
        if self.active:
            self._act(self._mirror.tell_time(time.monotonic(), convert.stamp_to_seconds(msg.clock)))

    def _on_leader(self, msg: JointState) -> None:
        if not self.active or self._filter is None:
            return
        now = time.monotonic()
        verdict = self._mirror.take(now, msg)
        if verdict.action != Action.FOLLOW:
            self._act(verdict)
            return
        # While its clock stands, what the leader shows is an old picture, or one that somebody drags about.
        if self._mirror.silence(now) is not None:
            return
        self._count += 1
        reason = self._filter.observe_command(
            now, None, verdict.names, verdict.positions, None, self._count, bundle_id=LEADER
        )
        self._note(self._mirror.part.topic, reason)
        if reason != ReasonCode.OK:
            return
        self._origin = HandCommand(bundle_id=LEADER, state_stamp=msg.header.stamp)
        if now - self._last_tick >= SOONEST * self._period:
            self._tick()
            self._wait(WATCHDOG_PERIODS * self._period)

    def _act(self, verdict: Verdict) -> None:
        """Hold or stop at once, and say why."""
        if verdict.fault is None or self._filter is None:
            return
        self._warn(verdict.fault.detail)
        if verdict.action == Action.STOP:
            self._filter.stop(verdict.fault.reason, verdict.fault.detail)
        else:
            self._filter.release(verdict.fault.reason, verdict.fault.detail)
        self._tick()
        self._wait(self._period)

    def _tick(self) -> SafetyOutput:
        assert self._filter is not None
        if (fault := self._mirror.silence(time.monotonic())) is not None:
            self._filter.release(fault.reason, fault.detail)
        return super()._tick()

    def _on_rearm(self, request: Any, response: Any) -> Any:
        # Whoever re-arms has seen the simulation as it is now.
        self._mirror.forget()
        return super()._on_rearm(request, response)


def main() -> int:
    """Run the node."""
    return run(IsaacBridgeNode)


if __name__ == "__main__":
    sys.exit(main())
