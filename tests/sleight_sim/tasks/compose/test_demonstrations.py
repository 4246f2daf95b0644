"""Demonstrations: recorded, written in robomimic's layout, read back, and replayed to the bit."""

import json

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose import demonstrations as demos
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.experts import Variation

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
CONFIG = TASKS["PushButton"]


@pytest.fixture(scope="module")
def recorded():
    return demos.collect(CONFIG, 4, seed=1, num_envs=4, num_threads=1)


@pytest.fixture(scope="module")
def file(recorded, tmp_path_factory):
    path = tmp_path_factory.mktemp("demonstrations") / "deeper" / "push_button.hdf5"
    demos.write(path, CONFIG, recorded)
    return path


def test_the_file_has_robomimics_layout(file, recorded):
    with h5py.File(file) as f:
        data = f["data"]
        assert data.attrs["total"] == sum(len(demo.actions) for demo in recorded)
        assert json.loads(data.attrs["env_args"])["env_name"] == "PushButton"
        assert sorted(data) == [f"demo_{i}" for i in range(4)]
        for group in data.values():
            n = group.attrs["num_samples"]
            assert group["actions"].shape == (n, 28)
            assert group["obs/hand_joints"].shape == group["next_obs/hand_joints"].shape == (n, 22)
            assert (group["obs/palm_to_handle"][1:] == group["next_obs/palm_to_handle"][:-1]).all()
            assert group["dones"][:].tolist() == [0] * (n - 1) + [1]
            assert group["rewards"][:].max() == 1.0
        assert [name.decode() for name in f["mask/train"]] == [f"demo_{i}" for i in range(4)]


def test_what_is_read_is_what_was_written(file, recorded):
    config, again = demos.read(file)
    assert config == CONFIG
    for one, two in zip(recorded, again, strict=True):
        assert one.world == two.world
        for name in ("actions", "states", "sent", "success"):
            assert (getattr(one, name) == getattr(two, name)).all()
        assert all((one.obs[name] == two.obs[name]).all() for name in one.obs)


def test_replays_succeed_and_follow_the_recorded_states(file):
    config, again = demos.read(file)
    result = demos.replay(config, again, num_threads=1)
    assert result.succeeded.all()
    assert result.deviation.max() < 1e-9


def test_a_replay_shows_what_does_not_fit(recorded):
    lame = demos.Demonstration(**{**vars(recorded[0]), "actions": np.tile(recorded[0].actions[0], (40, 1))})
    result = demos.replay(CONFIG, [lame], num_threads=1)
    assert not result.succeeded.any() and result.deviation.max() > 0.01


def test_refusals(tmp_path, file):
    with pytest.raises(SleightError, match="cannot be read"):
        demos.read(tmp_path / "none.hdf5")
    (tmp_path / "text.hdf5").write_text("not HDF5")
    with pytest.raises(SleightError, match="cannot be read"):
        demos.read(tmp_path / "text.hdf5")
    with pytest.raises(SleightError, match="no demonstrations"):
        demos.write(tmp_path / "empty.hdf5", CONFIG, [])
    with h5py.File(tmp_path / "other.hdf5", "w") as f:
        f.create_group("data").attrs["env_args"] = "{}"
    with pytest.raises(SleightError, match="another format"):
        demos.read(tmp_path / "other.hdf5")


def test_an_expert_that_fails_is_no_source():
    lost = Variation(position=0.5)
    short = CONFIG.model_copy(update={"episode_steps": 5})
    with pytest.raises(SleightError, match="only 0 of 1"):
        demos.collect(short, 1, num_envs=1, variation=lost, num_threads=1)
