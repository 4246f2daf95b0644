"""Demonstrations as HDF5 files in robomimic's layout: recording, reading, and replaying as a check.

One file a task (DexCompose 4.1: 50 successful demonstrations each):

``data`` (attributes ``total``: samples of all demonstrations; ``env_args``: JSON with ``env_name``, ``type``,
``format`` and ``env_kwargs``: the task's configuration; ``source``: JSON, where they come from)
  ``demo_0`` .. (attributes ``num_samples`` N; ``world``: JSON of the world's draw)
    ``actions`` (N, 28): as sent to the task, m and rad (`ComposeAction`)
    ``states`` (N, S): MuJoCo's integration state before each action
    ``sent`` (N, A + 6): joint targets (rad) and wrist twist (m/s, rad/s) that were sent before each action
    ``rewards`` (N,): 1 where the success condition held after the action, else 0
    ``dones`` (N,): 1 at the end
    ``obs/NAME``, ``next_obs/NAME`` (N, n): observation terms before and after each action
``mask/train``: names of the demonstrations

The samples and keys are robomimic's, so that its loaders read such a file; ``sent`` and ``world`` are ours, for the
replay: commands are rate-limited from the last sent one, and each world is drawn. Imported demonstrations have neither
(S and A + 6 are 0, and the world is empty): they cannot be replayed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import MissingExtraError, SleightError

from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.engine import ComposeEngine, Snapshot
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.experts import ScriptedExpert, Variation
from sleight_sim.tasks.compose.make import compose_hand, make_compose_task
from sleight_sim.tasks.compose.variation import MechanismDraw, ObjectDraw, WorldDraw
from sleight_sim.tasks.compose.world import build_world

Array = NDArray[np.float64]
FORMAT = "sleight-compose-1"
#: Actions kept after success, so that a policy learns to stay there.
TAIL = 15


@dataclass(frozen=True)
class Demonstration:
    """One successful episode of N actions; see the module's text for the arrays.

    Attributes:
        actions, states, sent: (N, 28), (N, S), (N, A + 6).
        success: (N,) bool after each action.
        obs, next_obs: Observation terms (N, n) by name.
        world: What the world was made from.
    """

    actions: Array
    states: Array
    sent: Array
    success: NDArray[np.bool_]
    obs: dict[str, Array]
    next_obs: dict[str, Array]
    world: WorldDraw

    @property
    def replayable(self) -> bool:
        """Whether it holds the simulator's states; one that was recorded elsewhere does not."""
        return self.states.shape[1] > 0


@dataclass(frozen=True)
class Replay:
    """What replaying demonstrations gave.

    Attributes:
        succeeded: (n,) bool: the actions alone, from the first state, succeed again.
        deviation: (n,) largest difference of a position (m or rad) from the recorded ones.
    """

    succeeded: NDArray[np.bool_]
    deviation: Array


