"""Base training on mujoco_warp, the learner beside the task."""

import sys

import numpy as np
import pytest

pytest.importorskip("rsl_rl", reason="the training extra is not installed")

import torch
from sleight_core.errors import SleightError
from sleight_training.base import build_runner, prepare_run, train_base
from sleight_training.ppo.ranks import Ranks, learner_device
from sleight_training.run import read_run


def prepare(folder, **changes):
    options = {"objects": "household:cylinder:0", "preset_name": "smoke", "seed": 0, "iterations": 2, "num_envs": 4}
    return prepare_run(folder, **{**options, "resume": False, "engine": "mujoco_warp", **changes})


def test_an_engine_that_is_not_there_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(SleightError, match="mujoco_warp is not installed"):
        prepare(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_from_before_engines_had_names_is_one_of_the_default(tmp_path):
    run = prepare(tmp_path / "run", engine="mujoco")
    config = tmp_path / "run" / "config.json"
    config.write_text("\n".join(line for line in config.read_text().splitlines() if '"engine"' not in line))
    assert read_run(tmp_path / "run") == run


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_it_learns_on_tensors_and_goes_on(tmp_path):
    pytest.importorskip("mujoco_warp", reason="mujoco_warp is not installed (extra gpu)")
    run = prepare(tmp_path / "run")
    device = learner_device(run.engine, Ranks())
    progress = train_base(tmp_path / "run", run, device=device)
    assert progress.iteration == 2 and progress.steps == 2 * 8 * 4 and np.isfinite(progress.reward)
    more = run.model_copy(update={"ppo": run.ppo.model_copy(update={"iterations": 3})})
    assert train_base(tmp_path / "run", more, resume=True, device=device).iteration == 3
    task = build_runner(tmp_path / "other", run, device=device).env.task
    assert isinstance(task.like, torch.Tensor) and str(task.like.device) == device
