"""Training of both residuals by PPO (DexCompose B.1, B.2): phase 1, the stabiliser; phase 2, the second residual."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sleight_core.compose.features import ResidualFeatures
from sleight_core.compose.ownership import WRIST_SIZE, Ownership
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_sim.tasks.compose.config import TASKS, ComposeTaskConfig, task_config
from sleight_sim.tasks.compose.make import compose_hand

from sleight_training.compose.residual.composite import CompositeTask, second_term_sizes
from sleight_training.compose.residual.holding import bound_vector
from sleight_training.compose.residual.methods import METHODS, Method, method_mask
from sleight_training.compose.residual.network import FIRST, SECOND, TwoResiduals, ppo_settings
from sleight_training.compose.residual.pair import first_config, held_of, make_holding_worlds, read_pair
from sleight_training.compose.residual.policy import POLICY, ResidualPolicy, ResidualSpec
from sleight_training.compose.residual.run import ResidualRun, begin_run, read_residual_run, write_page
from sleight_training.compose.residual.stabilise import StabiliserTask
from sleight_training.compose.residual.vec_env import SecondVecEnv, StabiliserVecEnv
from sleight_training.compose.skills import skill_source
from sleight_training.ppo.runner import PpoRunner, Progress, actor_state, read_checkpoint
from sleight_training.ppo.session import Report, begin_session, learn_run

#: The frozen first residual, in the folder of a second residual's run; where both learn, what the first one became.
STABILISER_FILE = "stabiliser.safetensors"
TUNED_FILE = "stabiliser_tuned.safetensors"


def prepare_stabiliser(
    folder: Path,
    first: str,
    *,
    held: Path,
    preset: str = "cpu",
    masks: Sequence[Sequence[str]] = (),
    seed: int = 0,
    iterations: int | None = None,
    num_envs: int | None = None,
    resume: bool = False,
    **more: Any,
) -> ResidualRun:
    """Write a stabiliser run's configuration, or read the one to resume.

    Args:
        folder: The run's folder.
        first: The first task.
        held: File of its held states.
        preset: cpu, full or smoke.
        masks: Preserved fingers of each mask to train on; none: `useful_masks`.
        seed: Seed of networks, physics and starts.
        iterations: Override the preset's.
        num_envs: Override the preset's.
        resume: Read the configuration instead.
        **more: Further fields of `ResidualRun`.

    Raises:
        SleightError: The task holds nothing, a mask is none, or the folder does not fit.
    """
    if resume:
        return read_residual_run(folder)
    if first in TASKS and TASKS[first].role != "retention":
        raise SleightError("a stabiliser is for a task that holds something", value=first, remedy="such as GraspBall")
    # A wrong file is refused before anything is written.
    table = compose_hand(first_config(held_of(held, first)))
    chosen = dict.fromkeys(Ownership(table, tuple(mask)).preserved for mask in masks)  # each once
    known = tuple(chosen) or tuple(useful_masks(table))
    fields = {"kind": "first", "first": first, "held": str(held), "masks": known, **more}
    return begin_run(folder, iterations=iterations, num_envs=num_envs, preset=preset, seed=seed, **fields)


def prepare_second(
    folder: Path,
    first: str,
    second: str,
    *,
    held: Path,
    stabiliser: Path | None,
    mask: Sequence[str] | None = None,
    method: Method = Method.OURS,
    preset: str = "cpu",
    seed: int = 0,
    iterations: int | None = None,
    num_envs: int | None = None,
    resume: bool = False,
    **more: Any,
) -> ResidualRun:
    """Write a second residual run's configuration with the first residual, or read the one to resume.

    Args:
        folder: The run's folder.
        first: The task whose outcome is kept.
        second: The task that is done meanwhile.
        held: File of the first task's held states.
        stabiliser: The first residual's run or file, for methods that have one.
        mask: Preserved fingers that were selected, for methods that use them.
        method: Which method or ablation it is for.
        preset: cpu, full or smoke.
        seed: Seed of networks, physics and starts.
        iterations: Override the preset's.
        num_envs: Override the preset's.
        resume: Read the configuration instead.
        **more: Further fields of `ResidualRun`.

    Raises:
        SleightError: The tasks are no pair, the method has no second residual, or something does not fit it.
    """
    if resume:
        return read_residual_run(folder)
    _, config = read_pair(held, first, second)
    chosen = METHODS[method]
    if chosen.second == "none":
        raise SleightError(f"'{chosen.title}' has no second residual", remedy="nothing is to be trained for it")
    preserved = method_mask(compose_hand(config), chosen, first, tuple(mask) if mask else None).preserved
    frozen = None
    if chosen.stabiliser:
        if stabiliser is None:
            raise SleightError(f"'{chosen.title}' has a first residual", remedy="give --stabiliser RUN")
        frozen = ResidualPolicy.load(stabiliser)
        if frozen.spec.tasks != (first,) or preserved not in frozen.spec.masks:
            raise SleightError(
                f"this stabiliser was not trained for {first} with {list(preserved)} preserved",
                value=f"{' and '.join(frozen.spec.tasks)}, {[list(mask) for mask in frozen.spec.masks]}",
                remedy="train one with that --mask",
            )
    if more.get("joint") and frozen is None:
        raise SleightError(f"'{chosen.title}' has no first residual to tune", remedy="leave --joint out")
    fields = {"kind": "second", "first": first, "second": second, "method": method, "masks": (preserved,)}
    more["held"] = str(held)
    run = begin_run(folder, iterations=iterations, num_envs=num_envs, preset=preset, seed=seed, **fields, **more)
    if frozen is not None:
        frozen.save(folder / STABILISER_FILE)
    return run


def train_residual(folder: Path, run: ResidualRun, *, resume: bool = False, report: Report | None = None) -> Progress:
    """Train, or continue, a residual; writes checkpoints, metrics, `index.html` and the trained residual's file.

    Args:
        folder: The run's folder, as it was prepared.
        run: The configuration.
        resume: Continue from the checkpoint.
        report: Called after each iteration; training ends early when it returns True.
    """
    build = build_stabiliser_runner if run.kind == "first" else build_second_runner
    progress = learn_run(
        folder, run, lambda session: build(folder, run, session), resume=resume, report=report, write_page=write_page
    )
    export_residual(folder, run)
    return progress


def build_stabiliser_runner(folder: Path, run: ResidualRun, session: int = 0) -> PpoRunner:
    """Build environments and learner of the first residual."""
    seed, figures, ppo = begin_session(run, session), run.figures, run.ppo
    held = held_of(run.held, run.first)
    task, worlds = make_holding_worlds(first_config(held), held, ppo.num_envs, seed=seed)
    masks = tuple(Ownership(task.table, mask) for mask in run.masks)
    holding = StabiliserTask(task, held, worlds, masks, figures.composition, figures.disturbance, seed=seed)
    runners: list[PpoRunner] = []
    env = StabiliserVecEnv(
        holding,
        residual_spec(run).columns,
        figures.reward,
        gamma=ppo.gamma,
        reward_scale=ppo.reward_scale,
        progress=lambda: runners[0].progress.iteration / ppo.iterations if runners else session / ppo.iterations,
    )
    runners.append(PpoRunner(env, ppo, folder, settings=ppo_settings(ppo, (FIRST,))))
    return runners[0]


def build_second_runner(folder: Path, run: ResidualRun, session: int = 0) -> PpoRunner:
    """Build environments and learner of the second residual."""
    seed, figures, ppo = begin_session(run, session), run.figures, run.ppo
    assert run.second is not None  # a run of this kind has one
    held = held_of(run.held, run.first)
    task, worlds = make_holding_worlds(task_config(run.second), held, ppo.num_envs, seed=seed)
    method = METHODS[run.method]
    composite = CompositeTask(
        task,
        skill_source(run.skill, run.second).make(task, seed),
        held,
        worlds,
        Ownership(task.table, run.masks[0]),
        figures.composition,
        transition=method.transition,
        unmasked=run.unmasked,
        seed=seed,
    )
    stabiliser = ResidualPolicy.load(folder / STABILISER_FILE) if method.stabiliser else None
    tuned = stabiliser.spec.columns if stabiliser is not None and run.joint else ()
    env = SecondVecEnv(
        composite,
        stabiliser,
        residual_spec(run).columns,
        figures.reward,
        gamma=ppo.gamma,
        reward_scale=ppo.reward_scale,
        tuned=tuned,
    )
    if not tuned or stabiliser is None:
        return PpoRunner(env, ppo, folder, settings=ppo_settings(ppo, (SECOND,)))
    runner = PpoRunner(env, ppo, folder, settings=ppo_settings(ppo, (FIRST, SECOND), len(tuned)))
    _tune_first(runner, stabiliser, run.joint_rate)
    return runner


def export_residual(folder: Path, run: ResidualRun) -> ResidualPolicy:
    """Write the residual that a run's checkpoint stands for into its folder, and the tuned first one where both learn.

    Raises:
        SleightError: There is no checkpoint.
    """
    state = actor_state(read_checkpoint(folder / "checkpoint.pt"))
    spec = residual_spec(run)
    if run.joint:
        stabiliser = ResidualPolicy.load(folder / STABILISER_FILE)
        _from_state(stabiliser.spec, state, "mlp.first.").save(folder / TUNED_FILE)
    policy = _from_state(spec, state, "mlp.second." if run.joint else "mlp.")
    policy.save(folder / POLICY)
    return policy


def residual_spec(run: ResidualRun) -> ResidualSpec:
    """What a run's residual is.

    Its output is for the motors that it may move: those of any of the stabiliser's masks; for the second residual the
    wrist and the released fingers' (all, unmasked). A coupled joint has none.
    """
    table = compose_hand(_acting_config(run))
    masks = [Ownership(table, mask) for mask in run.masks]
    features = ResidualFeatures(table)
    moves = np.ones(masks[0].size, dtype=bool)
    moves[WRIST_SIZE:] = np.isin(np.arange(len(table.joint_names)), table.actuated_index)
    terms = dict(features.stabiliser_sizes)
    if run.kind == "first":
        mine = np.any([mask.first for mask in masks], axis=0)
        bounds = np.max([bound_vector(table, run.figures.composition.bounds, mask) for mask in masks], axis=0)
        bounds = np.where(mine, run.figures.composition.bounds.hold, 0.0)
    else:
        assert run.second is not None  # a run of this kind has one
        mine = np.ones_like(moves) if run.unmasked else masks[0].second
        bounds = bound_vector(table, run.figures.composition.bounds, masks[0])
        terms |= second_term_sizes(table, run.second) | features.second_sizes
    return ResidualSpec(
        kind=run.kind,
        tasks=run.tasks,
        masks=run.masks,
        unmasked=run.unmasked and run.kind == "second",
        terms=terms,
        columns=tuple(int(i) for i in np.flatnonzero(mine & moves)),
        bounds=tuple(float(bound) for bound in bounds),
        hidden=run.ppo.hidden,
    )


def _acting_config(run: ResidualRun) -> ComposeTaskConfig:
    """The task that a run's environments are of."""
    if run.second is not None:
        return task_config(run.second)
    return TASKS[run.first] if run.first in TASKS else first_config(held_of(run.held, run.first))


