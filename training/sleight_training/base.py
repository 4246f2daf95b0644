"""Training of a geometry-agnostic base policy on one object (ResDex 4.1 and A.2), or on a few at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from sleight_core.errors import SleightError
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.objects.splits import SPLITS
from sleight_sim.tasks.grasp.config import GraspTaskConfig, ProposalReward
from sleight_sim.tasks.grasp.hands import for_hand
from sleight_sim.tasks.grasp.make import check_engine

from sleight_training.checkpoint import read_checkpoint
from sleight_training.hyper.config import FULL_STATE_TERMS
from sleight_training.ppo.config import PpoConfig, preset
from sleight_training.ppo.ranks import Ranks
from sleight_training.ppo.runner import PpoRunner, Progress, actor_state
from sleight_training.ppo.session import begin_session, learn_run
from sleight_training.ppo.vec_env import GraspVecEnv
from sleight_training.proposals import NONE, POSE_ONLY, Notice, training_task, with_proposals
from sleight_training.run import RunConfig, provenance, read_run, refuse_second_run
from sleight_training.states import LEARNED, START, read_states, write_states
from sleight_training.weights import SUFFIX, read_weights

#: Initial standard deviation of the actions of a policy that starts from another.
WARM_STD = 0.4
#: What decides the shape of the networks, besides the observations.
_SHAPE = ("hidden", "obs_normalization", "asymmetric_critic")


def prepare_run(
    folder: Path,
    *,
    objects: str,
    preset_name: str,
    seed: int,
    iterations: int | None,
    num_envs: int | None,
    resume: bool,
    proposals: str = NONE,
    full_pose: bool = False,
    full_observation: bool = False,
    engine: str = "mujoco",
    start: Path | None = None,
    hand: str | None = None,
    arm_action: str | None = None,
    notice: Notice | None = None,
) -> RunConfig:
    """Write a new run's configuration, or read the one to resume.

    Args:
        folder: The run's folder.
        objects: Object set.
        preset_name: Name of the preset.
        seed: Seed of networks, physics and starts.
        iterations: Override the preset's.
        num_envs: Override the preset's.
        resume: Read the configuration instead.
        proposals: Grasp proposals whose joints r_pose points at, see `find_proposals`.
        full_pose: Pay for the wrist of the proposals as well (the paper's Full Pose, Figure 2).
        full_observation: Let the policy see orientation and velocities of the object (Full Obs).
        engine: Physics engine, see `make_grasp_task`.
        start: A base policy that this one goes on from: a run, or the weights kept of one. It explores less then.
        hand: The hand, or robot; None: the preset's.
        arm_action: How a hand on an arm acts, see `ArmConfig.action`; None: the preset's.
        notice: Told where proposals come from.

    Raises:
        SleightError: The folder holds another run already, there is nothing to resume, or the engine is not installed.
    """
    if resume:
        run = read_run(folder)
        check_engine(run.engine)
        return run
    check_engine(engine)
    refuse_second_run(folder)
    chosen = preset(preset_name)
    update = {name: value for name, value in (("iterations", iterations), ("num_envs", num_envs)) if value is not None}
    ppo = chosen.ppo.model_validate({**chosen.ppo.model_dump(), **update})
    if full_pose and proposals == NONE:
        raise SleightError("the full pose is that of a grasp proposal", remedy="add --proposals generate, or a folder")
    things = base_objects(objects, ppo.num_envs)  # before anything is written: a wrong name is refused
    pay = ProposalReward() if full_pose else POSE_ONLY
    plain = for_hand(chosen.task, hand or chosen.task.hand, arm_action)
    task, record = with_proposals(plain, proposals, objects, lambda: things, pay=pay, notice=notice)
    if full_pose and record is None:
        raise SleightError("no grasp proposals, and the full pose is that of one", value=objects)
    if full_observation:
        task = for_hand(task.model_copy(update={"terms": FULL_STATE_TERMS}), task.hand)
    if start is not None:
        ppo = ppo.model_copy(update={"init_std": WARM_STD})
        before = start_states(start, ppo, task)
    run = RunConfig.model_validate(
        {
            "kind": "base",
            "preset": preset_name,
            "objects": objects,
            "seed": seed,
            "engine": engine,
            "ppo": ppo,
            "task": task,
            "proposals": record,
            **provenance(),
        }
    )
    if start is not None:
        write_states(folder / START, before)
    run.write(folder)
    return run


def start_states(start: Path, ppo: PpoConfig, task: GraspTaskConfig) -> dict[str, dict[str, torch.Tensor]]:
    """Return the actor and critic of a base policy that another one starts from.

    Args:
        start: A run, or the weights kept of one.
        ppo: Of the run that starts.
        task: Its task.

    Raises:
        SleightError: It is no base policy, or its networks do not fit.
    """
    if start.suffix == SUFFIX:
        run, data = read_weights(start)
    else:
        run, data = read_run(start), read_checkpoint(start / "checkpoint.pt")
    if run.kind != "base":
        raise SleightError("a base policy starts from a base policy", value=start, remedy=f"this one is '{run.kind}'")
    theirs = (*(getattr(run.ppo, name) for name in _SHAPE), run.task.hand, run.task.terms, run.task.critic_terms)
    ours = (*(getattr(ppo, name) for name in _SHAPE), task.hand, task.terms, task.critic_terms)
    if theirs != ours:
        raise SleightError("networks of another shape", value=start, remedy="start from a policy of the same preset")
    return {LEARNED[0]: dict(actor_state(data)), LEARNED[1]: dict(data[LEARNED[1]])}


def base_objects(objects: str, num_envs: int) -> list[ObjectSpec]:
    """Return the objects of a set, of a split as many as there are environments: the others would only be made."""
    count = num_envs if objects.startswith("household:") and objects.removeprefix("household:") in SPLITS else None
    return list({thing.name: thing for thing in resolve_objects(objects, count=count)}.values())


def build_runner(
    folder: Path, run: RunConfig, *, session: int = 0, device: str = "cpu", here: Ranks | None = None
) -> PpoRunner:
    """Build environments and learner of a run.

    Args:
        folder: The run's folder.
        run: Its configuration.
        session: Iteration it continues from.
        device: Device of the learner, and of the physics where the engine has a choice.
        here: This process among those of the training.
    """
    seed = begin_session(run, session, here)
    things = base_objects(run.objects, run.ppo.num_envs)
    options = {"seed": seed, "engine": run.engine, "device": device}
    if run.engine == "mujoco_warp" and run.proposals is None:
        options["arrays"] = "torch"
    task = training_task(run.task, run.proposals, run.objects, things, run.ppo.num_envs, **options)
    env = GraspVecEnv(task, reward_scale=run.ppo.reward_scale, device=device)
    runner = PpoRunner(env, run.ppo, folder, device, here=here)
    if (folder / START).exists():
        runner.start_from(read_states(folder / START))
    return runner


def train_base(
    folder: Path,
    run: RunConfig,
    *,
    resume: bool = False,
    report: Callable[[Progress], bool | None] | None = None,
    device: str = "cpu",
    here: Ranks | None = None,
) -> Progress:
    """Train, or continue, a run; writes checkpoints, metrics and `index.html`.

    Args:
        folder: The run's folder, with its configuration.
        run: The configuration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each iteration; training ends early when it returns True.
        device: Device of the learner.
        here: This process among those of the training, see `sleight_training.ppo.ranks`.
    """
    return learn_run(
        folder,
        run,
        lambda session: build_runner(folder, run, session=session, device=device, here=here),
        resume=resume,
        report=report,
    )
