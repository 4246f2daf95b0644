"""Trained skills and residuals as one bundle of composed skills (DexCompose on board)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sleight_core.bundle import Bundle, BundleInfo, join_golden, write_bundle
from sleight_core.bundle.composed import (
    OBSERVATION,
    RESIDUAL,
    ComposedSkills,
    OthersJoints,
    PairSection,
    ResidualSection,
    SequenceSection,
    SkillSection,
    TransitionSection,
)
from sleight_core.bundle.fields import Vec3
from sleight_core.bundle.manifest import (
    ControlSection,
    HandSection,
    ObjectSection,
    StartPose,
    TaskSection,
    TrainingSection,
)
from sleight_core.compose import ComposeAction, Ownership, PoseCommand
from sleight_core.compose.action import euler_to_quat
from sleight_core.compose.handover import HandOver
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.compose_terms import skill_terms
from sleight_core.observation.estimated_terms import twins
from sleight_core.observation.residual_terms import residual_terms
from sleight_core.safety.limits import DEFAULT_MARGIN
from sleight_description import load_hand
from sleight_sim.tasks.compose.config import COMPOSITION_PLACE, ComposeTaskConfig, RetentionSuccess
from sleight_sim.tasks.compose.make import compose_hand, make_compose_task
from sleight_training.compose.diffusion.config import SkillRun
from sleight_training.compose.residual.config import BoundConfig, LeaveConfig, TransitionConfig
from sleight_training.compose.residual.holding import bound_vector
from sleight_training.compose.residual.policy import ResidualPolicy
from sleight_training.compose.skill import HORIZON, OBSERVATION_STEPS

from sleight_export.diffusion import SkillGraph, export_skill
from sleight_export.features import FeatureGraph, export_features
from sleight_export.onnx_export import trace_onnx

#: The hand table with the tasks' bounds of the wrist.
HAND = "shadow_compose"
#: Actions before its due time at which a chunk is asked for: 67 ms at 30 Hz, of the 32 - 30 that TurnOnSwitch leaves.
LEAD = 2
#: Actions in which everything stays when the first skill has succeeded.
HOLD = 3
GOLDEN_SEED = 11


@dataclass(frozen=True)
class PairRequest:
    """A pair to put into a bundle.

    Attributes:
        first: Name of the skill that keeps its object.
        second: Name of the skill that then acts.
        preserved: Fingers of the first.
        stabiliser: File or run's folder of the first residual; None: the hold reference as it is.
        residual: The same of the second residual; None: the second skill as it is.
    """

    first: str
    second: str
    preserved: tuple[str, ...]
    stabiliser: Path | None = None
    residual: Path | None = None


@dataclass(frozen=True)
class SequenceRequest:
    """A third skill to put into a bundle, after one of its pairs.

    Attributes:
        first, between: Names of the pair's skills.
        third: Name of the skill that then acts.
        preserved: All fingers that are kept while it acts; None: the pair's.
        residual: File or run's folder of the third skill's residual, trained for the pair of it and the first; None:
            the third skill as it is. The first residual is the pair's.
    """

    first: str
    between: str
    third: str
    preserved: tuple[str, ...] | None = None
    residual: Path | None = None


class ResidualGraph(torch.nn.Module):
    """A residual's network on all elements of the action: 0 where it has no output.

    Args:
        policy: The residual.
    """

    def __init__(self, policy: ResidualPolicy) -> None:
        super().__init__()
        self.network = policy.network
        columns = list(policy.spec.columns)
        spread = torch.zeros(len(columns), len(policy.spec.bounds))
        spread[torch.arange(len(columns)), torch.tensor(columns)] = 1.0
        self.register_buffer("spread", spread)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Return outputs before squashing (B, 28) for inputs (B, D)."""
        return self.network(obs) @ self.spread


