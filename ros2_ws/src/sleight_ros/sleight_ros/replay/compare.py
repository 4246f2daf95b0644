"""Comparing what a policy did with what it does now, element by element and by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sleight_core.bundle import Manifest
from sleight_core.errors import SleightError

from sleight_ros.convert import read_targets, twist_from_msg
from sleight_ros.policy_step import PolicyStep, needed_sources
from sleight_ros.replay.rebuild import Rebuilder, Rebuilt
from sleight_ros.replay.ticks import Session, Tick

TWIST_NAMES = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")
#: What is compared, in the order of the report.
MEANING = {
    "observation": "rebuilt from the recorded messages, against the recorded one",
    "network": "action from the recorded observation, against the recorded action",
    "action": "action from the rebuilt observation, against the recorded action",
    "expert_weights": "the same for the mixture's weights",
    "residual": "the same for the residual",
    "command": "joint targets (rad) and wrist twist (m/s, rad/s), against the recorded command",
}


@dataclass(frozen=True)
class Difference:
    """The largest difference of one element.

    Attributes:
        part: What it belongs to, one of `MEANING`.
        element: Its name, such as ``hand_joints.FFJ3``.
        difference: Its size.
        replayed: What came out now.
        recorded: What came out then.
        sequence: Number of the tick.
        time: Of the tick, s since the first message of the recording.
        ticks: On how many ticks the element differs by more than the tolerance.
    """

    part: str
    element: str
    difference: float
    replayed: float
    recorded: float
    sequence: int
    time: float
    ticks: int


@dataclass
class _Part:
    labels: Sequence[str]
    worst: np.ndarray
    over: np.ndarray
    replayed: np.ndarray
    recorded: np.ndarray
    sequence: np.ndarray
    time: np.ndarray
    count: int = 0

    @classmethod
    def of(cls, labels: Sequence[str]) -> _Part:
        n = len(labels)
        return cls(labels, np.full(n, -1.0), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n))


class Comparison:
    """Collects differences.

    Args:
        tolerance: Differences up to this are none.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self._parts: dict[str, _Part] = {}

    def add(
        self, part: str, labels: Sequence[str], replayed: Any, recorded: Any, *, sequence: int = 0, time: float = 0.0
    ) -> None:
        """Compare two vectors of one tick; a NaN in only one of them is an infinite difference."""
        new, old = np.asarray(replayed, dtype=float), np.asarray(recorded, dtype=float)
        kept = self._parts.setdefault(part, _Part.of(labels))
        kept.count += 1
        difference = np.abs(new - old)
        difference[(new == old) | (np.isnan(new) & np.isnan(old))] = 0.0
        difference[np.isnan(difference)] = np.inf
        kept.over += difference > self.tolerance
        larger = difference > kept.worst
        for into, values in ((kept.worst, difference), (kept.replayed, new), (kept.recorded, old)):
            into[larger] = values[larger]
        kept.sequence[larger], kept.time[larger] = sequence, time

    def worst(self, part: str) -> float | None:
        """Largest difference of a part; None when nothing was compared."""
        kept = self._parts.get(part)
        return None if kept is None or not len(kept.worst) else float(kept.worst.max())

    def count(self, part: str) -> int:
        """Ticks of which a part was compared."""
        kept = self._parts.get(part)
        return 0 if kept is None else kept.count

    @property
    def parts(self) -> list[str]:
        """Parts that were compared."""
        return [name for name in MEANING if name in self._parts]

    @property
    def equal(self) -> bool:
        """Whether nothing differs by more than the tolerance."""
        return not any((kept.over > 0).any() for kept in self._parts.values())

    def differences(self, part: str | None = None, most: int = 5) -> list[Difference]:
        """The elements that differ most, above the tolerance, the worst first.

        Args:
            part: Only of this part; of all when None.
            most: How many of each part.
        """
        found = []
        for name in self.parts if part is None else [part]:
            kept = self._parts[name]
            order = sorted(map(int, np.flatnonzero(kept.over)), key=lambda i, kept=kept: -kept.worst[i])
            found += [
                Difference(
                    name,
                    kept.labels[i],
                    float(kept.worst[i]),
                    float(kept.replayed[i]),
                    float(kept.recorded[i]),
                    int(kept.sequence[i]),
                    float(kept.time[i]),
                    int(kept.over[i]),
                )
                for i in order[:most]
            ]
        return found


@dataclass
class Outcome:
    """What a replay found.

    Attributes:
        comparison: The differences.
        recorded_bundle, bundle: Who ran then, and who ran now.
        ticks: Ticks that were compared.
        skipped: Ticks that were not, by reason.
        doubted: By source, on how many ticks another message than the newest recorded one explains the observation.
        notes: What limits the comparison, one sentence each.
        seconds: Length of the recording.
    """

    comparison: Comparison
    recorded_bundle: str
    bundle: str
    ticks: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    doubted: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def same_bundle(self) -> bool:
        """Whether the bundle that ran is the one that was recorded."""
        return self.bundle == self.recorded_bundle

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        comparison = self.comparison
        return {
            "equal": comparison.equal,
            "tolerance": comparison.tolerance,
            "bundle": self.bundle,
            "recorded_bundle": self.recorded_bundle,
            "same_bundle": self.same_bundle,
            "seconds": self.seconds,
            "ticks": self.ticks,
            "skipped": self.skipped,
            "doubted": self.doubted,
            "notes": self.notes,
            "parts": {
                name: {"ticks": comparison.count(name), "worst": _number(comparison.worst(name))}
                for name in comparison.parts
            },
            "differences": [
                {key: _number(value) for key, value in asdict(one).items()} for one in comparison.differences(most=10)
            ],
        }


