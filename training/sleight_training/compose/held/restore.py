"""Putting environments into held states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_normalize, quat_rotate
from sleight_sim.engines import SimState
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.compose.variation import WorldDraw
from sleight_sim.tasks.compose.world import ComposeWorld, build_world

from sleight_training.compose.held.library import HeldLibrary

Array = NDArray[np.float64]
Ids = NDArray[np.integer]


def palm_pose(kinematics: FingertipKinematics, sim: SimState) -> tuple[Array, Array]:
    """The object's pose in the palm's frame: origin at the hand's grasp centre, axes of the wrist.

    Returns:
        (B, 3) m and (B, 4) wxyz, w >= 0.
    """
    inverse = quat_conjugate(sim.wrist_quat)
    away = sim.object_pos - kinematics.grasp_center(sim.wrist_pos, sim.wrist_quat)
    return quat_rotate(inverse, away), quat_normalize(quat_multiply(inverse, sim.object_quat))


class HeldWorlds:
    """Compiles the worlds of a library, each once.

    Args:
        library: The library.
    """

    def __init__(self, library: HeldLibrary) -> None:
        self.library = library
        self.table = compose_hand(library.task)
        self._worlds: dict[int, ComposeWorld] = {}

    def world(self, index: int) -> ComposeWorld:
        """The world of one of the library's objects."""
        if index not in self._worlds:
            draw = WorldDraw(self.library.draws[index], None)
            self._worlds[index] = build_world(self.table, draw, self.library.task.timestep)
        return self._worlds[index]

    def task(self, rows: Ids, *, num_threads: int = 0) -> ComposeTask:
        """The library's task with an environment for each of rows (n,), in the world and the state of that row."""
        worlds = [self.world(int(self.library.world[row])) for row in rows]
        engine = ComposeEngine(self.table, worlds, substeps=self.library.task.substeps, num_threads=num_threads)
        task = ComposeTask(engine, self.library.task)
        restore(task, np.arange(len(rows)), self.library, rows)
        return task


def restore(
    task: ComposeTask,
    ids: Ids,
    library: HeldLibrary,
    rows: Ids,
    *,
    moved: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> None:
    """Put environments ids (n,) of a task into held states rows (n,); their episodes start anew.

    The task may be a composition: its mechanism stays where it is, so start the episode first. In a world of the
    library's own task what follows is the same to the bit as where the state was taken.

    Args:
        task: The task.
        ids: Environments.
        library: The held states.
        rows: Which of them.
        moved: What hand and object are then moved by together (m, task frame).

    Raises:
        SleightError: An environment has another object than its state was taken with.
    """
    for i, row in zip(ids, rows, strict=True):
        wanted, found = library.draws[library.world[row]], task.engine.worlds[i].draw.thing
        if found != wanted:
            raise SleightError(
                f"environment {i} has another object than held state {row}",
                value=f"{found}, not {wanted}",
                remedy="make its world from the library's draw",
            )
    task.engine.put_hand_object(ids, library.state(rows), moved)
    task.sent_targets[ids], task.sent_twist[ids] = library.targets[rows], library.twist[rows]
    task.step_count[ids] = task.streak[ids] = 0
    task.succeeded[ids] = False
    task.refresh()