def export_composed(
    out: Path,
    skills: Mapping[str, Path],
    pairs: Sequence[PairRequest],
    *,
    sequences: Sequence[SequenceRequest] = (),
    places: Mapping[str, Vec3] | None = None,
    name: str = "",
    steps: int | None = None,
    transition: TransitionConfig | None = None,
    leave: LeaveConfig | None = None,
    bounds: BoundConfig | None = None,
    others_joints: OthersJoints = "intended",
    estimators: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle of skills, their pairs and what may follow these, and verify it as a simulation or a robot would.

    With estimators it is for a robot: every term that only a simulator knows is replaced by its estimated twin, in
    skills and residuals.

    Args:
        out: Folder of the bundle.
        skills: Folders of skills' runs by the skills' names, the tasks'.
        pairs: Which of them are composed, and how.
        sequences: Third skills after pairs.
        places: Where skills' own frames lie on the table, m, by the skills' names, where that is not where training had
            them (`SequenceConfig.places` for sequences).
        name: Of the bundle; default: the folder's.
        steps: DDIM steps of the samplers; None for those of their runs.
        transition: Of all pairs and sequences, as in training.
        leave: Of all sequences, as in training.
        bounds: Of all residuals, as in training.
        others_joints: What acting skills see of joints that they do not own, as in training (`CompositionConfig`).
        estimators: Folders of estimators' runs by the skills' names, one for each: the vision version.
        overwrite: Replace an existing bundle.

    Raises:
        SleightError: A run is missing, or is not what a pair says.
        BundleError: The parts do not fit.
    """
    made = {skill: export_skill(path, steps=steps) for skill, path in skills.items()}
    for skill, graph in made.items():
        if graph.run.task.name != skill:
            raise SleightError(f"the run of skill '{skill}' is of another task", value=graph.run.task.name)
    first = next(iter(made.values()), None)
    if first is None:
        raise SleightError("no skill was given", remedy="name at least one run of 'sleight train skill'")
    table = _hand(first.run.task)
    action = ComposeAction(table, first.run.task.workspace)
    skills_there = {skill: _skill(table, graph, (places or {}).get(skill)) for skill, graph in made.items()}
    targets = {skill: _start_of(action, made[skill].run.task, row.place) for skill, row in skills_there.items()}
    features = _estimators(made, estimators or {})
    files = {f"skill.{skill}": graph.data for skill, graph in made.items()}
    files |= {_features_role(skill): graph.data for skill, graph in features.items()}
    golden: dict[str, Mapping[str, Any]] = {f"skill.{skill}": graph.golden for skill, graph in made.items()}
    golden |= {_features_role(skill): graph.golden for skill, graph in features.items()}
    sections = []
    for request in pairs:
        if missing := [skill for skill in (request.first, request.second) if skill not in made]:
            raise SleightError("a pair names skills that were not given", value=missing)
        target = targets[request.second]
        way = (transition or TransitionConfig(), target, others_joints)
        sections.append(_pair(request, action, way, bounds or BoundConfig(), files, golden))
    further = []
    for request in sequences:
        pair = next((row for row in sections if row.skills == (request.first, request.between)), None)
        if pair is None or request.third not in made:
            value = f"{request.first} + {request.between} + {request.third}"
            raise SleightError("a sequence needs its pair and its third skill in the bundle", value=value)
        way = (leave or LeaveConfig(), transition or TransitionConfig(), targets[request.third])
        further.append(_sequence(request, pair, action, way, bounds or BoundConfig(), files, golden))
    composition = ComposedSkills(
        action_ticks=first.run.task.servo_steps,
        wrist_gain=first.run.task.wrist_gain,
        skills=tuple(skills_there.values()),
        pairs=tuple(sections),
        sequences=tuple(further),
    )
    if features:
        composition = _with_estimators(composition, table, features)
    info = _info(name or out.resolve().name, action, first.run, composition)
    return write_bundle(
        out, info, files, join_golden(golden), table=table, overwrite=overwrite, simulation=not features
    )


def _features_role(skill: str) -> str:
    return f"features.{skill}"


def _estimators(made: Mapping[str, SkillGraph], paths: Mapping[str, Path]) -> dict[str, FeatureGraph]:
    """The skills' estimators: of all of them, or of none."""
    if not paths:
        return {}
    if differ := sorted(set(made) ^ set(paths)):
        raise SleightError(
            "each skill needs an estimator, and each estimator a skill",
            value=differ,
            remedy="what only a simulator knows is replaced in the whole bundle or not at all",
        )
    features = {skill: export_features(path) for skill, path in paths.items()}
    for skill, graph in features.items():
        if graph.run.task.name != skill:
            raise SleightError(f"the estimator of skill '{skill}' is of another task", value=graph.run.task.name)
    return features


def _with_estimators(
    composition: ComposedSkills, table: HandTable, features: Mapping[str, FeatureGraph]
) -> ComposedSkills:
    """The same skills and pairs with estimates in place of what only a simulator knows."""

    def estimated(section: SkillSection | ResidualSection, **more: Any) -> Any:
        return section.model_copy(update={"observation": twins(table, section.observation), **more})

    skills = [
        estimated(skill, estimator=features[skill.name].section(table, _features_role(skill.name)))
        for skill in composition.skills
    ]
    pairs, sequences = (
        tuple(
            pair.model_copy(update={name: estimated(section) for name, section in pair.residuals.items()})
            for pair in given
        )
        for given in (composition.pairs, composition.sequences)
    )
    return ComposedSkills(**{**dict(composition), "skills": tuple(skills), "pairs": pairs, "sequences": sequences})


def _hand(config: ComposeTaskConfig) -> HandTable:
    """The hand of the task under the name that a robot's nodes know it by."""
    table, trained = load_hand(HAND), compose_hand(config)
    if trained.model_copy(update={"name": table.name}).digest() != table.digest():
        raise SleightError(
            f"the skills' hand is not '{HAND}'",
            value=f"wrist {trained.wrist}",
            remedy="train with the tasks' own bounds of the wrist, or make a hand variant of these",
        )
    return table


def _skill(table: HandTable, graph: SkillGraph, place: Vec3 | None) -> SkillSection:
    config = graph.run.task
    sizes = make_compose_task(config, 1, num_threads=1).observation.sizes
    if missing := [term for term in graph.run.term_names if term not in sizes]:
        raise SleightError(f"the skill of '{config.name}' sees what its task does not have", value=missing)
    success = config.success
    retention = isinstance(success, RetentionSuccess)
    return SkillSection(
        name=config.name,
        graph=f"skill.{config.name}",
        observation=skill_terms(table, {term: sizes[term] for term in graph.run.term_names}),
        goal=success.target if isinstance(success, RetentionSuccess) else (0.0, 0.0, 0.0),
        place=place or (COMPOSITION_PLACE if retention else (0.0, 0.0, 0.0)),
        history=OBSERVATION_STEPS,
        horizon=HORIZON,
        execute=config.execute_horizon,
        lead=LEAD,
    )


def _pair(
    request: PairRequest,
    action: ComposeAction,
    way: tuple[TransitionConfig, tuple[float, ...], OthersJoints],
    bounds: BoundConfig,
    files: dict[str, bytes],
    golden: dict[str, Mapping[str, Any]],
) -> PairSection:
    transition, target, others_joints = way
    table = action.table
    ownership = Ownership(table, request.preserved)
    roles = {
        "first": f"stabiliser.{request.first}.{'.'.join(ownership.preserved)}",
        "second": f"residual.{request.first}.{request.second}",
    }
    residuals = {
        which: None if path is None else _residual(which, path, request, ownership, roles[which], files, golden)
        for which, path in (("first", request.stabiliser), ("second", request.residual))
    }
    return PairSection(
        first=request.first,
        second=request.second,
        preserved=ownership.preserved,
        mask=tuple(ownership.second.tolist()),
        bounds=tuple(float(bound) for bound in bound_vector(table, bounds, ownership)),
        transition=TransitionSection(hold=HOLD, steps=transition.steps, settle=transition.settle, target=target),
        first_residual=residuals["first"],
        second_residual=residuals["second"],
        others_joints=others_joints,
    )


def _sequence(
    request: SequenceRequest,
    pair: PairSection,
    action: ComposeAction,
    way: tuple[LeaveConfig, TransitionConfig, tuple[float, ...]],
    bounds: BoundConfig,
    files: dict[str, bytes],
    golden: dict[str, Mapping[str, Any]],
) -> SequenceSection:
    leave, transition, target = way
    owners = HandOver.from_masks(action.table, (pair.preserved, request.preserved or pair.preserved))
    ownership = owners.ownership(2)
    residual = None
    if request.residual is not None:
        trained = PairRequest(request.first, request.third, ownership.preserved)
        role = f"residual.{request.first}.{request.between}.{request.third}"
        residual = _residual("second", request.residual, trained, ownership, role, files, golden)
    return SequenceSection(
        first=request.first,
        between=request.between,
        second=request.third,
        preserved=ownership.preserved,
        mask=tuple(ownership.second.tolist()),
        bounds=tuple(
            float(bound) for bound in owners.residual(2, bound_vector(action.table, bounds, ownership)).bounds
        ),
        transition=TransitionSection(
            hold=HOLD,
            leave=leave.steps,
            retreat=leave.retreat,
            steps=transition.steps,
            settle=transition.settle,
            target=target,
        ),
        first_residual=pair.first_residual,
        second_residual=residual,
        others_joints=pair.others_joints,
    )


def _residual(
    which: str,
    path: Path,
    request: PairRequest,
    ownership: Ownership,
    role: str,
    files: dict[str, bytes],
    golden: dict[str, Mapping[str, Any]],
) -> ResidualSection:
    policy = ResidualPolicy.load(path)
    _check_residual(policy, which, request, ownership, path)
    files[role], golden[role] = _residual_graph(policy)
    return ResidualSection(graph=role, observation=residual_terms(ownership.table, policy.spec.terms))


def _check_residual(policy: ResidualPolicy, which: str, request: PairRequest, ownership: Ownership, path: Path) -> None:
    spec = policy.spec
    tasks = (request.first,) if which == "first" else (request.first, request.second)
    if (spec.kind, spec.tasks) != (which, tasks):
        raise SleightError(
            f"the {which} residual of {' + '.join(tasks)} is something else",
            value=f"{path}: {spec.kind} of {' + '.join(spec.tasks)}",
        )
    if spec.unmasked:
        raise SleightError("a residual without a mask cannot be put on board", value=path, remedy="train it masked")
    if ownership.preserved not in spec.masks:
        raise SleightError(
            "a residual was not trained on the pair's mask", value=ownership.preserved, remedy=f"it knows {spec.masks}"
        )


def _residual_graph(policy: ResidualPolicy) -> tuple[bytes, dict[str, Any]]:
    graph, size = ResidualGraph(policy).eval(), sum(policy.spec.terms.values())
    data = trace_onnx(graph, {OBSERVATION: torch.zeros(1, size)}, [RESIDUAL])
    seen = np.random.default_rng(GOLDEN_SEED).uniform(-1, 1, (32, size)).astype(np.float32)
    with torch.inference_mode():
        out = graph(torch.from_numpy(seen)).numpy()
    return data, {OBSERVATION: seen, RESIDUAL: out}


def _start_of(action: ComposeAction, config: ComposeTaskConfig, there: Vec3) -> tuple[float, ...]:
    """The middle of a task's starts at its place on the table, with open fingers: where its transition ends."""
    start, table = config.start, action.table
    place = np.mean(np.asarray(start.wrist_pos), axis=0) + there
    quat = euler_to_quat(np.array([start.wrist_euler]))
    opened = table.posture("open")[table.actuated_index]
    target = action.clip(action.encode(PoseCommand(place[None], quat, opened[None])))
    return tuple(float(value) for value in target[0])


def _info(name: str, action: ComposeAction, run: SkillRun, composition: ComposedSkills) -> BundleInfo:
    config, skills = run.task, ", ".join(composition.skill_names)
    blind = any(skill.estimator is None for skill in composition.skills)
    sees = "the simulator's state" if blind else "features estimated from clouds and the hand's own state"
    start = config.start
    place = tuple(float(v) for v in np.mean(np.asarray(start.wrist_pos), axis=0))
    quat = tuple(float(v) for v in euler_to_quat(np.array(start.wrist_euler)))
    return BundleInfo(
        name=name,
        description=f"Composed skills {skills}; they see {sees}.",
        hand=HandSection.of(action.table),
        control=ControlSection(period=config.control_period / config.servo_steps, position_margin=DEFAULT_MARGIN),
        observation=(),
        action=action.parts,
        composition=composition,
        task=TaskSection(
            name="compose",
            goal=composition.skills[0].goal,
            success_radius=0.05,
            hold_time=0.0,
            episode_time=config.episode_steps * config.control_period,
            start=StartPose(wrist_position=place, wrist_quat=quat),  # pyright: ignore[reportArgumentType]
            object=ObjectSection(set=f"compose:{composition.skills[0].name}", seed=0),
        ),
        training=TrainingSection(
            algorithm="diffusion cloning, PPO residuals",
            preset=run.preset,
            seed=run.seed,
            steps=0,
            wall_time=0.0,
            git_commit=run.git_commit,
            command=run.command,
            versions=run.versions,
        ),
    )