def _number(value: Any) -> Any:
    """JSON has no infinity: it becomes a word."""
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def replay(
    session: Session,
    step: PolicyStep,
    bundle_id: str,
    *,
    tolerance: float,
    goal: Sequence[float] | None = None,
    report: Callable[[int], None] | None = None,
) -> Outcome:
    """Run a policy on a recording.

    Args:
        session: The recording.
        step: The policy.
        bundle_id: Its name and hash.
        tolerance: Differences up to this are none.
        goal: Where the object should go (3,), m; the bundle's own when None.
        report: Called with the number of ticks done.

    Raises:
        SleightError: The recording is of another hand, or no tick of it can be rebuilt.
    """
    check_hand(session, step)
    check_sources(session, step)
    outcome = Outcome(Comparison(tolerance), session.bundle_id, bundle_id, seconds=session.seconds)
    manifest = step.manifest
    sizes = _recorded_sizes(session)
    alike = sizes is not None and sizes[0] == manifest.observation_size
    if session.cut:
        outcome.notes.append(session.cut)
    if not outcome.same_bundle:
        outcome.notes.append(f"recorded was {session.bundle_id}, another bundle than the one compared with it")
    if sizes is not None and not alike:
        outcome.notes.append(
            f"observations are not compared: {sizes[0]} elements then, {manifest.observation_size} now"
        )
    rebuilder = Rebuilder(session, step, goal, fit=alike)
    begin = int(min(track.times[0] for track in session.tracks.values() if len(track)))
    for tick, rebuilt in rebuilder.ticks():
        outcome.ticks += 1
        for name in rebuilt.doubted:
            outcome.doubted[name] = outcome.doubted.get(name, 0) + 1
        _compare(outcome.comparison, step, tick, rebuilt, 1e-9 * (tick.time - begin), alike)
        if report is not None:
            report(outcome.ticks)
    outcome.skipped = rebuilder.skipped
    if not outcome.ticks:
        reasons = "; ".join(f"{count}: {reason}" for reason, count in outcome.skipped.items())
        raise SleightError(
            "no tick of the recording can be replayed",
            value=reasons or "the policy was never engaged",
            remedy="record from before 'policy/engage'",
        )
    return outcome


def check_hand(session: Session, step: PolicyStep) -> None:
    """Refuse a recording of another hand.

    Raises:
        SleightError: The commanded joints are not those of the bundle's hand.
    """
    recorded, own = session.joint_names, list(step.table.actuated_joint_names)
    if recorded and sorted(recorded) != sorted(own):
        wrong = sorted(set(recorded) ^ set(own))
        raise SleightError(
            f"the recording is of another hand than '{step.table.name}'",
            value=f"not shared: {', '.join(wrong[:6])}{' ...' if len(wrong) > 6 else ''}",
            remedy=f"recorded was {session.bundle_id}",
        )


def check_sources(session: Session, step: PolicyStep) -> None:
    """Refuse a recording that lacks what the bundle sees.

    Raises:
        SleightError: A topic is not in it.
    """
    names = {term.name for term in step.manifest.observation}
    if "pose" in needed_sources(step.manifest) or "last_output" in names:
        raise SleightError(
            "policies that see a tracked pose or their own last output are not replayed", value=step.manifest.name
        )
    needed = {
        "fingertip_wrenches": "wrenches" in needed_sources(step.manifest),
        "object/estimate": "object" in needed_sources(step.manifest),
        "object/cloud": "cloud" in needed_sources(step.manifest),
        "bridge/sent": any(term.name == "last_action" for term in step.manifest.observation),
    }
    if missing := [name for name, wanted in needed.items() if wanted and not len(session.tracks[name])]:
        raise SleightError(
            f"the recording lacks what bundle '{step.manifest.name}' sees",
            value=", ".join(missing),
            remedy="record these topics as well",
        )


def _recorded_sizes(session: Session) -> tuple[int, int] | None:
    """Sizes of observation and action of the recorded policy."""
    telemetry = session.tracks["policy/telemetry"]
    for index in range(len(telemetry)):
        msg = telemetry[index]
        if len(msg.observation):
            return len(msg.observation), len(msg.action)
    return None


def _compare(comparison: Comparison, step: PolicyStep, tick: Tick, rebuilt: Rebuilt, time: float, alike: bool) -> None:
    manifest: Manifest = step.manifest
    told, where = tick.telemetry, {"sequence": int(tick.telemetry.sequence), "time": time}
    result = step.act(rebuilt.observation)
    labels = manifest.action_labels
    if alike:
        comparison.add("observation", manifest.observation_labels, rebuilt.observation, told.observation, **where)
        again = step.act(np.asarray(told.observation, dtype=np.float32))
        if len(told.action) == len(labels):
            comparison.add("network", labels, again.action, told.action, **where)
    if len(told.action) == len(labels):
        comparison.add("action", labels, result.action, told.action, **where)
    if result.expert_weights is not None and len(told.expert_weights) == len(result.expert_weights):
        names = step.expert_names
        comparison.add("expert_weights", names, result.expert_weights, told.expert_weights, **where)
    if result.residual is not None and len(told.residual) == len(result.residual):
        comparison.add("residual", labels, result.residual, told.residual, **where)
    command = rebuilt.command(step, result.action)
    names = step.table.actuated_joint_names
    recorded = read_targets(list(tick.command.joint_names), tick.command.positions, names)
    comparison.add(
        "command",
        [*names, *(f"wrist {name}" for name in TWIST_NAMES)],
        np.concatenate([command.joint_targets[0], command.wrist_twist[0]]),
        np.concatenate([recorded.positions, twist_from_msg(tick.command)]),
        **where,
    )
