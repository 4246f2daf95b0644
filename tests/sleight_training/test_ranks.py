"""Training in several processes: who is who, and two real processes that learn one policy."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("rsl_rl", reason="the training extra is not installed")

import torch
from sleight_core.errors import SleightError
from sleight_training.ppo.ranks import Ranks, learner_device, ranks

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE")


@pytest.fixture
def environment(monkeypatch):
    def put(*values):
        for name, value in zip(VARIABLES, values, strict=True):
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    return put


def test_a_process_alone_speaks_for_itself(environment):
    environment(None, None, None)
    here = ranks()
    assert here == Ranks() and here.first and here.rsl_rl() is None
    assert here.once(lambda: 7) == 7 and here.any(True, "cpu") and not here.any(False, "cpu")


def test_torchrun_says_who_is_who(environment):
    environment("3", "1", "4")
    here = ranks()
    assert not here.first
    assert here.rsl_rl() == {"global_rank": 3, "local_rank": 1, "world_size": 4}


@pytest.mark.parametrize(
    "values", [(None, None, "2"), ("x", "0", "2"), ("2", "0", "2"), ("0", "1", "2"), ("0", "0", "0")]
)
def test_what_makes_no_sense_is_refused(environment, values):
    environment(*values)
    with pytest.raises(SleightError, match="WORLD_SIZE"):
        ranks()


def test_the_learner_is_beside_the_physics(monkeypatch):
    assert learner_device("mujoco", Ranks(1, 1, 2)) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert learner_device("mujoco", Ranks(1, 1, 2)) == "cpu"
    assert learner_device("mujoco_warp", Ranks(1, 1, 2)) == "cuda:1"
    with pytest.raises(SleightError, match="more processes than GPUs"):
        learner_device("mujoco_warp", Ranks(2, 2, 3))


WORKER = """
import json, os, sys
import torch
from sleight_training.base import build_runner
from sleight_training.ppo.ranks import joined, ranks
from sleight_training.ppo import runner as module

here, out = ranks(), sys.argv[1]
original = module.PpoRunner.learn

def learn(self, report=None):
    progress = original(self, report)
    state = {**self.algorithm.save(), "steps": progress.steps}
    state["first_obs"] = self.env.task.sim.object_pos[:, 0].tolist()
    torch.save(state, f"{out}/rank_{here.rank}.pt")
    return progress

module.PpoRunner.learn = learn
from sleight_core.cli import main
sys.argv = ["sleight", *sys.argv[2:]]
main()
"""


def torchrun(folder, *command):
    worker = folder / "worker.py"
    worker.write_text(WORKER)
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(worker)]
    return subprocess.run([*start, str(folder), *command], capture_output=True, text=True, timeout=900, env=environment)


@pytest.mark.slow
@pytest.mark.timeout(2000)
def test_two_processes_learn_one_policy_and_one_of_them_writes_it(tmp_path):
    run = tmp_path / "run"
    command = ("train", "base", "--preset", "smoke", "--iterations", "3", "--envs", "4", "--out", str(run))
    done = torchrun(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f"rank_{k}.pt", weights_only=True) for k in (0, 1))
    for part in ("actor_state_dict", "critic_state_dict"):
        assert one[part].keys() == two[part].keys()
        for name, value in one[part].items():
            # The statistics that normalise observations are among them.
            assert torch.equal(value, two[part][name]), (part, name)
    assert one["first_obs"] != two["first_obs"]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert rows[-1]["steps"] == one["steps"] == 3 * 8 * 4 * 2
    saved = torch.load(run / "checkpoint.pt", weights_only=True)["actor_state_dict"]
    assert all(torch.equal(value, one["actor_state_dict"][name]) for name, value in saved.items())

    # The folder is taken: both end, and one says so.
    again = torchrun(tmp_path, *command)
    assert again.returncode != 0
    assert again.stderr.count("this folder holds a run already") == 1, again.stderr
