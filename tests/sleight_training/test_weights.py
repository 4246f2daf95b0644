"""A run's networks as one small file: the same after a round trip, exportable, refused when it is another thing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")

from sleight_core.bundle import load_bundle  # noqa: E402
from sleight_core.errors import SleightError  # noqa: E402
from sleight_export.run import export_run  # noqa: E402
from sleight_training.base import prepare_run, train_base  # noqa: E402
from sleight_training.checkpoint import read_checkpoint  # noqa: E402
from sleight_training.ppo.runner import AVERAGE, actor_state  # noqa: E402
from sleight_training.weights import read_weights, restore_run, write_weights  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    arguments = {"objects": "household:box:0", "preset_name": "smoke", "seed": 0, "iterations": 2, "num_envs": None}
    run = prepare_run(folder, **arguments, resume=False)
    run = run.model_copy(update={"ppo": run.ppo.model_copy(update={"average": 0.5})})
    run.write(folder)
    train_base(folder, run)
    return folder


def test_weights_make_the_same_bundle_as_their_run(folder, tmp_path):
    path = write_weights(folder, tmp_path / "kept" / "base.safetensors")
    run, data = read_weights(path)
    checkpoint = read_checkpoint(folder / "checkpoint.pt")
    assert run.objects == "household:box:0"
    assert data["progress"]["steps"] == checkpoint["progress"]["steps"] > 0
    for network in ("actor_state_dict", "critic_state_dict", AVERAGE):
        assert data[network].keys() == checkpoint[network].keys()
        assert all(torch.equal(data[network][name], checkpoint[network][name]) for name in data[network])
    average, last = actor_state(checkpoint), checkpoint["actor_state_dict"]
    assert any((average[name] != last[name]).any() for name in last), "what is exported is the average"
    export_run(folder, tmp_path / "a", name="same")
    export_run(path, tmp_path / "b", name="same")
    first, second = (load_bundle(tmp_path / name) for name in ("a", "b"))
    assert first.manifest.training == second.manifest.training
    with np.load(tmp_path / "a" / "golden.npz") as a, np.load(tmp_path / "b" / "golden.npz") as b:
        assert all((a[name] == b[name]).all() for name in a.files)


def test_what_is_no_weights_file_is_refused(folder, tmp_path):
    with pytest.raises(SleightError, match="end it in"):
        write_weights(folder, tmp_path / "base.pt")
    with pytest.raises(SleightError, match="no such weights"):
        read_weights(tmp_path / "none.safetensors")
    path = write_weights(folder, tmp_path / "base.safetensors")
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\x00" * 64, whole.replace(b'"kind', b'"kinb', 1)):
        path.write_bytes(content)
        with pytest.raises(SleightError):
            read_weights(path)


def test_a_restored_run_goes_on_as_the_run_would(folder, tmp_path):
    path = write_weights(folder, tmp_path / "base.safetensors", learner=True)
    longer = restore_run(path, tmp_path / "run")
    assert restore_run(path, tmp_path / "run") == longer, "a restored run stays as it is"
    before, after = (read_checkpoint(place / "checkpoint.pt") for place in (folder, tmp_path / "run"))
    first, second = before["optimizer_state_dict"], after["optimizer_state_dict"]
    assert first["state"].keys() == second["state"].keys() and first["state"]
    for i, moments in first["state"].items():
        assert all(torch.equal(torch.as_tensor(value), second["state"][i][name]) for name, value in moments.items())
    assert [group["lr"] for group in first["param_groups"]] == [group["lr"] for group in second["param_groups"]]
    longer = longer.model_copy(update={"ppo": longer.ppo.model_copy(update={"iterations": 3})})
    longer.write(tmp_path / "run")
    assert train_base(tmp_path / "run", longer, resume=True).iteration == 3


def test_a_folder_with_another_run_is_left_alone(folder, tmp_path):
    path = write_weights(folder, tmp_path / "base.safetensors")
    other = read_weights(path)[0].model_copy(update={"seed": 7})
    other.write(tmp_path / "run")
    with pytest.raises(SleightError, match="another run"):
        restore_run(path, tmp_path / "run")
