"""The student's training end to end at a tiny size, from a base and from a hyper teacher, with a kill in between."""

import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")

import typer  # noqa: E402
from sleight_core.errors import SleightError  # noqa: E402
from sleight_training.base import prepare_run, train_base  # noqa: E402
from sleight_training.checkpoint import read_checkpoint  # noqa: E402
from sleight_training.cli.train_student import student as student_command  # noqa: E402
from sleight_training.codes.encoder import write_encoder  # noqa: E402
from sleight_training.codes.network import PointNet  # noqa: E402
from sleight_training.hyper.training import prepare_hyper, train_hyper  # noqa: E402
from sleight_training.run import read_metrics  # noqa: E402
from sleight_training.student.config import is_student, read_student  # noqa: E402
from sleight_training.student.teacher import load_teacher  # noqa: E402
from sleight_training.student.training import TEACHER, build_student_runner, prepare_student, train_student  # noqa: E402
from sleight_training.weights import write_weights  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

OBJECT = "household:can:0"


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """A base run, its weights, and a hyper run over two copies of it."""
    place = tmp_path_factory.mktemp("teachers")
    run = prepare_run(
        place / "base", objects=OBJECT, preset_name="smoke", seed=0, iterations=1, num_envs=4, resume=False
    )
    train_base(place / "base", run)
    write_weights(place / "base", place / "base.safetensors")
    torch.manual_seed(0)
    write_encoder(place / "encoder.safetensors", PointNet(), "{}")
    run = prepare_hyper(
        place / "hyper",
        experts=[place / "base"] * 2,
        codes=place / "encoder.safetensors",
        objects=OBJECT,
        preset_name="smoke",
        seed=0,
        iterations=2,
        num_envs=4,
    )
    train_hyper(place / "hyper", run)
    return place


def new(folder, teacher, **changes):
    return prepare_student(folder, **{"teacher": teacher, "preset_name": "smoke", "seed": 0, "num_envs": 4, **changes})


def test_a_student_learns_from_a_hyper_teacher_and_goes_on_after_a_kill(teachers, tmp_path):
    folder = tmp_path / "run"
    run = new(folder, teachers / "hyper", head="mixture", iterations=3)
    assert run.mixture is not None and run.mixture.k == 2 and run.objects == OBJECT
    assert ("object_code", 1.0) in run.task.critic_terms and "object_code" not in dict(run.task.terms)
    train_student(folder, run, report=lambda p: p.iteration == 2)
    before = read_checkpoint(folder / "checkpoint.pt")
    progress = train_student(folder, read_student(folder), resume=True)
    after = read_checkpoint(folder / "checkpoint.pt")
    assert progress.iteration == 3 and progress.steps == 3 * 4 * 4
    assert [row["iteration"] for row in read_metrics(folder)] == [1, 2, 3]
    changed = {
        name.split(".")[0]
        for name, value in after["actor_state_dict"].items()
        if not torch.equal(value, before["actor_state_dict"][name])
    }
    assert changed == {"mean", "std", "count", "encoder", "mlp"}, "the experts stay as they are"
    assert (folder / "index.html").stat().st_size > 10_000 and is_student(folder)


def test_a_mixture_begins_as_its_only_expert(teachers, tmp_path):
    run = new(tmp_path / "run", teachers / "base.safetensors", head="mixture")
    runner = build_student_runner(tmp_path / "run", run)
    groups = runner.env.get_observations()
    mine, wanted = runner.student.action(groups["policy"]), runner.teacher.action(groups["critic"])
    assert torch.allclose(mine, wanted, atol=1e-5)


def test_the_same_seed_collects_the_same_and_the_teacher_acts_first(teachers, tmp_path):
    seen = []
    for name in ("a", "b"):
        run = new(tmp_path / name, teachers / "base", iterations=1)
        runner = build_student_runner(tmp_path / name, run)
        assert runner.config.beta_at(0) == 1.0
        runner.learn()
        seen.append(runner.buffer.sample(8)[0])
    assert torch.equal(*seen)
    assert read_student(tmp_path / "a").task.perception.noise == 0.0, "labels carry no noise"
    assert read_student(tmp_path / "a").task.randomisation.action_delay == 1


def test_a_teacher_is_the_actor_of_its_run(teachers):
    base, kept = load_teacher(teachers / "base"), load_teacher(teachers / "base.safetensors")
    obs = torch.randn(5, 153)
    assert torch.equal(base.action(obs), kept.action(obs)) and base.steps == 4 * 8
    hyper = load_teacher(teachers / "hyper")
    assert hyper.encoder is not None and hyper.action(torch.randn(5, 227)).shape == (5, 24)


def test_refusals(teachers, tmp_path):
    new(tmp_path / "run", teachers / "base")
    for arguments, words in (
        ({"folder": tmp_path / "run", "teacher": teachers / "base"}, "holds a run already"),
        ({"folder": tmp_path / "x", "teacher": None}, "--teacher RUN"),
        ({"folder": tmp_path / "x", "teacher": tmp_path / "run"}, "a student is no teacher"),
        ({"folder": tmp_path / "x", "teacher": tmp_path / "nothing"}, "not a training run"),
        ({"folder": tmp_path / "x", "teacher": teachers / "base", "head": "mix"}, "choose action or mixture"),
        ({"folder": tmp_path / "x", "teacher": teachers / "base", "cloud_points": 100}, "choose one of"),
        ({"folder": tmp_path / "x", "teacher": None, "resume": True}, "no config.json"),
    ):
        with pytest.raises(SleightError, match=words):
            new(**arguments)
    assert not (tmp_path / "x").exists()
    (tmp_path / "run" / TEACHER).write_bytes(b"broken")
    with pytest.raises(SleightError, match="weights cannot be read"):
        train_student(tmp_path / "run", read_student(tmp_path / "run"))


def test_the_command(teachers, tmp_path):
    app = typer.Typer()
    app.command()(student_command)
    arguments = ["--teacher", str(teachers / "base"), "--preset", "smoke", "--iterations", "1", "--envs", "4"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert "sleight export" in result.output and read_student(tmp_path / "run").head == "action"
    again = CliRunner().invoke(app, ["--out", str(tmp_path / "run"), "--resume"])
    assert again.exit_code == 0, again.output
