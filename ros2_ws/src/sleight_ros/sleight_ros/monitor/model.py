"""From the graph's messages to what a person wants to see of them; without ROS's executor and without a terminal."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sleight_core.safety import ReasonCode, SafetyConfig, SafetyState

from sleight_ros.convert import stamp_to_ns

#: Joints that are shown: those that lag behind their targets the most.
WORST_JOINTS = 5
#: Ticks over which rates and times are told.
WINDOW = 600
#: A topic that has said nothing for so long is silent, s.
SILENT = 1.0
_POLICY_STATES = ("IDLE", "ENGAGED", "WAITING", "FAULT")
_LEVELS = ("OK", "WARN", "ERROR", "STALE")
#: Parameters of `hand_bridge` that say what its age limits are.
LIMIT_PARAMETERS = (
    "control_period",
    "command_max_age",
    "joint_state_max_age",
    "wrist_max_age",
    "object_max_age",
)


@dataclass
class SourceView:
    """A source of the bridge: its age and limit, s; no limit while that is not known."""

    name: str
    age: float
    limit: float | None = None

    @property
    def late(self) -> bool:
        """Beyond its limit."""
        return self.limit is not None and not self.age <= self.limit


@dataclass
class JointView:
    """A joint: the target that was sent, what was measured, how far it is off, rad; who owns it, "" when unknown."""

    name: str
    target: float
    measured: float
    error: float
    owner: str = ""


@dataclass
class BridgeView:
    """The bridge: state and reason by name, ages of its sources, and counts since it began."""

    state: str
    reason: str
    detail: str
    sources: list[SourceView]
    sent: int
    limited: int
    overruns: int
    silent: float


@dataclass
class PolicyView:
    """The policy: state by name, times in s over the newest ticks (None without any), and its parts.

    Attributes:
        rate: Ticks a second.
        period_error: 99th percentile of the distance between two ticks' time and the period, s.
        tick_time, inference_time: 99th percentiles, s.
        experts: Name and mixing weight of each expert.
        residual_norm: Length of the residual, in policy units; None for a policy without one.
        residual_largest: Its largest element.
        masked: How many elements of the action belong to the second policy, of how many; None without a mask.
        silent: How long it has said nothing, s.
    """

    state: str
    reason: str
    bundle: str
    sequence: int
    overruns: int
    silent: float
    rate: float | None = None
    period_error: float | None = None
    tick_time: float | None = None
    inference_time: float | None = None
    experts: list[tuple[str, float]] = field(default_factory=list)
    residual_norm: float | None = None
    residual_largest: float | None = None
    masked: tuple[int, int] | None = None


@dataclass
class ProblemView:
    """A node's complaint on /diagnostics."""

    level: str
    node: str
    message: str


@dataclass
class View:
    """What there is to see at one moment; a part that has never spoken is None."""

    bridge: BridgeView | None = None
    policy: PolicyView | None = None
    object: str = ""
    joints: list[JointView] = field(default_factory=list)
    problems: list[ProblemView] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing of a graph was heard."""
        return self.bridge is None and self.policy is None and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON: numbers that are not finite become null."""
        return _plain(asdict(self))


