"""Training of a hyper-policy over all objects of a set, in two stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from sleight_core.errors import SleightError
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.grasp.arm import task_action
from sleight_sim.tasks.grasp.config import GraspTaskConfig, ProposalReward
from sleight_sim.tasks.grasp.env import GraspTask
from sleight_sim.tasks.grasp.hands import for_hand

from sleight_training.checkpoint import read_checkpoint
from sleight_training.codes.encoder import encode_with, encoder_digest, read_encoder
from sleight_training.codes.network import PointNet
from sleight_training.codes.observe import add_codes
from sleight_training.hyper.actor import hyper_settings
from sleight_training.hyper.config import HyperConfig, Normalisation, hyper_preset, stage_reward
from sleight_training.hyper.experts import Expert, load_expert
from sleight_training.hyper.mixture import Mixture
from sleight_training.hyper.vec_env import HyperVecEnv
from sleight_training.ppo.runner import PpoRunner, Progress
from sleight_training.ppo.session import begin_session, learn_run
from sleight_training.proposals import AUTO, NONE, Notice, ProposalConfig, training_task, with_proposals
from sleight_training.run import RunConfig, provenance, read_run, refuse_second_run
from sleight_training.states import LEARNED, START, read_states, write_states
from sleight_training.weights import SUFFIX, read_weights

#: What does not learn, in a run's folder: experts and object encoder.
FROZEN = "frozen.safetensors"
#: Keys of a checkpoint under which both are.
MIXTURE_STATE = "mixture_state_dict"
ENCODER_STATE = "encoder_state_dict"


def prepare_hyper(
    folder: Path,
    *,
    experts: Sequence[Path],
    codes: Path,
    objects: str,
    preset_name: str,
    seed: int,
    stage: int = 1,
    start: Path | None = None,
    normalisation: Normalisation | None = None,
    residual: bool = True,
    lead: float = 0.0,
    iterations: int | None = None,
    num_envs: int | None = None,
    resume: bool = False,
    proposals: str = NONE,
    notice: Notice | None = None,
) -> RunConfig:
    """Write a new run's configuration with all that it needs of other files, or read the one to resume.

    Args:
        folder: The run's folder.
        experts: Base policies: runs, weights or bundles. None for stage 2: those of stage 1.
        codes: The object encoder. Stage 2 takes that of stage 1.
        objects: Object set.
        preset_name: Name of the preset.
        seed: Seed of networks, physics and starts.
        stage: 1, or 2, which goes on from `start`.
        start: The run of stage 1, or its weights.
        normalisation: How weights are normalised; default softmax. Stage 2 keeps that of stage 1.
        residual: Whether a residual is learned. Stage 2 does as stage 1 did.
        lead: How far the first expert's raw weight starts above the others'.
        iterations: Override the preset's.
        num_envs: Override the preset's.
        resume: Read the configuration instead.
        proposals: Grasp proposals that stage 1's reward follows, see `find_proposals`; stage 2 takes none.
        notice: Told where proposals come from.

    Raises:
        SleightError: The folder holds another run already, there is nothing to resume, or something does not fit.
    """
    if resume:
        return read_run(folder)
    refuse_second_run(folder)
    chosen = hyper_preset(preset_name)
    update = {name: value for name, value in (("iterations", iterations), ("num_envs", num_envs)) if value is not None}
    ppo = chosen.ppo.model_validate({**chosen.ppo.model_dump(), **update})
    learned: dict[str, dict[str, torch.Tensor]] = {}
    if stage == 2:
        if start is None or experts:
            raise SleightError(
                "stage 2 goes on from stage 1, with its experts", remedy="give --start RUN, and no --experts"
            )
        hyper, frozen, learned, ppo = _from_stage_1(start, ppo)
    else:
        if start is not None or not experts:
            raise SleightError("stage 1 starts from experts alone", remedy="give --experts, and no --start")
        loaded = [load_expert(path) for path in experts]
        encoder = read_encoder(codes)
        hyper = _hyper_config(
            experts=[config for config, _ in loaded],
            normalisation=normalisation or "softmax",
            residual=residual,
            weight_std=chosen.weight_std,
            lead=lead,
            encoder_sha256=encoder_digest(encoder),
        )
        mixture = Mixture(
            hyper, _terms(hyper, for_hand(chosen.task, hyper.experts[0].hand).terms), [expert for _, expert in loaded]
        )
        frozen = {MIXTURE_STATE: dict(mixture.state_dict()), ENCODER_STATE: dict(encoder.state_dict())}
    reward = stage_reward(chosen.task.reward, stage)
    task = chosen.task.model_copy(update={"arm": hyper.experts[0].arm, "reward": reward})
    task = for_hand(task, hyper.experts[0].hand)
    resolve_objects(objects, count=1)  # refuse a wrong name before anything is written
    task, record = _stage_proposals(task, stage, proposals, objects, ppo.num_envs, notice)
    given = {"kind": "hyper", "preset": preset_name, "objects": objects, "seed": seed, "ppo": ppo, "task": task}
    run = RunConfig.model_validate({**given, "hyper": hyper, "proposals": record, **provenance()})
    folder.mkdir(parents=True, exist_ok=True)
    write_frozen(folder, frozen)
    if learned:
        write_states(folder / START, learned)
    run.write(folder)
    return run


def hyper_objects(run: RunConfig) -> list[ObjectSpec]:
    """Return the distinct objects of a run: all of its set, or as many as it has environments."""
    return _distinct(run.objects, run.ppo.num_envs)


def _distinct(objects: str, num_envs: int) -> list[ObjectSpec]:
    things = resolve_objects(objects, count=num_envs)
    return list({id(thing): thing for thing in things}.values())


def _stage_proposals(
    task: GraspTaskConfig, stage: int, choice: str, objects: str, num_envs: int, notice: Notice | None
) -> tuple[GraspTaskConfig, ProposalConfig | None]:
    if stage == 2:
        if choice not in (NONE, AUTO):
            raise SleightError("stage 2 follows no grasp proposals", value=choice, remedy="use --proposals none")
        return task, None
    make = partial(_distinct, objects, num_envs)
    return with_proposals(task, choice, objects, make, pay=ProposalReward(), notice=notice)


def hyper_task(
    run: RunConfig,
    things: list[ObjectSpec],
    num_envs: int,
    encoder: PointNet,
    *,
    proposals: ProposalConfig | None = None,
    **options: Any,
) -> GraspTask:
    """Build a run's task, with the codes of its objects, one model for each environment.

    Args:
        run: The run.
        things: Objects.
        num_envs: Number of environments.
        encoder: Makes the codes.
        proposals: The run's, where its reward is wanted: they change nothing else.
        options: See `make_grasp_task`.
    """
    task = training_task(run.task, proposals, run.objects, things, num_envs, max_models=num_envs, **options)
    add_codes(task, encode_with(encoder))
    return task


def hyper_of(run: RunConfig) -> HyperConfig:
    """Return a run's hyper-policy.

    Raises:
        SleightError: It is a run of another kind.
    """
    if run.hyper is None:
        raise SleightError("no hyper-policy", value=f"a run of kind '{run.kind}'", remedy="give a 'train hyper' run")
    return run.hyper


def rebuild(run: RunConfig, states: dict[str, Any]) -> tuple[Mixture, PointNet]:
    """Return a run's experts and object encoder.

    Args:
        run: The run's configuration.
        states: A checkpoint, or what `read_states` gives.

    Raises:
        SleightError: They are not those of the configuration.
    """
    hyper = hyper_of(run)
    table = load_hand(run.task.hand)
    actions = task_action(table, run.task).size
    sizes = [sum(spec.size for spec in term_specs(table, expert.terms)) for expert in hyper.experts]
    experts = [Expert(size, expert.hidden, actions) for size, expert in zip(sizes, hyper.experts, strict=True)]
    mixture, encoder = Mixture(hyper, _terms(hyper, run.task.terms), experts), PointNet()
    try:
        mixture.load_state_dict(states[MIXTURE_STATE])
        encoder.load_state_dict(states[ENCODER_STATE])
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SleightError("experts or object encoder are not those of the run", remedy=reason) from error
    return mixture.eval(), encoder.eval()


def train_hyper(
    folder: Path,
    run: RunConfig,
    *,
    resume: bool = False,
    report: Callable[[Progress], bool | None] | None = None,
    device: str = "cpu",
) -> Progress:
    """Train, or continue, a hyper-policy; writes checkpoints, metrics and `index.html`.

    Args:
        folder: The run's folder, as `prepare_hyper` left it.
        run: The configuration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each iteration; training ends early when it returns True.
        device: Device of the learner.
    """
    return learn_run(
        folder,
        run,
        lambda session: build_hyper_runner(folder, run, session=session, device=device),
        resume=resume,
        report=report,
    )


def build_hyper_runner(folder: Path, run: RunConfig, *, session: int = 0, device: str = "cpu") -> PpoRunner:
    """Build environments and learner of a run; see `build_runner` of base training."""
    seed = begin_session(run, session)
    hyper, frozen = hyper_of(run), read_states(folder / FROZEN)
    mixture, encoder = rebuild(run, frozen)
    task = hyper_task(run, hyper_objects(run), run.ppo.num_envs, encoder, proposals=run.proposals, seed=seed)
    env = HyperVecEnv(task, mixture, reward_scale=run.ppo.reward_scale, device=device)
    runner = PpoRunner(env, run.ppo, folder, device, settings=hyper_settings(run.ppo, hyper), frozen=frozen)
    if (folder / START).exists():
        # Optimiser and learning rate start anew, as in the public code.
        runner.algorithm.load(read_states(folder / START), {"actor": True, "critic": True}, True)
    return runner


def write_frozen(folder: Path, states: dict[str, Any]) -> None:
    """Write what does not learn, experts and object encoder, beside a run."""
    write_states(folder / FROZEN, {name: states[name] for name in (MIXTURE_STATE, ENCODER_STATE)})


def _terms(hyper: HyperConfig, terms: tuple[tuple[str, float], ...]) -> list[Any]:
    return term_specs(load_hand(hyper.experts[0].hand), terms)


def _hyper_config(**fields: Any) -> HyperConfig:
    try:
        return HyperConfig(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise SleightError(f"hyper-policy: {first['msg']}", value=".".join(map(str, first["loc"])) or None) from error


def _from_stage_1(start: Path, ppo: Any) -> tuple[HyperConfig, dict[str, Any], dict[str, Any], Any]:
    """Take experts, encoder and learned networks over from a run of stage 1."""
    if start.suffix == SUFFIX:
        before, data = read_weights(start)
    else:
        before, data = read_run(start), read_checkpoint(start / "checkpoint.pt")
    rebuild(before, data)
    hyper = hyper_of(before).model_copy(update={"stage": 2, "start": start.stem if start.suffix else start.name})
    # The networks go on, so they keep their sizes.
    same = {name: getattr(before.ppo, name) for name in ("hidden", "obs_normalization", "asymmetric_critic")}
    frozen = {name: dict(data[name]) for name in (MIXTURE_STATE, ENCODER_STATE)}
    return hyper, frozen, {name: dict(data[name]) for name in LEARNED}, ppo.model_copy(update={**same, "burn_in": 0})
