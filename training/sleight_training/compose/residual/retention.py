"""Whether the first skill's object is still held (DexCompose B.4, "Retention check")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_sim.tasks.compose.env import ComposeTask

from sleight_training.compose.residual.config import RetentionConfig


def retained(config: RetentionConfig, task: ComposeTask) -> NDArray[np.bool_]:
    """Whether the objects are near the palm centre and above the drop height now, (B,)."""
    sim = task.sim
    palm = task.observation.kinematics.grasp_center(sim.wrist_pos, sim.wrist_quat)
    near = np.linalg.norm(sim.object_pos - palm, axis=-1) <= config.palm_distance
    return near & (sim.object_pos[:, 2] >= task.lying() + config.drop_height)
