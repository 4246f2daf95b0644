"""Training of a vision-based student from a privileged teacher."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.objects.splits import SPLITS
from sleight_sim.tasks.grasp.arm import task_action
from sleight_sim.tasks.grasp.env import GraspTask
from sleight_sim.tasks.grasp.hands import for_hand
from sleight_sim.tasks.grasp.make import make_grasp_task

from sleight_training.codes.encoder import encode_with
from sleight_training.codes.network import PointNet
from sleight_training.codes.observe import add_codes
from sleight_training.hyper.config import HyperConfig
from sleight_training.hyper.experts import Expert
from sleight_training.hyper.mixture import Mixture
from sleight_training.ppo.session import begin_session, learn_session
from sleight_training.ppo.vec_env import GraspVecEnv
from sleight_training.run import provenance, refuse_second_run
from sleight_training.student.config import Head, StudentRun, read_student, student_preset, student_task, student_terms
from sleight_training.student.dagger import DaggerRunner, StudentProgress
from sleight_training.student.network import StudentNetwork
from sleight_training.student.page import write_student_page
from sleight_training.student.teacher import load_teacher
from sleight_training.weights import SUFFIX, write_weights

Report = Callable[[StudentProgress], bool | None]

#: The teacher's networks, in the student's folder.
TEACHER = "teacher.safetensors"


def prepare_student(
    folder: Path,
    *,
    teacher: Path | None,
    preset_name: str,
    seed: int,
    objects: str | None = None,
    head: Head = "action",
    cloud_points: int | None = None,
    iterations: int | None = None,
    num_envs: int | None = None,
    resume: bool = False,
) -> StudentRun:
    """Write a new run's configuration and a copy of its teacher, or read the one to resume.

    Args:
        folder: The run's folder.
        teacher: A base or hyper run, or its ``.safetensors`` file; not needed to resume.
        preset_name: Name of the preset.
        seed: Seed of networks, physics, starts and cameras.
        objects: Object set; default: the teacher's.
        head: "action" or "mixture".
        cloud_points: Points of the cloud; default: the preset's.
        iterations: Override the preset's.
        num_envs: Override the preset's.
        resume: Read the configuration instead.

    Raises:
        SleightError: The folder holds another run already, there is nothing to resume, or something does not fit.
    """
    if resume:
        return read_student(folder)
    refuse_second_run(folder)
    if teacher is None:
        raise SleightError("a student learns from a teacher", remedy="give --teacher RUN, a base or hyper run")
    if head not in ("action", "mixture"):
        raise SleightError("unknown head of the student", value=head, remedy="choose action or mixture")
    preset, loaded = student_preset(preset_name), load_teacher(teacher)
    update = {name: value for name, value in (("iterations", iterations), ("num_envs", num_envs)) if value is not None}
    network = preset.network
    if cloud_points is not None:
        network = network.model_copy(update={"cloud_points": cloud_points})
    # The experts' own terms, those of each once.
    needed = tuple(dict.fromkeys(row for expert in loaded.mixture.experts for row in expert.terms))
    terms = student_terms(network.cloud_points, needed if head == "mixture" else ())
    chosen = objects or loaded.run.objects
    resolve_objects(chosen, count=1)  # refuse a wrong name before anything is written
    run = StudentRun(
        preset=preset_name,
        objects=chosen,
        seed=seed,
        head=head,
        network=network,
        dagger=preset.dagger.model_validate({**preset.dagger.model_dump(), **update}),
        clouds=preset.clouds,
        task=for_hand(student_task(loaded.run.task, preset, terms, loaded.run.task.terms, head), loaded.run.task.hand),
        mixture=loaded.mixture if head == "mixture" else None,
        teacher=teacher.stem if teacher.suffix == SUFFIX else teacher.resolve().name,
        teacher_steps=loaded.steps,
        **provenance(),  # type: ignore[arg-type]  # checked by the model
    )
    folder.mkdir(parents=True, exist_ok=True)
    if teacher.suffix == SUFFIX:
        shutil.copyfile(teacher, folder / TEACHER)
    else:
        write_weights(teacher, folder / TEACHER)
    run.write(folder)
    return run


def student_objects(objects: str, num_envs: int) -> list[ObjectSpec]:
    """Return the distinct objects of a set; of a split as many as there are environments."""
    split = objects.startswith("household:") and objects.removeprefix("household:") in SPLITS
    things = resolve_objects(objects, count=num_envs if split else None)
    return list({id(thing): thing for thing in things}.values())


def make_student_task(run: StudentRun, num_envs: int, encoder: PointNet | None = None, **options: Any) -> GraspTask:
    """Build a run's task.

    Args:
        run: The run.
        num_envs: Number of environments.
        encoder: Makes the object codes that a hyper-policy sees; None for a task without the teacher's observation.
        options: See `make_grasp_task`.
    """
    things = student_objects(run.objects, num_envs)
    config = run.task
    if encoder is None and any(name == "object_code" for name, _ in config.critic_terms):
        config = config.model_copy(update={"critic_terms": (("time_left", 1.0),)})
    models = max(64, len(things))
    task = make_grasp_task(config, things, num_envs, max_models=models, clouds=run.clouds, **options)
    if encoder is not None:
        add_codes(task, encode_with(encoder))
    return task


def build_network(run: StudentRun) -> StudentNetwork:
    """Build a run's network with fresh weights; a mixture's experts come with a checkpoint."""
    table = load_hand(run.task.hand)
    terms, actions = term_specs(table, run.task.terms), task_action(table, run.task).size
    return StudentNetwork(run.network, terms, actions, _mixture(run.mixture, terms, actions))


def _mixture(config: HyperConfig | None, terms: list[Any], actions: int) -> Mixture | None:
    if config is None:
        return None
    sizes = [sum(s.size for s in term_specs(load_hand(expert.hand), expert.terms)) for expert in config.experts]
    experts = [Expert(size, expert.hidden, actions) for size, expert in zip(sizes, config.experts, strict=True)]
    return Mixture(config, terms, experts)


def build_student_runner(folder: Path, run: StudentRun, *, session: int = 0, device: str = "cpu") -> DaggerRunner:
    """Build environments, teacher and learner of a run.

    Args:
        folder: The run's folder.
        run: The configuration.
        session: Iteration it continues from: starts and noise are drawn anew, so that a resumed run does not repeat.
        device: Device of the learner.
    """
    seed = begin_session(run, session)
    teacher = load_teacher(folder / TEACHER)
    network = build_network(run)
    if network.mixture is not None:
        for mine, expert in zip(network.mixture.experts, teacher.experts, strict=True):
            mine.load_state_dict(expert.state_dict())
    env = GraspVecEnv(make_student_task(run, run.dagger.num_envs, teacher.encoder, seed=seed), device=device)
    return DaggerRunner(env, network, teacher, run.dagger, folder, device)


def train_student(
    folder: Path, run: StudentRun, *, resume: bool = False, report: Report | None = None, device: str = "cpu"
) -> StudentProgress:
    """Train, or continue, a student; writes checkpoints, metrics and `index.html`.

    Args:
        folder: The run's folder, as `prepare_student` left it.
        run: The configuration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each iteration; training ends early when it returns True.
        device: Device of the learner.
    """
    return learn_session(
        folder,
        run.dagger.save_every,
        lambda session: build_student_runner(folder, run, session=session, device=device),
        resume=resume,
        report=report,
        write_page=write_student_page,
    )
