"""Training end to end at a tiny size: it learns something, can be killed and resumed, and refuses what is wrong."""

import json

import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")

from sleight_core.errors import SleightError  # noqa: E402
from sleight_training.base import WARM_STD, build_runner, prepare_run, train_base  # noqa: E402
from sleight_training.ppo.config import PRESETS, preset  # noqa: E402
from sleight_training.run import read_metrics, read_run  # noqa: E402


def new_run(folder, **changes):
    arguments = {
        "objects": "household:sphere:0",
        "preset_name": "smoke",
        "seed": 0,
        "iterations": None,
        "num_envs": None,
    }
    return prepare_run(folder, **{**arguments, "resume": False, **changes})


def test_smoke_run_writes_checkpoint_metrics_and_page(tmp_path):
    run = new_run(tmp_path)
    progress = train_base(tmp_path, run)
    assert progress.iteration == 4 and progress.steps == 4 * 8 * 16
    assert [row["iteration"] for row in read_metrics(tmp_path)] == [1, 2, 3, 4]
    assert (tmp_path / "index.html").stat().st_size > 10_000
    assert list((tmp_path / "tensorboard").iterdir())
    assert read_run(tmp_path) == run


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    run = new_run(tmp_path, iterations=6)

    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.iteration == 3:
            raise Killed

    with pytest.raises(Killed):
        train_base(tmp_path, run, report=kill)
    before = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    (tmp_path / "metrics.jsonl").open("a").write('{"iteration": 4, "st')  # torn by the kill
    seen = []
    progress = train_base(tmp_path, run, resume=True, report=lambda p: seen.append(p.iteration))
    assert before["progress"]["iteration"] == 3
    assert seen == [4, 5, 6]
    assert progress.steps == 6 * 8 * 16
    assert progress.seconds > before["progress"]["seconds"]
    assert len(read_metrics(tmp_path)) >= 5


def test_a_policy_starts_where_another_ended_and_explores_anew(tmp_path):
    train_base(tmp_path / "first", new_run(tmp_path / "first"))
    before = torch.load(tmp_path / "first" / "checkpoint.pt", weights_only=True)["actor_state_dict"]
    run = new_run(tmp_path / "second", objects="household:box:0", start=tmp_path / "first")
    after = build_runner(tmp_path / "second", run).algorithm.get_policy().state_dict()
    same = [name for name in before if not name.endswith("log_std_param")]
    assert len(same) == len(before) - 1 and all(torch.equal(before[name], after[name]) for name in same)
    std = next(value for name, value in after.items() if name.endswith("log_std_param"))
    assert torch.allclose(std.exp(), torch.full_like(std, WARM_STD))
    assert train_base(tmp_path / "second", run).iteration == 4


def test_a_start_that_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    train_base(tmp_path / "first", new_run(tmp_path / "first"))
    with pytest.raises(SleightError, match="another shape"):
        new_run(tmp_path / "second", preset_name="cpu", start=tmp_path / "first")
    with pytest.raises(SleightError, match="not a training run"):
        new_run(tmp_path / "second", start=tmp_path / "nothing")
    assert not (tmp_path / "second").exists()


def test_the_actor_sees_nothing_privileged():
    for chosen in PRESETS.values():
        from sleight_core.observation import TERMS

        assert not [name for name, _ in chosen.task.terms if TERMS[name].provenance == "privileged"]
        assert chosen.ppo.rsl_rl()["obs_groups"]["actor"] == ["policy"]


def test_the_papers_sizes_are_kept_in_full():
    full = preset("full")
    assert (full.ppo.num_envs, full.ppo.num_steps, full.ppo.iterations) == (4096, 8, 5000)
    assert full.ppo.hidden == (1024, 1024, 512, 512)
    assert (full.ppo.gamma, full.ppo.lam, full.ppo.clip, full.ppo.epochs) == (0.96, 0.95, 0.2, 5)
    reward = full.task.reward
    weights = (reward.pose, reward.reach_hand, reward.reach_fingers, reward.lift, reward.lift_force, reward.move)
    assert weights == (0.05, 1.0, 0.5, 0.1, 0.1, 0.9)
    assert not any(
        (reward.height, reward.enclose, reward.settle, reward.overshoot, reward.action_rate, reward.saturation)
    )


def test_wrong_requests_are_refused_in_one_line(tmp_path):
    with pytest.raises(SleightError, match="cpu"):
        new_run(tmp_path / "a", preset_name="gpu")
    with pytest.raises(SleightError, match="household"):
        new_run(tmp_path / "b", objects="household:unicorn")
    assert not (tmp_path / "b").exists()
    with pytest.raises(SleightError, match=r"config\.json"):
        read_run(tmp_path / "c")
    new_run(tmp_path / "d")
    with pytest.raises(SleightError, match="--resume"):
        new_run(tmp_path / "d")
    data = json.loads((tmp_path / "d" / "config.json").read_text())
    (tmp_path / "d" / "config.json").write_text(json.dumps({**data, "seed": "zero"}))
    with pytest.raises(SleightError, match="seed"):
        read_run(tmp_path / "d")


def test_a_damaged_checkpoint_is_refused_not_loaded(tmp_path):
    run = new_run(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(SleightError, match="cannot be read"):
        train_base(tmp_path, run, resume=True)


def test_exploration_noise_falls_to_its_bound(tmp_path):
    ppo = preset("cpu").ppo.model_copy(update={"iterations": 100, "final_std": 0.2, "std_decay": (0.2, 0.6)})
    bounds = [ppo.std_bound(k) for k in range(101)]
    assert bounds[0] == bounds[20] == ppo.init_std
    assert bounds[60] == bounds[100] == pytest.approx(0.2)
    assert bounds[40] == pytest.approx((0.2 * ppo.init_std) ** 0.5)
    assert preset("full").ppo.std_bound(10**9) == float("inf"), "the paper bounds nothing"
    run = new_run(tmp_path)
    run = run.model_copy(update={"ppo": run.ppo.model_copy(update={"final_std": 0.3, "std_decay": (0.0, 0.5)})})
    assert train_base(tmp_path, run).std <= 0.305  # measured before the last bound


@pytest.mark.parametrize(("wanted", "factor"), [(1e-9, 1 / 1.5), (1e9, 1.5)])
def test_the_learning_rate_follows_how_far_an_iteration_moved_the_policy(tmp_path, wanted, factor):
    run = new_run(tmp_path)
    ppo = run.ppo.model_copy(update={"adapt": "iteration", "desired_kl": wanted})
    runner = build_runner(tmp_path, run.model_copy(update={"ppo": ppo}))
    runner.learn()
    rows = read_metrics(tmp_path)
    assert all(row["losses"]["kl"] > 0 for row in rows)
    rates = [run.ppo.learning_rate, *(row["losses"]["learning_rate"] for row in rows)]
    assert [b / a for a, b in zip(rates[:-1], rates[1:], strict=True)] == pytest.approx([factor] * 4)
    assert runner.algorithm.optimizer.param_groups[0]["lr"] == pytest.approx(rates[-1])
