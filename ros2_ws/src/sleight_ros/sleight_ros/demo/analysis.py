"""What a recorded bag says: safety of everything that was sent, timing of control, what the object did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader
from sleight_core.hand import HandTable
from sleight_core.safety import ReasonCode, SafetyState

from sleight_ros.audit import Audit, audit_joints, audit_twists
from sleight_ros.recording.typestore import sleight_typestore

#: Two sent commands further apart than this many periods belong to different streams (an episode's end, a hold).
STREAM_GAP = 4.0
_FOLLOWING = (int(SafetyState.BLENDING), int(SafetyState.ACTIVE))


@dataclass
class EpisodeTrace:
    """What happened in one episode, over time since its first step (s).

    Attributes:
        object_time, object_height: Height of the object over the table, m.
        command_time, twist, targets: What was sent.
    """

    object_time: np.ndarray
    object_height: np.ndarray
    command_time: np.ndarray
    twist: np.ndarray
    targets: np.ndarray


@dataclass
class Analysis:
    """Everything that the page and the verdict need.

    Attributes:
        joints, twists: Audits of what was sent.
        periods: Times between commands that followed the policy, s.
        latencies: From a joint state's stamp to the command made from it leaving the bridge, s.
        tick_times, inference_times: Of the policy, s.
        perception_times, object_ages: Of perception: its own time, and the age of its cloud when it was done, s.
        sim_periods: Times between joint states, s.
        overruns: Of the bridge and of the policy.
        holds: Ticks in a hold or stop while an episode ran, by reason.
        counts: Messages by topic.
        lost: Commands that the bridge sent and the recorder did not get.
        traces: By episode.
    """

    joints: Audit
    twists: Audit
    periods: np.ndarray
    latencies: np.ndarray
    tick_times: np.ndarray
    inference_times: np.ndarray
    perception_times: np.ndarray
    object_ages: np.ndarray
    sim_periods: np.ndarray
    overruns: dict[str, int]
    holds: dict[str, int]
    counts: dict[str, int]
    lost: int
    traces: dict[int, EpisodeTrace] = field(default_factory=dict)


def analyse(bag: Path, table: HandTable, *, period: float, restarts: int) -> Analysis:
    """Read a bag.

    Args:
        bag: Folder of the bag.
        table: The hand.
        period: Control period, s.
        restarts: How often the bridge was activated.
    """
    rows = _read(bag)
    sent = rows.get("bridge/sent", [])
    states = rows.get("joint_states", [])
    sim = rows.get("sim/state", [])
    status = rows.get("bridge/status", [])
    telemetry = [m for _, m in rows.get("policy/telemetry", []) if m.tick_time > 0]
    estimates = rows.get("object/estimate", [])
    trajectories, twists = _commands(rows, table)
    sent_ns = np.array([_ns(m.header.stamp) for _, m in sent], dtype=np.int64)
    followed = np.array([bool(m.bundle_id) for _, m in sent], dtype=bool)
    gaps = np.diff(sent_ns) * 1e-9
    both = followed[1:] & followed[:-1] if len(followed) else np.zeros(0, bool)
    state_ns = np.array([_ns(m.state_stamp) for _, m in sent], dtype=np.int64)
    fresh = followed.copy()
    # A state that was already answered was sent again by the watchdog: that is no answer.
    fresh[1:] &= state_ns[1:] != state_ns[:-1]
    joint_ns = np.array([_ns(m.header.stamp) for _, m in states], dtype=np.int64)
    running = _running(sim)
    # A recorder that misses a message sees a jump that was none.
    lost = max(0, max((m.sent_count for _, m in status), default=0) - min(len(trajectories), len(twists)))
    return Analysis(
        joints=audit_joints(table, trajectories, period=period, restarts=restarts + lost),
        twists=audit_twists(
            table, (twist for twist, _ in twists), period=period, lost=lost, frames=[frame for _, frame in twists]
        ),
        periods=gaps[both & (gaps < STREAM_GAP * period)],
        latencies=(sent_ns - state_ns)[fresh] * 1e-9,
        tick_times=np.array([m.tick_time for m in telemetry]),
        inference_times=np.array([m.inference_time for m in telemetry]),
        perception_times=np.array([m.processing_time for _, m in estimates if m.reason == 0]),
        object_ages=np.array([(t - _ns(m.header.stamp)) * 1e-9 for t, m in estimates if m.reason == 0]),
        sim_periods=np.diff(joint_ns) * 1e-9,
        overruns={
            "bridge": max((m.overruns for _, m in status), default=0),
            "policy": sum(_resets(np.array([m.overruns for m in telemetry], dtype=np.int64))),
        },
        holds=_holds(status, running),
        lost=lost,
        counts={topic: len(messages) for topic, messages in sorted(rows.items())},
        traces=_traces(sim, sent, sent_ns),
    )


JOINTS, TWIST = "hand_controller/joint_trajectory", "wrist_controller/twist"


def _read(bag: Path) -> dict[str, list[tuple[int, Any]]]:
    """Messages by topic, without the clouds."""
    rows: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([bag], default_typestore=sleight_typestore()) as reader:
        wanted = [c for c in reader.connections if not c.msgtype.endswith("PointCloud2")]
        for connection, time, data in reader.messages(connections=wanted):
            rows.setdefault(connection.topic.lstrip("/"), []).append(
                (time, reader.deserialize(data, connection.msgtype))
            )
    return rows


def _commands(
    rows: dict[str, list[tuple[int, Any]]], table: HandTable
) -> tuple[list[tuple[Any, Any]], list[tuple[list[float], str]]]:
    """Joint targets (names, positions) and wrist twists (twist, frame), as they were sent to the controllers.

    Those of a hand on an arm go to two controllers by the robot's names; what the safety filter let through is looked
    at there (`bridge/sent`).
    """
    if table.arm_joints:
        sent = [m for _, m in rows.get("bridge/sent", [])]
        return [(m.joint_names, m.positions) for m in sent], [(_six(m.wrist_twist), m.header.frame_id) for m in sent]
    trajectories = [(m.joint_names, m.points[0].positions if m.points else ()) for _, m in rows.get(JOINTS, [])]
    return trajectories, [(_six(m.twist), m.header.frame_id) for _, m in rows.get(TWIST, [])]


def _ns(stamp: Any) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _six(twist: Any) -> list[float]:
    a, b = twist.linear, twist.angular
    return [a.x, a.y, a.z, b.x, b.y, b.z]


def _resets(counter: np.ndarray) -> list[int]:
    """Final values of a counter that starts anew from time to time."""
    if not len(counter):
        return [0]
    ends = np.flatnonzero(np.diff(counter) < 0)
    return [int(counter[i]) for i in [*ends, len(counter) - 1]]


def _running(sim: list[tuple[int, Any]]) -> list[tuple[int, int]]:
    """Times (ns) between which an episode ran."""
    spans: dict[int, list[int]] = {}
    for _, m in sim:
        if m.step > 0 and not m.done:
            span = spans.setdefault(m.episode, [_ns(m.header.stamp)] * 2)
            span[1] = _ns(m.header.stamp)
    return [(begin, end) for begin, end in spans.values()]


def _holds(status: list[tuple[int, Any]], running: list[tuple[int, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, m in status:
        if m.state in _FOLLOWING:
            continue
        now = _ns(m.header.stamp)
        if any(begin <= now <= end for begin, end in running):
            name = ReasonCode(m.reason).name
            found[name] = found.get(name, 0) + 1
    return found


def _traces(sim: list[tuple[int, Any]], sent: list[tuple[int, Any]], sent_ns: np.ndarray) -> dict[int, EpisodeTrace]:
    traces = {}
    for episode in sorted({m.episode for _, m in sim if m.episode > 0 and m.step > 0}):
        mine = [m for _, m in sim if m.episode == episode and m.step > 0 and not m.done]
        if not mine:
            continue
        begin, end = _ns(mine[0].header.stamp), _ns(mine[-1].header.stamp)
        inside = np.flatnonzero((sent_ns >= begin) & (sent_ns <= end))
        traces[episode] = EpisodeTrace(
            object_time=np.array([(_ns(m.header.stamp) - begin) * 1e-9 for m in mine]),
            object_height=np.array([m.object_height for m in mine]),
            command_time=(sent_ns[inside] - begin) * 1e-9,
            twist=np.array([_six(sent[i][1].wrist_twist) for i in inside]).reshape(-1, 6),
            targets=np.array([np.asarray(sent[i][1].positions) for i in inside]),
        )
    return traces
