"""Inference and whole ticks of a policy, beside the bare ONNX Runtime call on the same graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import typer
from sleight_core.action import ActionSpec
from sleight_core.benchmark import Figure, as_json, print_figures, write_json
from sleight_core.bundle import Bundle, PolicySession, load_bundle
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.bundle.policy import make_session
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder, RobotState
from sleight_description import load_hand

from sleight_ros.bench.composed import measure_composed
from sleight_ros.figures import percentiles

app = typer.Typer(help=__doc__, add_completion=False)


def robot_state(count_joints: int, count_fingers: int, size: int, rng: np.random.Generator) -> RobotState:
    """A state with plausible numbers."""
    quat = rng.normal(size=(1, 4))
    return RobotState(
        joint_pos=rng.uniform(0, 1, (1, count_joints)),
        joint_vel=rng.normal(size=(1, count_joints)),
        wrist_pos=rng.uniform(0, 1, (1, 3)),
        wrist_quat=quat / np.linalg.norm(quat),
        wrist_linvel=rng.normal(size=(1, 3)),
        wrist_angvel=rng.normal(size=(1, 3)),
        fingertip_wrench=rng.normal(size=(1, count_fingers, 6)),
        canonical_yaw=np.zeros(1),
        last_action=rng.uniform(-1, 1, (1, size)),
        object_pos=rng.uniform(0, 1, (1, 3)),
        goal_pos=rng.uniform(0, 1, (1, 3)),
    )


def alternate(functions: list[Callable[[], object]], runs: int) -> list[np.ndarray]:
    """Time functions in turn, so that the machine's moods meet all of them alike; s, one array a function."""
    times = np.empty((len(functions), runs))
    for run in range(-20, runs):
        for i, function in enumerate(functions):
            begin = time.perf_counter()
            function()
            if run >= 0:
                times[i, run] = time.perf_counter() - begin
    return list(times)


@app.command()
def policy(
    bundle: Annotated[Path, typer.Option(help="Folder of the policy bundle.")] = Path("policies/shadow_base"),
    runs: Annotated[int, typer.Option(min=100, max=1_000_000, help="How often each is measured.")] = 3000,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure one tick as the policy node runs it: observation, inference, decoding.

    Of composed skills: the tick with both residuals while samplers run beside it, and whether chunks come in time.
    """
    # Nothing is moved, so what only a simulator knows may be seen.
    loaded = load_bundle(bundle, simulation=True)
    manifest = loaded.manifest
    table = load_hand(manifest.hand.name)
    if isinstance(manifest.composition, ComposedSkills):
        _composed(loaded, table, runs, json_out)
    observation = ObservationBuilder(table, manifest.observation)
    action = ActionSpec(table, manifest.action)
    session = PolicySession(loaded)
    bare = make_session(loaded.graphs["policy"], "graphs.policy")
    name = manifest.policy.inputs[0].name
    rng = np.random.default_rng(0)
    state = robot_state(len(table.joint_names), len(table.finger_names), action.size, rng)
    row = observation.compute(state)
    targets = np.zeros((1, len(table.actuated_joint_names)))

    def tick() -> None:
        answer = session.act(observation.compute(state)[0])
        action.decode(np.asarray(answer.action, dtype=float)[None], state.canonical_yaw, targets)

    times = alternate([lambda: bare.run(None, {name: row}), lambda: session.act(row[0]), tick], runs)
    graph, act, whole = (percentiles(one) for one in times)
    period = manifest.control.period
    reference = "bare InferenceSession.run"
    figures = [
        Figure("inference with its checks, p50", 1e3 * act["p50"], "ms", reference, 1e3 * graph["p50"]),
        Figure("inference with its checks, p99", 1e3 * act["p99"], "ms", reference, 1e3 * graph["p99"], 250 * period),
        Figure("whole tick, p50", 1e3 * whole["p50"], "ms", reference, 1e3 * graph["p50"]),
        Figure("whole tick, p99", 1e3 * whole["p99"], "ms", reference, 1e3 * graph["p99"], 250 * period),
    ]
    _conclude(loaded, runs, figures, {"graph": graph, "act": act, "tick": whole}, json_out)


def _composed(bundle: Bundle, table: HandTable, runs: int, json_out: Path | None) -> NoReturn:
    state = robot_state(len(table.joint_names), len(table.finger_names), 6, np.random.default_rng(0))
    figures, more = measure_composed(bundle, table, state, runs)
    _conclude(bundle, runs, figures, more, json_out)


def _conclude(
    bundle: Bundle, runs: int, figures: list[Figure], more: dict[str, Any], json_out: Path | None
) -> NoReturn:
    print_figures(figures)
    content = as_json(figures, bundle=bundle.id, runs=runs, distributions_s=more)
    if json_out is not None:
        write_json(json_out, content)
    raise typer.Exit(0 if content["passed"] else 1)
