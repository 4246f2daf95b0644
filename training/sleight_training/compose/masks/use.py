"""Which fingers an interaction skill uses: contact with the mechanism and motion, in the skill's own rollouts."""

from __future__ import annotations

import numpy as np
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.make import make_compose_task

from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.masks.config import UseConfig
from sleight_training.compose.masks.diagnostics import FingerUse, UseReport
from sleight_training.compose.skills import SkillSource, scripted_skill


def measure_use(
    config: ComposeTaskConfig,
    figures: UseConfig,
    skill: SkillSource | None = None,
    *,
    num_threads: int = 0,
) -> UseReport:
    """Roll a skill out with the whole hand, and measure each finger up to the success.

    Args:
        config: An interaction task.
        figures: How many episodes, and so on.
        skill: Which skill plays; None: the scripted expert.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: The task has no mechanism, or no episode succeeds.
    """
    if config.mechanism is None:
        raise SleightError("only interaction tasks use a mechanism", value=config.name, remedy="choose e.g. OpenDoor")
    task = make_compose_task(config, figures.episodes, seed=figures.seed, num_threads=num_threads)
    skill, terms = skill or scripted_skill(), task.reset()
    player = RecedingHorizon(skill.make(task, figures.seed), task.num_envs)
    player.reset(np.arange(task.num_envs))
    force = np.zeros((task.num_envs, len(task.table.fingers)))
    touched = np.zeros(force.shape, dtype=bool)
    low, high = task.sim.joint_pos.copy(), task.sim.joint_pos.copy()
    for _ in range(config.episode_steps):
        running = ~task.succeeded[:, None]
        terms = task.step(player.act(player.observation(terms))).terms
        now = task.engine.finger_contacts().mechanism
        force += np.where(running, now, 0.0)
        touched |= running & (now >= figures.force)
        low = np.where(running, np.minimum(low, task.sim.joint_pos), low)
        high = np.where(running, np.maximum(high, task.sim.joint_pos), high)
        if task.succeeded.all():
            break
    good = np.flatnonzero(task.succeeded & ~task.engine.failed())
    if not len(good):
        raise SleightError("no episode succeeds, so no finger's use can be told", value=config.name)
    table = task.table
    moved = np.clip((high - low) / (table.upper - table.lower), 0.0, 1.0)[good].mean(axis=0)
    shares = force[good].sum(axis=0) / max(float(force[good].sum()), 1e-9)
    uses = []
    for i, (name, finger) in enumerate(table.fingers.items()):
        joints = [table.joint_names.index(joint) for joint in finger.joints]
        uses.append(
            FingerUse(
                finger=name, force=float(np.clip(shares[i], 0.0, 1.0)), touched=float(touched[good, i].mean()),
                motion=float(moved[joints].mean()),
            )
        )  # fmt: skip
    return UseReport(task=config.name, source=skill.name, config=figures, succeeded=len(good), fingers=tuple(uses))