def collect(
    config: ComposeTaskConfig,
    count: int,
    *,
    seed: int = 0,
    num_envs: int = 16,
    variation: Variation | None = None,
    num_threads: int = 0,
    found: Sequence[Demonstration] = (),
    first_round: int = 0,
    judge: Callable[[int, list[Demonstration]], list[Demonstration]] | None = None,
) -> list[Demonstration]:
    """Let the scripted expert play until there are enough successful episodes; failures are left out.

    Args:
        config: The task.
        count: How many.
        seed: Of worlds, starts and variation; a round of the same number plays the same episodes.
        num_envs: Episodes a round; each round has new worlds.
        variation: How much episodes differ; None for the default.
        num_threads: Threads; 0 for one a core.
        found: Those that earlier rounds gave.
        first_round: How many rounds that were.
        judge: Called after each round with its number and what succeeded in it; returns what of that counts.

    Raises:
        SleightError: There is no script for the task, or it fails too often.
    """
    found = list(found)
    most = 4 + 4 * -(-count // num_envs)
    for turn in range(first_round, most):
        if len(found) >= count:
            break
        task = make_compose_task(config, num_envs, seed=seed + 1000 * turn, num_threads=num_threads)
        new = _play(task, ScriptedExpert(task, seed + 1000 * turn + 1, variation))
        found += judge(turn, new) if judge else new
    if len(found) < count:
        raise SleightError(
            f"only {len(found)} of {count} demonstrations in {most * num_envs} episodes",
            value=config.name,
            remedy="check the expert with less variation",
        )
    return found[:count]


def _play(task: ComposeTask, expert: ScriptedExpert) -> list[Demonstration]:
    terms = task.reset()
    expert.plan()
    ids = np.arange(task.num_envs)
    rows: dict[str, list[NDArray[Any]]] = {"actions": [], "states": [], "sent": [], "success": []}
    seen = [terms]
    done_at = np.full(task.num_envs, -1)
    failed = np.zeros(task.num_envs, dtype=bool)
    for step in range(task.config.episode_steps):
        action = task.action.clip(expert.act())
        rows["states"].append(task.engine.snapshot(ids).state)
        rows["sent"].append(np.concatenate([task.sent_targets, task.sent_twist], axis=-1))
        result = task.step(action)
        rows["actions"].append(action)
        rows["success"].append(result.success)
        seen.append(result.terms)
        failed |= result.failed
        done_at = np.where((done_at < 0) & result.success, step, done_at)
        if (step >= np.where(done_at < 0, task.config.episode_steps, done_at + TAIL)).all():
            break
    stacked = {name: np.stack(values) for name, values in rows.items()}
    demonstrations = []
    for i in np.flatnonzero((done_at >= 0) & ~failed):
        n = min(int(done_at[i]) + 1 + TAIL, len(rows["actions"]))
        obs = {name: np.stack([terms[name][i] for terms in seen[: n + 1]]) for name in seen[0]}
        demonstrations.append(
            Demonstration(
                **{name: stacked[name][:n, i] for name in ("actions", "states", "sent", "success")},
                obs={name: values[:-1] for name, values in obs.items()},
                next_obs={name: values[1:] for name, values in obs.items()},
                world=task.engine.worlds[i].draw,
            )
        )
    return demonstrations


def replay(config: ComposeTaskConfig, demonstrations: list[Demonstration], *, num_threads: int = 0) -> Replay:
    """Play recorded actions from the recorded first states, in worlds made anew from their draws.

    Args:
        config: The task.
        demonstrations: n of them.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: A state does not fit the task's worlds, or there are no states.
    """
    if not all(demo.replayable for demo in demonstrations):
        raise SleightError(
            "imported demonstrations cannot be replayed: they hold no states of the simulator", value=config.name
        )
    table = compose_hand(config)
    worlds = [build_world(table, demo.world, config.timestep) for demo in demonstrations]
    engine = ComposeEngine(table, worlds, substeps=config.substeps, num_threads=num_threads)
    task = ComposeTask(engine, config)
    task.reset()
    ids, nq = np.arange(len(worlds)), worlds[0].model.nq
    engine.restore(ids, Snapshot(np.stack([demo.states[0] for demo in demonstrations])))
    joints = len(table.actuated_joint_names)
    task.sent_targets = np.stack([demo.sent[0, :joints] for demo in demonstrations])
    task.sent_twist = np.stack([demo.sent[0, joints:] for demo in demonstrations])
    task.refresh()
    # MuJoCo's integration state begins with the time, then the positions.
    positions = slice(1, 1 + nq)
    deviation = np.zeros(len(worlds))
    succeeded = np.zeros(len(worlds), dtype=bool)
    for step in range(max(len(demo.actions) for demo in demonstrations)):
        now = [min(step, len(demo.actions) - 1) for demo in demonstrations]
        there = np.stack([demo.states[k, positions] for demo, k in zip(demonstrations, now, strict=True)])
        running = np.array([step < len(demo.actions) for demo in demonstrations])
        off = np.abs(engine.positions() - there).max(axis=-1)
        deviation = np.where(running, np.maximum(deviation, off), deviation)
        result = task.step(np.stack([demo.actions[k] for demo, k in zip(demonstrations, now, strict=True)]))
        succeeded |= running & result.success
    return Replay(succeeded, deviation)


def write(
    path: Path | str,
    config: ComposeTaskConfig,
    demonstrations: list[Demonstration],
    source: dict[str, Any] | None = None,
) -> None:
    """Write demonstrations of a task (atomic: a kill leaves an old file or the new one).

    Args:
        path: File to write; its folder is made.
        config: The task.
        demonstrations: At least one.
        source: Where they come from, as JSON holds it.

    Raises:
        SleightError: h5py is not installed (`MissingExtraError`), there is nothing to write, or the file cannot be.
    """
    h5py = _h5py()
    if not demonstrations:
        raise SleightError("there are no demonstrations to write", value=path, remedy="collect some first")
    arguments = {
        "env_name": config.name,
        "type": 4,  # robomimic's number for an environment of one's own
        "format": FORMAT,
        "env_kwargs": config.model_dump(mode="json"),
    }
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        part = Path(f"{path}.part")
        with h5py.File(part, "w") as file:
            data = file.create_group("data")
            data.attrs["total"] = sum(len(demo.actions) for demo in demonstrations)
            data.attrs["env_args"] = json.dumps(arguments)
            data.attrs["source"] = json.dumps(source or {})
            for i, demo in enumerate(demonstrations):
                _write_one(data.create_group(f"demo_{i}"), demo)
            names = np.array([f"demo_{i}" for i in range(len(demonstrations))], dtype="S")
            file.create_group("mask").create_dataset("train", data=names)
        os.replace(part, path)
    except OSError as error:
        raise SleightError("demonstrations cannot be written", value=f"{path}: {error}") from error


def _write_one(group: Any, demo: Demonstration) -> None:
    n = len(demo.actions)
    group.attrs["num_samples"] = n
    group.attrs["world"] = json.dumps(asdict(demo.world))
    dones = np.zeros(n, dtype=np.int64)
    dones[-1] = 1
    arrays = {"actions": demo.actions, "states": demo.states, "sent": demo.sent, "dones": dones}
    arrays["rewards"] = demo.success.astype(np.float64)
    arrays |= {f"obs/{name}": value for name, value in demo.obs.items()}
    arrays |= {f"next_obs/{name}": value for name, value in demo.next_obs.items()}
    for name, value in arrays.items():
        group.create_dataset(name, data=value, compression="gzip")


def read(path: Path | str) -> tuple[ComposeTaskConfig, list[Demonstration]]:
    """Read what `write` wrote.

    Raises:
        SleightError: h5py is not installed (`MissingExtraError`), or the file is missing, damaged or of another format.
    """
    with open_hdf5(path) as file:
        arguments = json.loads(file["data"].attrs["env_args"])
        if arguments.get("format") != FORMAT:
            raise SleightError(
                "these demonstrations are of another format",
                value=arguments.get("format"),
                remedy=f"need {FORMAT}; 'sleight demonstrations import' reads others",
            )
        config = ComposeTaskConfig.model_validate(arguments["env_kwargs"])
        return config, list(_read_all(file))


def read_source(path: Path | str) -> dict[str, Any]:
    """Where the demonstrations of a file come from, as `write` was told.

    Raises:
        SleightError: As of `read`.
    """
    with open_hdf5(path) as file:
        return json.loads(file["data"].attrs.get("source", "{}"))


@contextmanager
def open_hdf5(path: Path | str) -> Iterator[Any]:
    """Open a file for reading; what is wrong with it becomes a refusal.

    Raises:
        SleightError: h5py is not installed (`MissingExtraError`), or the file is missing or damaged.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SleightError("demonstrations cannot be read", value=f"{path}: {' '.join(str(error).split())}") from error


def _read_all(file: Any) -> Iterator[Demonstration]:
    for name in file["mask/train"][()]:
        group = file["data"][name.decode()]
        drawn = json.loads(group.attrs["world"])
        thing, mechanism = drawn["thing"], drawn["mechanism"]
        yield Demonstration(
            **{key: group[key][()] for key in ("actions", "states", "sent")},
            success=group["rewards"][()] > 0.5,
            obs={key: value[()] for key, value in group["obs"].items()},
            next_obs={key: value[()] for key, value in group["next_obs"].items()},
            world=WorldDraw(ObjectDraw(**thing) if thing else None, MechanismDraw(**mechanism) if mechanism else None),
        )


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "sim") from error
    return h5py
