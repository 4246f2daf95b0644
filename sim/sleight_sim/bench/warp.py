"""Speed and memory of the grasp task on mujoco_warp."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sleight_sim.engines.warp_model import require_warp
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.tasks.grasp.config import ROBUST, GraspTaskConfig
from sleight_sim.tasks.grasp.make import make_grasp_task


@dataclass(frozen=True)
class WarpFigures:
    """What was measured.

    Attributes:
        task, engine: Environment steps a second of the task, and of its engine alone under the same commands.
        per_world, shared: Bytes of the engine's arrays: of each environment, and of what all share.
        device: Where.
    """

    task: float
    engine: float
    per_world: int
    shared: int
    device: str


def measure_warp(objects: str, envs: int, steps: int, rounds: int, device: str | None) -> WarpFigures:
    """Measure the task and its engine, which take turns; the medians of their rounds count.

    Args:
        objects: Object set.
        envs: Environments.
        steps: Control steps a round.
        rounds: Rounds of each.
        device: Warp's name of it; None: the first GPU, or the CPU without one.
    """
    require_warp()
    from sleight_sim.engines.mujoco_warp import MujocoWarpEngine

    config = GraspTaskConfig(near_start=1.0, randomisation=ROBUST)
    task = make_grasp_task(config, resolve_objects(objects), envs, engine="mujoco_warp", device=device, arrays="torch")
    engine = task.engine
    assert isinstance(engine, MujocoWarpEngine)
    rng = np.random.default_rng(0)
    actions = 0.5 * rng.normal(size=(steps, envs, task.num_actions))
    task.reset(random_progress=True)
    for action in actions[:3]:  # kernels are compiled, and the graph recorded
        task.step(action)
    times = np.zeros((2, rounds))
    # Both wait for the device in every step: the task for episodes that ended, the engine for overflows.
    for r in range(rounds):
        begin = time.perf_counter()
        for action in actions:
            task.step(action)
        middle = time.perf_counter()
        for _ in range(steps):
            engine.step(task.sent_targets, task.sent_twist)
        times[:, r] = middle - begin, time.perf_counter() - middle
        task.reset(random_progress=True)
    rates = steps * envs / np.median(times, axis=1)
    memory = engine.memory()
    return WarpFigures(float(rates[0]), float(rates[1]), memory.per_world, memory.shared, str(engine.device))
