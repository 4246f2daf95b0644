"""Checks of a bundle of composed skills that its schema cannot make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sleight_core.bundle.composed import (
    ACTIONS,
    FEATURES,
    HISTORY,
    NOISE,
    OBSERVATION,
    RESIDUAL,
    ComposedSkills,
    EstimatorSection,
    PairSection,
    SkillSection,
)
from sleight_core.compose import ComposeAction, Ownership
from sleight_core.compose.ownership import element_names
from sleight_core.errors import BundleError, SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder, TermSpec
from sleight_core.observation.compose_terms import MECHANISM_JOINTS
from sleight_core.observation.estimated_terms import PREFIX, made_of

if TYPE_CHECKING:
    from sleight_core.bundle.manifest import Manifest

_EXPORT_AGAIN = "export the bundle again with this version of Sleight"
#: Terms that a composition cannot see, and why.
_UNTOLD = {"last_output": "a chunk has no last output for each joint; `previous_residual` is what a residual gave"}
Shapes = dict[str, tuple[int, ...]]


def check_against_hand(manifest: Manifest, composition: ComposedSkills, table: HandTable) -> None:
    """Check action, terms and masks against a hand.

    Raises:
        BundleError: Something does not fit.
    """
    trained = f"run the bundle on hand '{manifest.hand.name}', or train one for '{table.name}'"
    try:
        ComposeAction.from_parts(table, manifest.action)
    except SleightError as error:
        found = f"{error.what}: {error.value}" if error.value is not None else error.what
        expected = f"a wrist pose and the joints of '{table.name}'"
        raise BundleError("action", expected=expected, found=found, remedy=trained) from error
    for i, skill in enumerate(composition.skills):
        _check_terms(table, skill.observation, f"composition.skills.{i}.observation")
        if skill.estimator is not None:
            _check_terms(table, skill.estimator.observation, f"composition.skills.{i}.estimator.observation")
    for place, pair in composition.compositions.items():
        for name, section in pair.residuals.items():
            _check_terms(table, section.observation, f"{place}.{name}.observation")
        _check_mask(table, pair, place)


def _check_terms(table: HandTable, terms: tuple[TermSpec, ...], field: str) -> None:
    try:
        ObservationBuilder(table, terms)
    except SleightError as error:
        raise BundleError(field, expected="terms of this version", found=error.what, remedy=_EXPORT_AGAIN) from error


def _check_mask(table: HandTable, pair: PairSection, field: str) -> None:
    try:
        owned = Ownership(table, pair.preserved).second.tolist()
    except SleightError as error:
        expected = f"some, not all, of the fingers {list(table.finger_names)}"
        found = f"{list(pair.preserved)} ({error.what})"
        raise BundleError(f"{field}.preserved", expected=expected, found=found, remedy=_EXPORT_AGAIN) from error
    for name, mine, told in zip(element_names(table), owned, pair.mask, strict=True):
        if mine != told:
            owner = {True: "the second skill", False: "the first skill"}
            raise BundleError(
                f"{field}.mask",
                expected=f"'{name}' owned by {owner[mine]}, since {list(pair.preserved)} are preserved",
                found=f"owned by {owner[told]}",
                remedy="mask and preserved fingers disagree: " + _EXPORT_AGAIN,
            )


def check_structure(manifest: Manifest, composition: ComposedSkills) -> None:
    """Check what needs no hand: the action's parts, lengths, and that graphs and sections name each other.

    Raises:
        BundleError: Something does not fit.
    """
    if manifest.observation:
        found = [term.name for term in manifest.observation]
        raise BundleError("observation", expected="none: each skill has its own", found=found, remedy=_EXPORT_AGAIN)
    rules = [part.rule for part in manifest.action]
    if rules != ["pose", "position"]:
        raise BundleError("action", expected=["pose", "position"], found=rules, remedy=_EXPORT_AGAIN)
    joints = manifest.action[1].joint_names
    if joints != manifest.hand.joint_names:
        differ = sorted(set(joints) ^ set(manifest.hand.joint_names))
        raise BundleError(
            "action.1.joint_names",
            expected="all finger joints in the hand's order",
            found=f"not so: {differ}" if differ else "another order",
            remedy=_EXPORT_AGAIN,
        )
    _check_known(composition)
    a = manifest.action_size
    for place, pair in composition.compositions.items():
        sizes = {"mask": len(pair.mask), "bounds": len(pair.bounds), "transition.target": len(pair.transition.target)}
        for what, size in sizes.items():
            if size != a:
                raise BundleError(f"{place}.{what}", expected=f"{a} elements", found=size, remedy=_EXPORT_AGAIN)
    _check_estimates(composition)
    there = [graph.role for graph in manifest.graphs]
    roles = composition.graph_roles()
    for field, role in roles.items():
        if role not in there:
            raise BundleError(field, expected=f"a graph of role '{role}'", found=there, remedy=_EXPORT_AGAIN)
    for i, role in enumerate(there):
        if role not in roles.values():
            used = sorted(set(roles.values()))
            raise BundleError(f"graphs.{i}.role", expected=f"one of {used}", found=role, remedy=_EXPORT_AGAIN)


def _check_known(composition: ComposedSkills) -> None:
    """Refuse terms that nobody tells a composition: its graphs would see zeros that they never saw in training."""
    for place, term in composition.terms():
        if term.name in _UNTOLD:
            raise BundleError(
                f"{place}.name",
                expected="a term that composed skills are told",
                found=term.name,
                remedy=f"train it without '{term.name}': {_UNTOLD[term.name]}",
            )


def _check_estimates(composition: ComposedSkills) -> None:
    """Check that every estimated term is an estimate of the bundle's own, made of nothing but what a robot senses.

    Even where a bundle is for simulation only, an estimator that sees the truth, or estimates, is none.

    Raises:
        BundleError: It is not so.
    """
    given: dict[str, dict[str, int]] = {}
    for i, skill in enumerate(composition.skills):
        given[skill.name] = skill.estimator.sizes if skill.estimator is not None else {}
        _check_estimated(skill.observation, given[skill.name], f"composition.skills.{i}.observation")
        if skill.estimator is not None:
            _check_sensed(skill.estimator, f"composition.skills.{i}.estimator")
    for place, pair in composition.compositions.items():
        for name, section in pair.residuals.items():
            both = given[pair.first] | given[pair.second]
            _check_estimated(section.observation, both, f"{place}.{name}.observation")


def _check_estimated(terms: tuple[TermSpec, ...], given: dict[str, int], field: str) -> None:
    for j, term in enumerate(terms):
        missing = [
            name
            for name in made_of(term.name)
            if name not in given or (name == MECHANISM_JOINTS and given[name] != term.size)
        ]
        if missing:
            raise BundleError(
                f"{field}.{j}",
                expected=f"an estimator in the bundle that tells {', '.join(missing)} for '{term.name}'",
                found=f"estimates of {', '.join(f'{name} ({size})' for name, size in given.items())}"
                if given
                else "none",
                remedy="export the skill together with its estimator",
            )


def _check_sensed(estimator: EstimatorSection, field: str) -> None:
    for j, term in enumerate(estimator.observation):
        if term.provenance == "privileged" or term.name.startswith(PREFIX):
            raise BundleError(
                f"{field}.observation.{j}.provenance",
                expected="what a robot senses",
                found=f"'{term.name}', {term.provenance}" if not term.name.startswith(PREFIX) else "an estimate",
                remedy="train an estimator that sees clouds and the robot's own state",
            )


def check_io(manifest: Manifest, composition: ComposedSkills) -> None:
    """Check every graph's inputs and outputs.

    Raises:
        BundleError: Something does not fit.
    """
    a = manifest.action_size
    for skill in composition.skills:
        inputs, outputs = sampler_shapes(skill, a)
        _check_graph_io(manifest, skill.graph, inputs, outputs)
        if (estimator := skill.estimator) is not None:
            seen, told = (estimator.observation_size,), (sum(estimator.sizes.values()),)
            _check_graph_io(manifest, estimator.graph, {OBSERVATION: seen}, {FEATURES: told})
    for pair in composition.compositions.values():
        for section in pair.residuals.values():
            _check_graph_io(manifest, section.graph, {OBSERVATION: (section.observation_size,)}, {RESIDUAL: (a,)})


def sampler_shapes(skill: SkillSection, action_size: int) -> tuple[Shapes, Shapes]:
    """Shapes of a skill's inputs and outputs by name, without the batch's 1."""
    chunk = (skill.horizon, action_size)
    return {HISTORY: (skill.history, skill.observation_size), NOISE: chunk}, {ACTIONS: chunk}


def _check_graph_io(manifest: Manifest, role: str, inputs: Shapes, outputs: Shapes) -> None:
    i = next(i for i, graph in enumerate(manifest.graphs) if graph.role == role)
    graph = manifest.graphs[i]
    for what, tensors, wanted in (("inputs", graph.inputs, inputs), ("outputs", graph.outputs, outputs)):
        names = [tensor.name for tensor in tensors]
        if names != list(wanted):
            raise BundleError(f"graphs.{i}.{what}", expected=list(wanted), found=names, remedy=_EXPORT_AGAIN)
        for j, tensor in enumerate(tensors):
            batch = tensor.shape[0] if tensor.shape else 0
            if tensor.shape[1:] != wanted[tensor.name] or (isinstance(batch, int) and batch != 1):
                raise BundleError(
                    f"graphs.{i}.{what}.{j}.shape",
                    expected=f"{[1, *wanted[tensor.name]]} (or any batch) by the terms, the horizon and the action",
                    found=list(tensor.shape),
                    remedy=_EXPORT_AGAIN,
                )
