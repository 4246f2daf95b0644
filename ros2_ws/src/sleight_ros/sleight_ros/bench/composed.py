"""Composed skills: the control tick with its residuals, and whether chunks are there when they are due."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sleight_core.benchmark import Figure
from sleight_core.bundle import Bundle
from sleight_core.bundle.composed import OBSERVATION, RESIDUAL, ComposedSkills, PairSection
from sleight_core.bundle.policy import make_session
from sleight_core.compose.policy import ComposedPolicy
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import RobotState
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, mechanism_term
from sleight_core.observation.terms import CLOUD_SIZES

from sleight_ros.figures import percentiles

#: Issue's figures: a tick on one core, s; share of chunks that are there in time.
TICK, READY = 2e-3, 0.999


def measure_composed(
    bundle: Bundle, table: HandTable, state: RobotState, runs: int, pair: PairSection | None = None
) -> tuple[list[Figure], dict[str, Any]]:
    """Play a composition at the robot's rate, for `runs` ticks of the second skill, the samplers in their thread.

    The hand stands still: only time is measured. Nothing is sent anywhere.

    Args:
        bundle: Of composed skills.
        table: The hand.
        state: A state with plausible numbers.
        runs: Ticks that are measured.
        pair: Which pair; None: the first.

    Returns:
        The figures, and their distributions in s.

    Raises:
        SleightError: The bundle has no pair, or no chunk comes at all.
    """
    composition = bundle.manifest.composition
    assert isinstance(composition, ComposedSkills)
    pair = pair or next(iter(composition.pairs), None)
    if pair is None:
        raise SleightError("the bundle composes no skills", remedy="export one with a pair")
    _simulate(state, composition, pair)
    policy = ComposedPolicy(bundle, table)
    targets, twist = state.joint_pos[0, table.actuated_index], np.zeros(6)
    pace = _Pace(policy.period)
    try:
        policy.engage(pair.first, 1)
        _until(lambda: not policy.tick(state, targets, twist).late, pace)
        policy.engage(pair.second, 1)
        _until(lambda: policy.tick(state, targets, twist).stage == "second", pace)
        ticks, chunk_times = np.empty(runs), []
        late, planned = 0, 0
        for run in range(runs):
            pace.wait()
            begin = time.perf_counter()
            answer = policy.tick(state, targets, twist)
            ticks[run] = time.perf_counter() - begin
            if answer.counts.planned != planned:
                planned = answer.counts.planned
                chunk_times.append(answer.counts.seconds)
            late = answer.counts.late
    finally:
        policy.close()
    if not chunk_times:
        raise SleightError("no chunk came while the second skill acted", remedy="measure for longer")
    bare = percentiles(_bare(bundle, pair, min(runs, 2000)))
    whole, chunks = percentiles(ticks), percentiles(np.array(chunk_times))
    skill = composition.skill(pair.second)
    assert skill is not None
    has = skill.lead * composition.action_ticks * policy.period
    reference = "bare InferenceSession.run of the residuals"
    ready = 1.0 - late / max(planned, 1)
    figures = [
        Figure("tick with residuals, p50", 1e3 * whole["p50"], "ms", reference, 1e3 * bare["p50"]),
        Figure("tick with residuals, p99", 1e3 * whole["p99"], "ms", reference, 1e3 * bare["p99"], 1e3 * TICK),
        Figure("chunk, p50", 1e3 * chunks["p50"], "ms", "time it has", 1e3 * has),
        Figure("chunk, p99", 1e3 * chunks["p99"], "ms", "time it has", 1e3 * has),
        Figure("chunks there when due", ready, "share", f"of {planned}", 1.0, READY, at_least=True),
    ]
    return figures, {"tick": whole, "residuals": bare, "chunk": chunks, "planned": planned, "late": late}


class _Pace:
    """Waits for the next tick of a period; ticks that are over already are not made up for."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._next = time.perf_counter()

    def wait(self) -> None:
        self._next = max(self._next + self._period, time.perf_counter() - self._period)
        time.sleep(max(0.0, self._next - time.perf_counter()))


def _until(done: Callable[[], bool], pace: _Pace, patience: float = 60.0) -> None:
    end = time.perf_counter() + patience
    while not done():
        if time.perf_counter() > end:
            raise SleightError("the composition does not get to its second skill", value=f"{patience:g} s")
        pace.wait()


def _bare(bundle: Bundle, pair: PairSection, runs: int) -> np.ndarray:
    sessions = [
        (make_session(bundle.graphs[part.graph], part.graph), bundle.golden[f"{part.graph}.{OBSERVATION}"][:1])
        for part in pair.residuals.values()
    ]
    times = np.zeros(runs)
    for run in range(runs):
        begin = time.perf_counter()
        for session, seen in sessions:
            session.run([RESIDUAL], {OBSERVATION: seen})
        times[run] = time.perf_counter() - begin
    return times


def _simulate(state: RobotState, composition: ComposedSkills, pair: PairSection) -> None:
    """Give a state what only a simulator knows, and what cameras see, at places where nothing is degenerate."""
    skill = composition.skill(pair.second)
    assert skill is not None
    joints = 2 if any(term.name == mechanism_term(2) for term in skill.observation) else 1
    still = np.zeros((1, 3))
    state.privileged = {
        "object_pos": state.wrist_pos + 0.05,
        "object_quat": np.array([[1.0, 0.0, 0.0, 0.0]]),
        "object_linvel": still,
        "object_angvel": still,
        "handle_pos": state.wrist_pos - 0.1,
        MECHANISM_JOINTS: np.zeros((1, joints)),
    }
    state.scene_cloud = np.random.default_rng(0).normal(state.wrist_pos[:, None], 0.1, (1, CLOUD_SIZES[-1], 3))
