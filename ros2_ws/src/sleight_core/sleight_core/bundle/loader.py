"""Loading a policy bundle: everything is verified before anything is used (contract 3).

Any mismatch is a refusal that names the field, both values and the remedy. Nothing in a bundle can run code or reach a
file outside it: no pickle, no eval, no external data; the graphs are run from the very bytes that were checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.action import ActionSpec
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.bundle.composed_check import check_against_hand, check_io, check_structure
from sleight_core.bundle.files import check_graph, parse_golden, read_file, read_manifest
from sleight_core.bundle.manifest import GraphSection, Manifest, TensorSection, parse_manifest
from sleight_core.bundle.policy import make_session
from sleight_core.errors import BundleError, SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder
from sleight_core.observation.estimated_terms import made_of

Array = NDArray[np.float32]

#: Largest difference between a golden output and its replay, per element.
GOLDEN_TOLERANCE = 1e-5
#: Largest relative difference between the bundle's and the robot's control period.
PERIOD_TOLERANCE = 1e-3
_LIMIT_TOLERANCE = 1e-6  # rad
_ORT_TYPES = {"tensor(float)": "float32"}
_EXPORT_AGAIN = "export the bundle again with this version of Sleight"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: Its folder.
        manifest: What it says.
        sha256: SHA-256 of the manifest, which holds those of all other files: the bundle's identity.
        graphs: Bytes of the ONNX files, by role.
        golden: Golden inputs and outputs (N, size), by name.
        checks: What was verified, one line each.
    """

    path: Path
    manifest: Manifest
    sha256: str
    graphs: dict[str, bytes]
    golden: dict[str, Array]
    checks: tuple[str, ...]

    @property
    def id(self) -> str:
        """Name and hash, as commands carry it."""
        return f"{self.manifest.name}@{self.sha256[:12]}"


