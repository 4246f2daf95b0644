"""Files of demonstrations: recorded so that a kill costs one round, replayed before they count, and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sleight_core.errors import SleightError

from sleight_sim.tasks.compose import demonstrations as demos
from sleight_sim.tasks.compose.action import ComposeAction
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.demonstrations import Demonstration
from sleight_sim.tasks.compose.experts import Variation
from sleight_sim.tasks.compose.make import compose_hand

#: Largest deviation of a replay (m or rad); on one machine it is 0.
REPLAY_TOLERANCE = 1e-6


@dataclass(frozen=True)
class FileCheck:
    """What checking a file gave.

    Attributes:
        task: Name of the task.
        episodes: Demonstrations in it.
        samples: Actions in all of them.
        replayed: How many could be replayed; imported ones cannot.
        succeeded: How many of those succeeded again.
        deviation: Largest difference of a position from the recorded ones (m or rad); 0 without replays.
        problems: What is wrong, one line each.
    """

    task: str
    episodes: int
    samples: int
    replayed: int
    succeeded: int
    deviation: float
    problems: tuple[str, ...]


def collect_file(
    path: Path,
    config: ComposeTaskConfig,
    count: int,
    *,
    seed: int = 0,
    num_envs: int = 16,
    variation: Variation | None = None,
    num_threads: int = 0,
    report: Callable[[int], None] | None = None,
) -> int:
    """Let the scripted expert play, replay what succeeded, and keep `count` that succeed again in a file.

    After every round all that was found is kept in ``PATH.rounds``; the same call after a kill goes on there, and gives
    the same file as an uninterrupted one.

    Args:
        path: File to write.
        config: The task.
        count: How many.
        seed: Of worlds, starts and variation.
        num_envs: Episodes a round.
        variation: How much episodes differ; None for the default.
        num_threads: Threads; 0 for one a core.
        report: Called with the number of demonstrations so far.

    Returns:
        How many succeeded in recording, but not in the replay; they are left out.

    Raises:
        SleightError: There is no script for the task, it fails too often, or files cannot be written.
    """
    source = {
        "recorded_by": "scripted expert",
        "seed": seed,
        "num_envs": num_envs,
        "variation": asdict(variation or Variation()),
    }
    kept = Path(f"{path}.rounds")
    found, rounds, dropped = _resume(kept, config, source)

    def tell() -> None:
        if report:
            report(min(len(found), count))

    def judge(turn: int, new: list[Demonstration]) -> list[Demonstration]:
        nonlocal dropped
        good = _replayed(config, new, num_threads)
        found.extend(good)
        dropped += len(new) - len(good)
        if found:
            demos.write(kept, config, found, {**source, "rounds": turn + 1, "dropped": dropped})
        tell()
        return good

    tell()
    chosen = demos.collect(
        config,
        count,
        seed=seed,
        num_envs=num_envs,
        variation=variation,
        num_threads=num_threads,
        found=found,
        first_round=rounds,
        judge=judge,
    )
    demos.write(path, config, chosen, source)
    kept.unlink(missing_ok=True)
    return dropped


def _resume(kept: Path, config: ComposeTaskConfig, source: dict[str, Any]) -> tuple[list[Demonstration], int, int]:
    """What an interrupted recording of the same kind left: demonstrations, rounds, and how many were dropped."""
    if not kept.exists():
        return [], 0, 0
    before = demos.read_source(kept)
    there, found = demos.read(kept)
    if there != config or {name: before.get(name) for name in source} != _as_json(source):
        raise SleightError(
            "an interrupted recording of another kind is in the way",
            value=kept,
            remedy="repeat its command, or delete it",
        )
    return found, int(before["rounds"]), int(before["dropped"])


def _as_json(source: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON: tuples become lists."""
    varied = {name: list(v) if isinstance(v, tuple) else v for name, v in source["variation"].items()}
    return {**source, "variation": varied}


def _replayed(config: ComposeTaskConfig, new: list[Demonstration], num_threads: int) -> list[Demonstration]:
    if not new:
        return []
    result = demos.replay(config, new, num_threads=num_threads)
    good = result.succeeded & (result.deviation <= REPLAY_TOLERANCE)
    return [demo for demo, fine in zip(new, good, strict=True) if fine]


def check_file(path: Path, *, num_threads: int = 0) -> FileCheck:
    """Check what a file holds against its task, and replay it.

    Raises:
        SleightError: It cannot be read.
    """
    config, found = demos.read(path)
    action = ComposeAction(compose_hand(config), config.workspace)
    problems = [f"demo_{i}: {text}" for i, demo in enumerate(found) for text in _problems(demo, action, found[0])]
    replayable = [(i, demo) for i, demo in enumerate(found) if demo.replayable]
    succeeded, deviation = 0, 0.0
    if replayable:
        result = demos.replay(config, [demo for _, demo in replayable], num_threads=num_threads)
        succeeded, deviation = int(result.succeeded.sum()), float(result.deviation.max())
        again = [name for (name, _), fine in zip(replayable, result.succeeded, strict=True) if not fine]
        problems += [f"demo_{i}: its replay does not succeed" for i in again]
    return FileCheck(
        task=config.name,
        episodes=len(found),
        samples=sum(len(demo.actions) for demo in found),
        replayed=len(replayable),
        succeeded=succeeded,
        deviation=deviation,
        problems=tuple(problems),
    )


def _problems(demo: Demonstration, action: ComposeAction, first: Demonstration) -> list[str]:
    out = []
    if demo.actions.ndim != 2 or demo.actions.shape[1] != action.size:
        return [f"actions have shape {demo.actions.shape}, not (N, {action.size})"]
    rows = {name: value.shape for name, value in demo.obs.items()}
    if {name: shape[1:] for name, shape in rows.items()} != {n: v.shape[1:] for n, v in first.obs.items()}:
        out.append(f"observation terms {rows} differ from those of demo_0")
    if wrong := [name for name, shape in rows.items() if shape[0] != len(demo.actions)]:
        out.append(f"{wrong} have other lengths than the {len(demo.actions)} actions")
    if not all(np.isfinite(value).all() for value in (demo.actions, *demo.obs.values())):
        return [*out, "numbers are not finite"]
    beyond = np.maximum(action.lower - demo.actions, demo.actions - action.upper).max(axis=0)
    if beyond.max() > 1e-6:
        i = int(beyond.argmax())
        out.append(f"action {action.names[i]} is {beyond[i]:.3g} beyond its limits")
    if not demo.success.any():
        out.append("it does not succeed")
    return out
