"""Small libraries of held states, collected once: of a scripted expert, and of the shipped grasp policy."""

from pathlib import Path

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


@pytest.fixture(scope="session")
def bundle():
    return Path(__file__).parents[3] / "policies" / "shadow_base"


@pytest.fixture(scope="session")
def grasped_file(tmp_path_factory, bundle):
    """A can and an egg, as the shipped policy holds them."""
    pytest.importorskip("mujoco.batch", reason="the simulation extra is not installed")
    from sleight_training.compose.held.collect import collect_from
    from sleight_training.compose.held.config import HeldConfig
    from sleight_training.compose.held.grasped import GraspRounds

    path, config = tmp_path_factory.mktemp("grasped") / "Grasp.npz", HeldConfig(count=6, seed=3)
    collect_from(path, GraspRounds(bundle, "household:can:0+household:egg:0", config, num_threads=1), config)
    return path


@pytest.fixture(scope="session")
def grasped(grasped_file):
    from sleight_training.compose.held.library import read_library

    return read_library(grasped_file)
