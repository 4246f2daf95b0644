"""A tiny file of demonstrations and a skill trained on it for a few steps."""

import pytest

pytest.importorskip("h5py", reason="h5py is not installed")
pytest.importorskip("diffusers", reason="the training extra is not installed")

TASK = "PushButton"


@pytest.fixture(scope="session")
def demonstrations(tmp_path_factory):
    from sleight_sim.tasks.compose import demonstrations as demos
    from sleight_sim.tasks.compose.config import TASKS

    path = tmp_path_factory.mktemp("demonstrations") / f"{TASK}.hdf5"
    demos.write(path, TASKS[TASK], demos.collect(TASKS[TASK], 2, seed=1, num_envs=2, num_threads=1))
    return path


@pytest.fixture(scope="session")
def trained(demonstrations, tmp_path_factory):
    """A finished smoke run."""
    from sleight_training.compose.diffusion.training import prepare_skill, train_skill

    folder = tmp_path_factory.mktemp("skill") / "run"
    run = prepare_skill(folder, task=None, preset_name="smoke", seed=0, demonstrations=demonstrations)
    train_skill(folder, run, num_threads=1)
    return folder
