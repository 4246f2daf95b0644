"""Where an episode of the cube reorientation task starts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.tasks.reorient.config import ReorientConfig

Array = NDArray[np.float64]


def draw_start(table: HandTable, config: ReorientConfig, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw joints (count, J) rad and places of the cube (count, 3) m, task frame.

    Raises:
        SleightError: The task's start names joints that the hand does not have.
    """
    if unknown := sorted(set(config.joints) - set(table.joint_names)):
        raise SleightError(f"hand '{table.name}' does not have the joints of this task", value=unknown)
    home = np.array([config.joints.get(name, 0.0) for name in table.joint_names])
    joints = home + rng.normal(0.0, config.joint_noise, (count, len(home)))
    joints = np.clip(joints, table.lower + config.margin, table.upper - config.margin)
    cube, half = np.add(config.mount, config.cube.start), config.cube.start_noise
    return joints, cube + rng.uniform(-half, half, (count, 3))