def useful_masks(table: HandTable) -> list[tuple[str, ...]]:
    """Masks that a stabiliser is trained on by default: the thumb with some fingers, and some released."""
    thumb = table.finger_names[-1]
    others = [name for name in table.finger_names if name != thumb]
    chosen = [subset for size in range(1, len(others)) for subset in combinations(others, size)]
    return [Ownership(table, (*subset, thumb)).preserved for subset in chosen]


def _tune_first(runner: PpoRunner, stabiliser: ResidualPolicy, rate: float) -> None:
    """Start the first residual from what it is, and give it a learning rate of its own."""
    algorithm = runner.algorithm
    both = algorithm.actor.mlp
    assert isinstance(both, TwoResiduals)
    try:
        both.first.load_state_dict(stabiliser.network.state_dict())
    except RuntimeError as error:
        raise SleightError(
            "the first residual has other layers than this training",
            value=list(stabiliser.spec.hidden),
            remedy="train both with the same preset",
        ) from error
    first = {id(parameter) for parameter in both.first.parameters()}
    every = [*algorithm.actor.parameters(), *algorithm.critic.parameters()]
    groups = [
        {"params": [p for p in every if id(p) in first], "lr": rate * algorithm.learning_rate},
        {"params": [p for p in every if id(p) not in first]},
    ]
    algorithm.optimizer = torch.optim.Adam(groups, lr=algorithm.learning_rate)


def _from_state(spec: ResidualSpec, state: dict[str, torch.Tensor], prefix: str) -> ResidualPolicy:
    policy = ResidualPolicy.untrained(spec)
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    policy.network.load_state_dict(own)
    return policy
