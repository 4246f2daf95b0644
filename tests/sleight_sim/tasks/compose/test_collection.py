"""Recording to files: a kill costs a round, every demonstration was replayed, and a check finds what is wrong."""

import json

import pytest
from sleight_core.errors import SleightError
from sleight_sim.cli.demonstrations import app
from sleight_sim.tasks.compose import collection
from sleight_sim.tasks.compose import demonstrations as demos
from sleight_sim.tasks.compose.config import TASKS
from typer.testing import CliRunner

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
CONFIG = TASKS["PushButton"]


def same(one, two):
    first, second = demos.read(one)[1], demos.read(two)[1]
    return len(first) == len(second) and all(
        (a.actions.shape == b.actions.shape) and (a.actions == b.actions).all()
        for a, b in zip(first, second, strict=True)
    )


def test_a_killed_recording_goes_on_and_ends_with_the_same_file(tmp_path):
    def record(name, seed=3, report=None):
        collection.collect_file(tmp_path / name, CONFIG, 4, seed=seed, num_envs=2, num_threads=1, report=report)

    record("whole.hdf5")

    class Kill(Exception):
        pass

    def kill(found):
        if found:
            raise Kill

    with pytest.raises(Kill):
        record("cut.hdf5", report=kill)
    kept = tmp_path / "cut.hdf5.rounds"
    assert kept.exists() and not (tmp_path / "cut.hdf5").exists()
    with pytest.raises(SleightError, match="another kind is in the way"):
        record("cut.hdf5", seed=4)
    seen = []
    record("cut.hdf5", report=seen.append)
    assert seen[0] == 2 and seen[-1] == 4 and not kept.exists()
    assert same(tmp_path / "whole.hdf5", tmp_path / "cut.hdf5")


def test_the_commands(tmp_path):
    arguments = ["collect", "PushButton", "--count", "2", "--envs", "2", "--threads", "1", "--out", str(tmp_path)]
    path = tmp_path / "PushButton.hdf5"
    assert CliRunner().invoke(app, arguments).exit_code == 0
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0 and "there already" in again.output
    other = CliRunner().invoke(app, [*arguments[:3], "3", *arguments[4:]])
    assert "expected 3 demonstrations of PushButton, found 2 of PushButton" in str(other.exception)
    assert "no such DexCompose task" in str(CliRunner().invoke(app, ["collect", "PushDoorbell"]).exception)
    result = CliRunner().invoke(app, ["check", str(path), "--threads", "1", "--json"])
    report = json.loads(result.output)[str(path)]
    assert result.exit_code == 0 and report["succeeded"] == report["episodes"] == 2 and report["deviation"] == 0.0

    with h5py.File(path, "a") as file:
        file["data/demo_0/actions"][5, 2] = 9.0
        file["data/demo_1/rewards"][...] = 0.0
    result = CliRunner().invoke(app, ["check", str(path), "--threads", "1"])
    assert result.exit_code == 1
    text = " ".join(result.output.split())
    assert "action wrist_z is 7.8 beyond its limits" in text and "it does not succeed" in text