class Model:
    """Keeps what the messages say; `now` is a monotonic clock, s.

    Args:
        action_labels: Names of the action's elements, from the bundle; empty when it is not at hand.
    """

    def __init__(self, action_labels: Sequence[str] = ()) -> None:
        self.action_labels = list(action_labels)
        #: Bundle that the policy runs, "" while unknown.
        self.bundle_id = ""
        self._limits: dict[str, float] = {}
        self._period: float | None = None
        self._status: Any = None
        self._telemetry: Any = None
        self._tick: Any = None
        self._sent: Any = None
        self._joints: dict[str, float] = {}
        self._estimate: Any = None
        self._heard: dict[str, float] = {}
        self._stamps: deque[int] = deque(maxlen=WINDOW)
        self._tick_times: deque[float] = deque(maxlen=WINDOW)
        self._inference_times: deque[float] = deque(maxlen=WINDOW)
        self._problems: dict[str, tuple[float, ProblemView]] = {}

    # Messages ------------------------------------------------------------------------------------------------------

    def take_status(self, msg: Any, now: float) -> None:
        """Take a SafetyStatus."""
        self._status, self._heard["status"] = msg, now

    def take_telemetry(self, msg: Any, now: float) -> None:
        """Take a PolicyTelemetry; only ticks have an action."""
        self._telemetry, self._heard["telemetry"] = msg, now
        self.bundle_id = msg.bundle_id
        if not len(msg.action):
            if msg.state != 1:
                # A gap between two engagements is no period.
                self._stamps.clear()
            return
        self._tick = msg
        self._stamps.append(stamp_to_ns(msg.header.stamp))
        self._tick_times.append(float(msg.tick_time))
        self._inference_times.append(float(msg.inference_time))

    def take_sent(self, msg: Any, now: float) -> None:
        """Take what the bridge sent."""
        self._sent, self._heard["sent"] = msg, now

    def take_joints(self, msg: Any, now: float) -> None:
        """Take a JointState; several sources may each tell some joints."""
        self._joints.update(zip(msg.name, map(float, msg.position), strict=False))
        self._heard["joints"] = now

    def take_estimate(self, msg: Any, now: float) -> None:
        """Take an ObjectEstimate."""
        self._estimate, self._heard["estimate"] = msg, now

    def take_diagnostics(self, msg: Any, now: float) -> None:
        """Take a DiagnosticArray; a node that is well again takes its complaint back."""
        for status in msg.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            if level:
                words = _LEVELS[level] if level < len(_LEVELS) else str(level)
                self._problems[status.name] = (now, ProblemView(words, status.name, status.message))
            else:
                self._problems.pop(status.name, None)

    def take_limits(self, parameters: Mapping[str, float]) -> None:
        """Take the bridge's parameters `LIMIT_PARAMETERS`."""
        known: dict[str, Any] = {
            name: value for name, value in parameters.items() if name in LIMIT_PARAMETERS and value
        }
        if "control_period" in known:
            known["period"] = known.pop("control_period")
        config = SafetyConfig(**known)
        self._period = config.period
        self._limits = {
            "command": config.command_age_limit,
            "joint_state": config.joint_state_age_limit,
            "wrist": config.wrist_age_limit,
            "object": config.object_max_age,
        }

    # Views ---------------------------------------------------------------------------------------------------------

    def view(self, now: float) -> View:
        """What there is to see now."""
        problems = [problem for heard, problem in self._problems.values() if now - heard < 3.0]
        return View(
            bridge=self._bridge(now),
            policy=self._policy(now),
            object=self._object(now),
            joints=self._worst_joints(),
            problems=sorted(problems, key=lambda one: (one.level != "ERROR", one.node)),
        )

    def _bridge(self, now: float) -> BridgeView | None:
        msg = self._status
        if msg is None:
            return None
        sources = [
            SourceView(name, float(age), self._limits.get(name))
            for name, age in zip(msg.source_names, msg.source_ages, strict=False)
        ]
        return BridgeView(
            state=_name(SafetyState, msg.state),
            reason=_name(ReasonCode, msg.reason),
            detail=msg.detail,
            sources=sources,
            sent=int(msg.sent_count),
            limited=int(msg.limited_count),
            overruns=int(msg.overruns),
            silent=now - self._heard["status"],
        )

    def _policy(self, now: float) -> PolicyView | None:
        msg = self._telemetry
        if msg is None:
            return None
        state = _POLICY_STATES[msg.state] if msg.state < len(_POLICY_STATES) else str(msg.state)
        view = PolicyView(
            state=state,
            reason=msg.reason,
            bundle=msg.bundle_id,
            sequence=int(msg.sequence),
            overruns=int(msg.overruns),
            silent=now - self._heard["telemetry"],
        )
        periods = 1e-9 * np.diff(np.array(self._stamps, dtype=np.int64))
        if len(periods):
            period = self._period or float(np.median(periods))
            view.rate = float(1.0 / np.mean(periods)) if np.mean(periods) > 0 else None
            view.period_error = float(np.percentile(np.abs(periods - period), 99))
        if self._tick is not None:
            tick = self._tick
            view.tick_time = float(np.percentile(self._tick_times, 99))
            view.inference_time = float(np.percentile(self._inference_times, 99))
            view.experts = expert_weights(tick.expert_names, tick.expert_weights)
            if len(tick.residual):
                residual = np.asarray(tick.residual, dtype=float)
                view.residual_norm = float(np.linalg.norm(residual))
                view.residual_largest = float(np.abs(residual).max())
            if len(tick.mask):
                view.masked = (int(sum(tick.mask)), len(tick.mask))
        return view

    def _object(self, now: float) -> str:
        msg = self._estimate
        if msg is None:
            return ""
        if now - self._heard["estimate"] > SILENT:
            return "silent"
        if msg.reason != 0:
            return f"not seen (reason {msg.reason})"
        at = msg.position
        return f"at {at.x:.3f} {at.y:.3f} {at.z:.3f} m, quality {msg.quality:.2f}"

    def _worst_joints(self) -> list[JointView]:
        if self._sent is None:
            return []
        owners = self._owners()
        rows = [
            JointView(name, float(target), self._joints[name], float(target) - self._joints[name], owners.get(name, ""))
            for name, target in zip(self._sent.joint_names, self._sent.positions, strict=False)
            if name in self._joints
        ]
        return sorted(rows, key=lambda row: -abs(row.error))[:WORST_JOINTS]

    def _owners(self) -> dict[str, str]:
        """Which policy owns a joint: "second" where the mask is set."""
        mask = list(self._tick.mask) if self._tick is not None else []
        if not mask or len(mask) != len(self.action_labels):
            return {}
        named = zip(self.action_labels, mask, strict=True)
        return {label.split(".", 1)[1]: "second" if owned else "first" for label, owned in named if "." in label}


def expert_weights(names: Sequence[str], weights: Sequence[float]) -> list[tuple[str, float]]:
    """Name and weight of each expert; one without a name gets its number."""
    return [(names[i] if i < len(names) else f"expert_{i}", float(weight)) for i, weight in enumerate(weights)]


def _name(kind: Any, number: int) -> str:
    try:
        return kind(number).name
    except ValueError:
        return str(number)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
