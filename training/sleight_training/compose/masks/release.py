"""Release tests (DexCompose 3.2, B.4): open some fingers of a hand that holds an object, and see whether it falls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sleight_sim.tasks.compose.action import WRIST_SIZE, ComposeAction
from sleight_sim.tasks.compose.env import ComposeTask

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.held.restore import HeldWorlds, palm_pose
from sleight_training.compose.masks.config import ReleaseConfig
from sleight_training.compose.masks.describe import describe_held
from sleight_training.compose.masks.diagnostics import MaskResult, ReleaseReport
from sleight_training.compose.masks.mask import FingerMask, candidate_masks

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def release_action(hold: Array, open_pose: Array, released: Flags, step: int, ramp: int) -> Array:
    """The actions of a release test (Eqs. 5 and 15).

    Args:
        hold: (B, 28) reference hold actions.
        open_pose: (28,) of which the released fingers' elements are used.
        released: (B, 28) elements of released fingers.
        step: Index of the action from 0.
        ramp: Actions until the fingers are open.

    Returns:
        (B, 28): preserved fingers and wrist as in `hold`, released fingers on the straight line to the open pose.
    """
    share = min((step + 1) / ramp, 1.0)
    return np.where(released, hold + share * (open_pose - hold), hold)


def run_release_tests(
    library: HeldLibrary,
    config: ReleaseConfig,
    masks: Sequence[FingerMask] | None = None,
    *,
    report: Callable[[int, int], None] = lambda done, total: None,
    num_threads: int = 0,
) -> ReleaseReport:
    """Test masks on held states, drawn uniformly with replacement; rollouts of all masks run side by side.

    Args:
        library: The held states.
        config: Figures.
        masks: Candidates; None for all useful ones.
        report: Called with rollouts done and in all, after every batch.
        num_threads: Threads; 0 for one a core.
    """
    begin = time.monotonic()
    worlds = HeldWorlds(library)
    fingers = worlds.table.finger_names
    candidates = list(candidate_masks(fingers) if masks is None else masks)
    tested = [*candidates, FingerMask.of(fingers, fingers), FingerMask.of(fingers, ())]
    drawn = library.sample(config.rollouts, np.random.default_rng(config.seed))
    mask_of, rows = np.repeat(np.arange(len(tested)), len(drawn)), np.tile(drawn, len(tested))
    passed, turned = np.zeros((3, len(rows)), dtype=bool), np.zeros(len(rows))
    for first in range(0, len(rows), config.num_envs):
        part = slice(first, first + config.num_envs)
        task = worlds.task(rows[part], num_threads=num_threads)
        passed[:, part] = _roll(task, library.hold[rows[part]], [tested[i] for i in mask_of[part]], config)
        turned[part] = _turned(task, library.palm_quat[rows[part]])
        report(min(first + config.num_envs, len(rows)), len(rows))
    passed, turned = passed.reshape(3, len(tested), len(drawn)), turned.reshape(len(tested), len(drawn))
    counts = passed.sum(axis=-1)
    results = [
        MaskResult(
            preserved=mask.preserved, released=mask.released, rollouts=len(drawn),
            retained=int(counts[0, i]), clean=int(counts[1, i]), both=int(counts[2, i]),
            **_spread(turned[i, passed[0, i]]),
        )
        for i, mask in enumerate(tested)
    ]  # fmt: skip
    return ReleaseReport(
        task=library.task.name, about=describe_held(library), fingers=fingers, config=config, states=len(library),
        source=library.meta.source,
        candidates=tuple(results[:-2]), all_preserved=results[-2], none_preserved=results[-1],
        seconds=round(time.monotonic() - begin, 1),
    )  # fmt: skip


def _roll(task: ComposeTask, hold: Array, masks: Sequence[FingerMask], config: ReleaseConfig) -> NDArray[np.bool_]:
    """Roll masks out in their environments; (3, B): retained, clean, both."""
    released = np.stack([task.action.mask(mask.released) for mask in masks])
    free = np.array([[not keep for keep in mask.keeps] for mask in masks])
    pose = open_pose(task.action)
    pushed = np.zeros(task.num_envs)
    for step in range(config.steps):
        task.step(release_action(hold, pose, released, step, config.ramp))
        if step >= config.steps - config.clean_steps:
            force = task.engine.finger_contacts().object
            pushed = np.maximum(pushed, np.where(free, force, 0.0).max(axis=-1))
    away, _ = palm_pose(task.observation.kinematics, task.sim)
    retained = np.linalg.norm(away, axis=-1) <= config.palm_distance
    retained &= task.sim.object_pos[:, 2] - task.lying() > config.drop_height
    retained &= ~task.engine.failed()
    clean = pushed < config.force
    return np.stack([retained, clean, retained & clean])


def _turned(task: ComposeTask, before: Array) -> Array:
    """Angles (B,) rad by which the objects have turned in the palm since quaternions (B, 4) wxyz."""
    _, now = palm_pose(task.observation.kinematics, task.sim)
    return 2.0 * np.arccos(np.clip(np.abs((now * before).sum(axis=-1)), 0.0, 1.0))


def _spread(turned: Array) -> dict[str, float | None]:
    """Mean and 90th percentile of angles (n,) by the fields of `MaskResult`."""
    if not len(turned):
        return {"turned_mean": None, "turned_p90": None}
    return {"turned_mean": float(turned.mean()), "turned_p90": float(np.percentile(turned, 90))}


def open_pose(action: ComposeAction) -> Array:
    """The hand table's open posture as an action (28,); the wrist's elements are not used."""
    return np.concatenate([np.zeros(WRIST_SIZE), action.couple(action.table.posture("open"))])
