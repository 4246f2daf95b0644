"""The disturbances that the stabiliser learns against."""

import numpy as np
import pytest
from sleight_core.compose import Ownership
from sleight_core.compose.ownership import WRIST_SIZE
from sleight_sim.tasks.compose.config import task_config
from sleight_training.compose.held.library import read_library
from sleight_training.compose.residual.config import CompositionConfig, DisturbanceConfig
from sleight_training.compose.residual.pair import make_holding_worlds
from sleight_training.compose.residual.stabilise import StabiliserTask


@pytest.fixture(scope="module")
def task(pretended_file):
    held = read_library(pretended_file)
    task, worlds = make_holding_worlds(task_config("GraspBall"), held, 3, num_threads=1)
    masks = (Ownership(task.table, ("rf", "lf", "th")), Ownership(task.table, ("ff", "th")))
    disturbance = DisturbanceConfig(push=2.0, push_steps=(1, 3), segment=(2, 6), release=(2, 6))
    made = StabiliserTask(task, held, worlds, masks, CompositionConfig(), disturbance)
    made.reset(np.arange(3))
    return made


def planned(task, actions=60):
    """Nominal actions (n, 3, 28) and pushes (n, 3, 3), without physics."""
    task.reset(np.arange(3))
    rows = [(task.plan().copy(), task.push.copy()) for _ in range(actions)]
    return (np.stack(part) for part in zip(*rows, strict=True))


def test_the_curriculum_grows_from_its_first_level_to_the_whole(task):
    levels = []
    for share in (0.0, 0.25, 0.5, 1.0):
        task.set_progress(share)
        levels.append(task.level)
    assert levels == pytest.approx([0.2, 0.6, 1.0, 1.0])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_disturbances_stay_within_their_level(task, share):
    task.set_progress(share)
    actions, pushes = planned(task)
    home, config = task._home, task.disturbance
    reach = task.level * np.array([config.position] * 3 + [config.rotation] * 3)
    assert (np.abs(actions[..., :WRIST_SIZE] - home[:, :WRIST_SIZE]) <= reach + 1e-9).all()
    assert np.ptp(actions[:, 0, 0]) > 0.1 * reach[0]
    strength = np.linalg.norm(pushes, axis=-1)
    assert strength.max() <= task.level * config.push + 1e-9
    assert strength.max() > 0.0 and (strength == 0.0).any()


def test_a_new_episode_begins_without_a_push(task):
    task.set_progress(1.0)
    planned(task, 30)
    task.reset(np.array([1]))
    assert not task.push[1].any()