def load_bundle(
    path: Path | str, table: HandTable | None = None, *, period: float | None = None, simulation: bool = False
) -> Bundle:
    """Load and verify a bundle.

    Args:
        path: The bundle's folder.
        table: The robot's hand; None leaves out the checks against a robot.
        period: The robot's control period, s; None leaves out that check.
        simulation: Whether the bundle will only act in simulation, and so may see what only a simulator knows. A robot
            never says so.

    Raises:
        BundleError: Anything that does not fit.
    """
    folder = Path(path)
    text = read_manifest(folder)
    sha256 = hashlib.sha256(text).hexdigest()
    try:
        manifest = parse_manifest(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BundleError("manifest.json", expected="UTF-8 text", found=error, remedy=_EXPORT_AGAIN) from error
    checks = [f"manifest: schema {manifest.schema_version}, name '{manifest.name}', sha256 {sha256[:12]}"]
    if not simulation:
        _check_provenance(manifest)
    composition = manifest.composition
    if isinstance(composition, ComposedSkills):
        check_structure(manifest, composition)
    else:
        _check_single(manifest)
    if table is not None:
        _check_hand(manifest, table)
        checks.append(
            f"hand: '{table.name}', {len(table.joint_names)} joints, limits and table {manifest.hand.table_digest[:12]}"
        )
    if period is not None:
        _check_period(manifest, period)
        checks.append(f"control period: {period:.6g} s")
    checks.append(_describe_observation(manifest))

    graphs: dict[str, bytes] = {}
    for i, section in enumerate(manifest.graphs):
        data = read_file(folder, section.file, f"graphs.{i}.file", section.sha256)
        check_graph(data, section, f"graphs.{i}")
        graphs[section.role] = data
    golden = parse_golden(read_file(folder, manifest.golden.file, "golden.file", manifest.golden.sha256))
    checks.append(f"files: {len(graphs) + 1} with their SHA-256, weights inside, opset {manifest.graphs[0].opset}")
    if isinstance(composition, ComposedSkills):
        check_io(manifest, composition)
    else:
        _check_policy_io(manifest)
    worst = 0.0
    for i, section in enumerate(manifest.graphs):
        worst = max(worst, _check_replay(graphs[section.role], section, golden, manifest, f"graphs.{i}"))
    checks.append(f"golden: {manifest.golden.count} vectors replayed, largest difference {worst:.1e}")
    return Bundle(folder, manifest, sha256, graphs, golden, tuple(checks))


def _check_provenance(manifest: Manifest) -> None:
    for field, term in manifest.all_terms:
        if term.provenance == "privileged":
            raise BundleError(
                f"{field}.provenance",
                expected="something that a robot can sense or remember",
                found=f"'privileged' for term '{term.name}'",
                remedy="train a policy without this term; only a simulator knows it",
            )


def _describe_observation(manifest: Manifest) -> str:
    terms = {term.name: term for _, term in manifest.all_terms}
    privileged = [name for name, term in terms.items() if term.provenance == "privileged"]
    seen = f"for simulation only, privileged are {', '.join(privileged)}" if privileged else "none privileged"
    composition = manifest.composition
    if isinstance(composition, ComposedSkills):
        sizes = ", ".join(f"{skill.observation_size} for '{skill.name}'" for skill in composition.skills)
    else:
        sizes = str(manifest.observation_size)
    return f"observation: {sizes} elements, {seen} ({', '.join(terms)})"


def _check_single(manifest: Manifest) -> None:
    """Check the observation's and the action's terms of a bundle with one policy."""
    if not manifest.observation:
        raise BundleError("observation", expected="at least 1 term", found="[]", remedy=_EXPORT_AGAIN)
    for i, term in enumerate(manifest.observation):
        if made_of(term.name):
            raise BundleError(
                f"observation.{i}",
                expected="a term of what this policy senses itself",
                found=f"'{term.name}', which only composed skills have an estimator for",
                remedy=_EXPORT_AGAIN,
            )
    _check_action_joints(manifest)


def _check_hand(manifest: Manifest, table: HandTable) -> None:
    hand = manifest.hand
    trained = f"run the bundle on hand '{hand.name}', or train one for '{table.name}'"
    for field, expected, found in (
        ("name", table.name, hand.name),
        ("wrist_mode", table.wrist_mode, hand.wrist_mode),
        ("joint_names", tuple(table.joint_names), hand.joint_names),
        ("actuated_joint_names", tuple(table.actuated_joint_names), hand.actuated_joint_names),
    ):
        if expected != found:
            if isinstance(expected, tuple):
                expected, found = _first_difference(expected, tuple(found))
            raise BundleError(f"hand.{field}", expected=expected, found=found, remedy=trained)
    for i, name in enumerate(hand.joint_names):
        row = table.joint(name)
        low, high = hand.lower[i], hand.upper[i]
        if low < row.lower - _LIMIT_TOLERANCE or high > row.upper + _LIMIT_TOLERANCE:
            raise BundleError(
                f"hand.lower.{i}" if low < row.lower - _LIMIT_TOLERANCE else f"hand.upper.{i}",
                expected=f"'{name}' within [{row.lower:.6g}, {row.upper:.6g}] rad",
                found=f"[{low:.6g}, {high:.6g}]",
                remedy="the policy may ask for more than this hand can do: " + trained,
            )
    if hand.table_digest != (digest := table.digest()):
        raise BundleError(
            "hand.table_digest",
            expected=digest,
            found=hand.table_digest,
            remedy="geometry, limits or wrist of the hand's table changed since training: train again or restore it",
        )
    if isinstance(manifest.composition, ComposedSkills):
        check_against_hand(manifest, manifest.composition, table)
        return
    try:
        ObservationBuilder(table, manifest.observation)
    except SleightError as error:
        raise BundleError(
            "observation", expected="terms of this version", found=error.what, remedy=_EXPORT_AGAIN
        ) from error
    try:
        ActionSpec(table, manifest.action)
    except SleightError as error:
        found = f"{error.what}: {error.value}" if error.value is not None else error.what
        raise BundleError("action", expected=f"parts that fit '{table.name}'", found=found, remedy=trained) from error


def _first_difference(expected: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, str]:
    if len(expected) != len(found):
        return f"{len(expected)} joints", f"{len(found)}, not shared: {sorted(set(expected) ^ set(found))}"
    i = next(i for i, (a, b) in enumerate(zip(expected, found, strict=True)) if a != b)
    return f"'{expected[i]}' at place {i}", f"'{found[i]}'"


def _check_action_joints(manifest: Manifest) -> None:
    owned = [name for part in manifest.action for name in part.joint_names]
    wanted = manifest.hand.actuated_joint_names
    if sorted(owned) != sorted(wanted):
        wrong = sorted(set(owned) ^ set(wanted)) or sorted({name for name in owned if owned.count(name) > 1})
        raise BundleError(
            "action", expected="every actuated joint exactly once", found=f"not so: {wrong}", remedy=_EXPORT_AGAIN
        )


def _check_period(manifest: Manifest, period: float) -> None:
    trained = manifest.control.period
    if not abs(trained - period) <= PERIOD_TOLERANCE * period:
        raise BundleError(
            "control.period",
            expected=f"{period:.6g} s ({1 / period:.4g} Hz)" if period > 0 else period,
            found=f"{trained:.6g} s ({1 / trained:.4g} Hz)",
            remedy=f"run the robot's control at {1 / trained:.4g} Hz, or train at the robot's rate",
        )


def _check_policy_io(manifest: Manifest) -> None:
    """Check that the policy graph's inputs and outputs are those of the observation, the action and the composition."""
    i = next(i for i, graph in enumerate(manifest.graphs) if graph.role == "policy")
    policy, a, composition = manifest.policy, manifest.action_size, manifest.composition
    outputs: dict[str, tuple[int, ...]] = {"action": (a,)}
    if composition.kind == "moe_residual":
        outputs |= {"expert_weights": (composition.k,), "residual": (a,)}
        if len(policy.outputs) > len(outputs):
            outputs |= {"expert_actions": (composition.k, a)}
    elif composition.kind == "masked_dual_residual":
        outputs |= {"residual": (a,)}
        for what, size in (("mask", len(composition.mask)), ("bounds", len(composition.bounds))):
            if size != a:
                raise BundleError(f"composition.{what}", expected=f"{a} elements", found=size, remedy=_EXPORT_AGAIN)
    elif composition.kind == "diffusion":
        outputs = {"action": (composition.horizon, a)}
    inputs = {"obs": (manifest.observation_size,)}
    for what, tensors, wanted in (("inputs", policy.inputs, inputs), ("outputs", policy.outputs, outputs)):
        names = [tensor.name for tensor in tensors]
        if names != list(wanted):
            raise BundleError(f"graphs.{i}.{what}", expected=list(wanted), found=names, remedy=_EXPORT_AGAIN)
        for j, tensor in enumerate(tensors):
            if not tensor.shape or tensor.shape[1:] != wanted[tensor.name] or isinstance(tensor.shape[0], int):
                of = {"obs": "the observation terms", "action": "the action parts"}.get(tensor.name, "the composition")
                raise BundleError(
                    f"graphs.{i}.{what}.{j}.shape",
                    expected=f"{['batch', *wanted[tensor.name]]} by {of}",
                    found=list(tensor.shape),
                    remedy=_EXPORT_AGAIN,
                )


def _check_replay(
    data: bytes, section: GraphSection, golden: dict[str, Array], manifest: Manifest, field: str
) -> float:
    """Compare a graph's interface with the manifest, and its answers with the golden ones.

    Returns:
        The largest difference from a golden answer.
    """
    session = make_session(data, field)
    for what, nodes, told in (
        ("inputs", session.get_inputs(), section.inputs),
        ("outputs", session.get_outputs(), section.outputs),
    ):
        real = [_describe(node.name, node.shape, node.type) for node in nodes]
        for j in range(max(len(real), len(told))):
            has = real[j] if j < len(real) else "no such tensor"
            says = _describe(told[j].name, told[j].shape, told[j].dtype) if j < len(told) else "no such tensor"
            if has != says:
                raise BundleError(
                    f"{field}.{what}.{j}", expected=f"{has} as in the file", found=says, remedy=_EXPORT_AGAIN
                )
    # Parts may call their outputs, and composed skills their inputs, as others do: those are stored under the role.
    prefix = "" if section.role == "policy" else f"{section.role}."
    inner = prefix if isinstance(manifest.composition, ComposedSkills) else ""
    for tensor in section.inputs:
        _check_golden_array(golden, inner + tensor.name, tensor, manifest.golden.count)
    for tensor in section.outputs:
        _check_golden_array(golden, prefix + tensor.name, tensor, manifest.golden.count)
    outputs = [tensor.name for tensor in section.outputs]
    feeds = {tensor.name: _unflatten(golden[inner + tensor.name], tensor) for tensor in section.inputs}
    try:
        answers = _run(session, outputs, feeds, one_by_one=section.inputs[0].shape[:1] == (1,))
    except Exception as error:  # onnxruntime raises its own types, which differ between versions
        found = " ".join(str(error).split())
        raise BundleError(f"{field}.file", expected="a model that runs", found=found, remedy=_EXPORT_AGAIN) from error
    worst = 0.0
    for name, answer in zip(outputs, answers, strict=True):
        expected = golden[prefix + name]
        difference = np.abs(np.asarray(answer, dtype=np.float64).reshape(len(expected), -1) - expected)
        worst = max(worst, float(difference.max()))
        if not worst <= GOLDEN_TOLERANCE:
            labels = manifest.action_labels
            if len(labels) != difference.shape[1] or name not in ("action", "residual"):
                labels = [f"{name}[{j}]" for j in range(difference.shape[1])]
            raise BundleError(
                f"golden.{prefix}{name}",
                expected=f"the stored answers within {GOLDEN_TOLERANCE:g}",
                found=named_differences(difference, labels),
                remedy="this onnxruntime computes something else than the training code did: " + _EXPORT_AGAIN,
            )
    return worst


def _unflatten(rows: Array, tensor: TensorSection) -> Array:
    """Golden vectors (N, size) in a tensor's shape; a graph of one input vector takes them as they are."""
    sizes = [d for d in tensor.shape[1:] if isinstance(d, int)]
    return rows.reshape(len(rows), *sizes) if len(sizes) > 1 else rows


def _run(session: Any, outputs: list[str], feeds: dict[str, Array], *, one_by_one: bool) -> list[Array]:
    """Answers (N, ...) to N inputs, also of a graph whose batch is 1."""
    if not one_by_one:
        return session.run(outputs, feeds)
    count = len(next(iter(feeds.values())))
    rows = [session.run(outputs, {name: value[i : i + 1] for name, value in feeds.items()}) for i in range(count)]
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def _check_golden_array(golden: dict[str, Array], name: str, tensor: TensorSection, count: int) -> None:
    size = int(np.prod([d for d in tensor.shape[1:] if isinstance(d, int)]))
    found = golden[name].shape if name in golden else f"none, only {sorted(golden)}"
    if found != (count, size):
        expected = f"{count} vectors of {size}"
        raise BundleError(f"golden.{name}", expected=expected, found=found, remedy=_EXPORT_AGAIN)


def named_differences(difference: NDArray[np.floating], labels: list[str], tolerance: float = GOLDEN_TOLERANCE) -> str:
    """Say which elements differ most.

    Args:
        difference: Absolute differences (N, size); NaN counts as the largest.
        labels: A name for each of the `size` elements.
        tolerance: Smaller differences are not told.
    """
    worst = np.where(np.isnan(difference), np.inf, difference).max(axis=0)
    order = [j for j in np.argsort(-worst) if not worst[j] <= tolerance]
    told = ", ".join(f"{labels[j]} by {worst[j]:.2g}" for j in order[:4])
    return told + (f" and {len(order) - 4} more" if len(order) > 4 else "")


def _describe(name: str, shape: Sequence[int | str | None], dtype: str) -> str:
    return f"{name} {['any' if size is None else size for size in shape]} {_ORT_TYPES.get(dtype, dtype)}"
