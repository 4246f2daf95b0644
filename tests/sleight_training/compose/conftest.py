"""A small library of held states, collected once."""

import pytest


@pytest.fixture(scope="session")
def held_file(tmp_path_factory):
    pytest.importorskip("mujoco.batch", reason="the simulation extra is not installed")
    from sleight_sim.tasks.compose.config import TASKS
    from sleight_training.compose.held.collect import collect
    from sleight_training.compose.held.config import HeldConfig

    path = tmp_path_factory.mktemp("held") / "deeper" / "GraspBall.npz"
    collect(path, TASKS["GraspBall"], HeldConfig(count=8, worlds=4, seed=3), num_threads=1)
    return path


@pytest.fixture(scope="session")
def held(held_file):
    from sleight_training.compose.held.library import read_library

    return read_library(held_file)
