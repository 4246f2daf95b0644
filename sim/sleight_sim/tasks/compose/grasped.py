"""A tabletop grasp as a retention task: what a grasp policy has lifted is kept while a second skill acts."""

from __future__ import annotations

import re

import numpy as np
from sleight_core.errors import SleightError

from sleight_sim.tasks.compose.config import TASKS, ComposeTaskConfig, RetentionSuccess, ShapeConfig, StartConfig
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

#: What a grasp is called among the tasks unless it is given another name.
GRASP = "Grasp"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)


def grasp_as_task(grasp: GraspTaskConfig, name: str = GRASP) -> ComposeTaskConfig:
    """The retention task whose success is that of a tabletop grasp: the object near the goal for a while.

    Hand, action, rates and the wrist's bounds are those of the other tasks, because a second skill goes on there.

    Args:
        grasp: The tabletop grasp.
        name: What it is called; residuals and results carry it.

    Raises:
        SleightError: The name is none, or one of our tasks'.
    """
    if not _NAME.fullmatch(name):
        raise SleightError(
            "a grasp's name has letters, digits, - and _, a letter first", value=name, remedy=f"such as {GRASP}Can"
        )
    if name in TASKS:
        raise SleightError("there is a task of this name", value=name, remedy=f"such as {GRASP}Can")
    xy, height = grasp.wrist_xy, TABLE_HEIGHT + grasp.wrist_height
    task = ComposeTaskConfig(
        name=name,
        role="retention",
        paper=False,
        object=ShapeConfig(),
        success=RetentionSuccess(target=grasp.goal, target_distance=grasp.success_radius),
        start=StartConfig(
            x=(-grasp.object_xy, grasp.object_xy),
            y=(-grasp.object_xy, grasp.object_xy),
            yaw=(-np.pi, np.pi),
            wrist_pos=((-xy, -xy, height), (xy, xy, height)),
            wrist_turn=np.pi,
        ),
    )
    steps = max(1, round(grasp.hold_steps * grasp.control_period / task.control_period))
    return task.model_copy(update={"success": task.success.model_copy(update={"hold_steps": steps})})
