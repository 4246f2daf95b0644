"""Held states and residuals made by hand, for tests that need neither a grasp that holds nor a training."""

import numpy as np
import pytest
from sleight_sim.tasks.compose.config import task_config
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.compose.variation import draw_world
from sleight_training.compose.residual.held import HeldStates
from sleight_training.compose.residual.policy import ResidualSpec


@pytest.fixture(scope="session")
def pretended() -> HeldStates:
    """Balls beside a half closed hand."""
    count, config = 3, task_config("GraspBall")
    table = compose_hand(config)
    rng = np.random.default_rng(0)
    draws = tuple(draw_world(config, rng).thing for _ in range(count))
    joints = np.tile(0.5 * (table.lower + table.upper), (count, 1))
    unit = np.tile([1.0, 0.0, 0.0, 0.0], (count, 1))
    down = np.tile([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0], (count, 1))
    return HeldStates(
        config.name,
        draws,
        np.arange(count),
        joint_pos=joints,
        wrist_pos=np.tile([0.0, 0.1, 0.9], (count, 1)),
        wrist_quat=down,
        object_pos=np.tile([0.0, 0.0, 0.85], (count, 1)),
        object_quat=unit,
        targets=joints[:, table.actuated_index],
    )


@pytest.fixture(scope="session")
def spec() -> ResidualSpec:
    """A small second residual."""
    return ResidualSpec(
        kind="second",
        tasks=("GraspBall", "PushButton"),
        masks=(("rf", "lf", "th"),),
        terms={"a": 4, "b": 3},
        columns=(0, 2, 27),
        bounds=(0.1,) * 28,
        hidden=(16, 8),
    )
