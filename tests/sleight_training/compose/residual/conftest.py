"""Held states and residuals made by hand, where nothing needs to hold."""

from importlib.util import find_spec

import numpy as np
import pytest

# The packages under test need the training and simulation extras.
collect_ignore_glob = [] if find_spec("torch") and find_spec("mujoco") else ["test_*.py"]


@pytest.fixture(scope="session")
def pretended_file(tmp_path_factory):
    """Three balls in the air beside an open hand: nothing holds them, so that every episode ends soon."""
    from sleight_sim.tasks.compose.config import task_config
    from sleight_sim.tasks.compose.make import make_compose_task
    from sleight_training.compose.held.config import HeldConfig
    from sleight_training.compose.held.library import library_of, new_meta, write_library
    from sleight_training.compose.held.restore import palm_pose

    config, count = task_config("GraspBall"), 3
    task = make_compose_task(config, count, num_threads=1)
    task.reset()
    every = np.arange(count)
    there = task.observation.kinematics.grasp_center(task.sim.wrist_pos, task.sim.wrist_quat) - [0.0, 0.0, 0.06]
    task.engine.set_object(every, there, task.sim.object_quat)
    task.refresh()
    pos, quat = palm_pose(task.observation.kinematics, task.sim)
    draws = [world.draw.thing for world in task.engine.worlds if world.draw.thing]
    meta = new_meta(config, "made by hand", HeldConfig(count=count, worlds=count), draws)
    arrays = vars(task.engine.hand_object_state(every)) | {
        "world": every, "targets": task.sent_targets, "twist": task.sent_twist, "hold": task.hold(),
        "joint_pos": task.sim.joint_pos, "palm_pos": pos, "palm_quat": quat, "contact": np.zeros((count, 5)),
    }  # fmt: skip
    path = tmp_path_factory.mktemp("pretended") / "GraspBall.npz"
    write_library(path, library_of(meta.model_copy(update={"complete": True}), arrays))
    return path


@pytest.fixture(scope="session")
def spec():
    """A small second residual."""
    from sleight_training.compose.residual.policy import ResidualSpec

    return ResidualSpec(
        kind="second",
        tasks=("GraspBall", "PushButton"),
        masks=(("rf", "lf", "th"),),
        terms={"a": 4, "b": 3},
        columns=(0, 2, 27),
        bounds=(0.1,) * 28,
        hidden=(16, 8),
    )
