"""The manifest of a policy bundle (contract 3): everything about a policy that is not its weights."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from sleight_core.action import ActionPart
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.bundle.fields import Count, Name, Positive, Quat, Section, Sha256, Vec3
from sleight_core.errors import BundleError
from sleight_core.hand import HandTable
from sleight_core.observation import TermSpec

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
GOLDEN = "golden.npz"

#: Newest ONNX operator set and file format that the oldest supported onnxruntime (1.19) reads.
MAX_OPSET = 17
MAX_IR = 10


class HandSection(Section):
    """The hand that the policy was trained for.

    Attributes:
        name: Name of the hand table.
        table_digest: `HandTable.digest()` of the table used in training.
        joint_names: All finger joints, observation order.
        actuated_joint_names: Joints with a motor, action order.
        lower: Lower limits of `joint_names`, rad.
        upper: Upper limits of `joint_names`, rad.
        wrist_mode: How the wrist is commanded.
    """

    name: Name
    table_digest: Sha256
    joint_names: tuple[str, ...] = Field(min_length=1)
    actuated_joint_names: tuple[str, ...] = Field(min_length=1)
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    wrist_mode: Literal["floating", "arm"]

    @model_validator(mode="after")
    def _consistent(self) -> HandSection:
        n = len(self.joint_names)
        if len(set(self.joint_names)) != n:
            raise ValueError("joint_names has a name twice")
        if len(self.lower) != n or len(self.upper) != n:
            raise ValueError(f"{n} joint_names, {len(self.lower)} lower and {len(self.upper)} upper limits")
        if wrong := [j for j, a, b in zip(self.joint_names, self.lower, self.upper, strict=True) if a >= b]:
            raise ValueError(f"lower is not below upper for {wrong}")
        if unknown := [name for name in self.actuated_joint_names if name not in self.joint_names]:
            raise ValueError(f"actuated_joint_names not among joint_names: {unknown}")
        return self

    @classmethod
    def of(cls, table: HandTable) -> HandSection:
        """Describe a hand."""
        return cls(
            name=table.name,
            table_digest=table.digest(),
            joint_names=table.joint_names,
            actuated_joint_names=table.actuated_joint_names,
            lower=tuple(map(float, table.lower)),
            upper=tuple(map(float, table.upper)),
            wrist_mode=table.wrist_mode,
        )


class ControlSection(Section):
    """When the policy is asked, and how its commands were limited in training.

    Attributes:
        period: Control period, s.
        tick_source: What starts a control step on the robot: a new joint state, or a timer.
        position_margin: Distance kept from the joint limits, rad, as the safety filter did in training.
    """

    period: float = Field(gt=0, le=1)
    tick_source: Literal["joint_states", "timer"] = "joint_states"
    position_margin: float = Field(ge=0)


class TensorSection(Section):
    """An input or output of a graph; a dimension is a size, or the name of one that varies."""

    name: str
    shape: tuple[int | str, ...]
    dtype: Literal["float32"]


class GraphSection(Section):
    """An ONNX file.

    Attributes:
        role: "policy" for the graph that is run; other graphs are its parts, for inspection.
        file: File name inside the bundle.
        sha256: Of the file.
        opset: Version of the ONNX operator set.
        ir_version: Version of the ONNX file format.
        inputs: Inputs, in order.
        outputs: Outputs, in order.
    """

    role: Name = "policy"
    file: str
    sha256: Sha256
    opset: int = Field(ge=1)
    ir_version: int = Field(ge=1)
    inputs: tuple[TensorSection, ...] = Field(min_length=1)
    outputs: tuple[TensorSection, ...] = Field(min_length=1)


class GoldenSection(Section):
    """The golden vectors: inputs and the outputs that the training code gave for them."""

    file: str = GOLDEN
    sha256: Sha256
    count: int = Field(ge=1)


class Mlp(Section):
    """One network; outputs: action."""

    kind: Literal["mlp"] = "mlp"


class MoeResidual(Section):
    """Experts mixed by weights, plus a residual; outputs: action, expert_weights (k), residual.

    A further output, expert_actions (k, A), may follow: what each expert wants, before mixing.
    """

    kind: Literal["moe_residual"] = "moe_residual"
    k: int = Field(ge=1)
    normalisation: Literal["softmax", "l1", "l2"]
    expert_names: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> MoeResidual:
        if self.expert_names and len(self.expert_names) != self.k:
            raise ValueError(f"k is {self.k}, but expert_names has {len(self.expert_names)}")
        return self


class MaskedDualResidual(Section):
    """Two policies on disjoint parts of the action, each with a residual; outputs: action, residual.

    Attributes:
        mask: For each action element, whether the second policy owns it.
        bounds: For each action element, the bound on its residual, in policy units.
    """

    kind: Literal["masked_dual_residual"] = "masked_dual_residual"
    mask: tuple[bool, ...]
    bounds: tuple[Annotated[float, Field(ge=0)], ...]


class Diffusion(Section):
    """Chunks of `horizon` actions, of which `execute` are used."""

    kind: Literal["diffusion"] = "diffusion"
    horizon: int = Field(ge=1)
    execute: int = Field(ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Diffusion:
        if self.execute > self.horizon:
            raise ValueError(f"execute {self.execute} is above horizon {self.horizon}")
        return self


Composition = Annotated[
    Mlp | MoeResidual | MaskedDualResidual | Diffusion | ComposedSkills, Field(discriminator="kind")
]


class StartPose(Section):
    """Where an episode starts.

    Attributes:
        wrist_position: Hand root in the task frame, m.
        wrist_quat: Its orientation at canonical yaw 0, wxyz.
        joints: Joint positions by name, rad; joints not named start at 0.
    """

    wrist_position: Vec3
    wrist_quat: Quat
    joints: dict[str, float] = {}


class ObjectSection(Section):
    """The objects that the policy learnt on: the name of an object set, and its seed."""

    set: str
    seed: int = 0


class TaskSection(Section):
    """What the policy does.

    Attributes:
        name: Name of the task.
        goal: Where the object should go, task frame, m.
        success_radius: Distance to the goal that counts as success, m.
        hold_time: Time at the end of an episode within that distance that counts as held, s.
        episode_time: Length of an episode, s.
        start: The start pose.
        object: What it learnt on.
    """

    name: Name
    goal: Vec3
    success_radius: Positive
    hold_time: float = Field(ge=0)
    episode_time: Positive
    start: StartPose
    object: ObjectSection


class TrainingSection(Section):
    """Where the policy comes from.

    Attributes:
        algorithm: Learning algorithm.
        preset: Name of the preset.
        seed: Seed of the run.
        steps: Environment steps.
        wall_time: Learning time, s.
        git_commit: Commit of the code, with "+" when files were changed.
        command: Command line that trained it.
        versions: Versions of the packages that matter.
    """

    algorithm: str
    preset: str
    seed: int
    steps: Count
    wall_time: float = Field(ge=0)
    git_commit: str
    command: str
    versions: dict[str, str]


class ResultSection(Section):
    """A measurement of the policy: what was measured, on what, and the command that repeats it."""

    objects: str
    episodes: int = Field(ge=1)
    held_success: float = Field(ge=0, le=1)
    ever_success: float = Field(ge=0, le=1)
    ci95: tuple[float, float]
    seed: int
    command: str


class BundleInfo(Section):
    """A bundle's manifest without its files.

    Attributes:
        schema_version: Version of this schema.
        name: Name of the bundle.
        description: One sentence for people.
        hand: The hand.
        control: Period and limits.
        observation: The terms of the network's input, in order; empty for composed skills, each of which names its own.
        action: The parts of its output, in order.
        composition: How the action comes about.
        task: What it does.
        training: Where it comes from.
        results: What was measured of it.
    """

    schema_version: int = SCHEMA_VERSION
    name: Name
    description: str = ""
    hand: HandSection
    control: ControlSection
    observation: tuple[TermSpec, ...]
    action: tuple[ActionPart, ...] = Field(min_length=1)
    composition: Composition
    task: TaskSection
    training: TrainingSection
    results: tuple[ResultSection, ...] = ()

    @field_validator("observation")
    @classmethod
    def _unique_terms(cls, terms: tuple[TermSpec, ...]) -> tuple[TermSpec, ...]:
        names = [term.name for term in terms]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"terms occur twice: {twice}")
        return terms

    @property
    def all_terms(self) -> list[tuple[str, TermSpec]]:
        """Every term that any graph sees, with its place in the manifest."""
        rows = [(f"observation.{i}", term) for i, term in enumerate(self.observation)]
        if isinstance(self.composition, ComposedSkills):
            rows += self.composition.terms()
        return rows

    @property
    def observation_size(self) -> int:
        """Elements of the network's input."""
        return sum(term.size for term in self.observation)

    @property
    def action_size(self) -> int:
        """Elements of the network's action."""
        return sum(part.size for part in self.action)

    @property
    def observation_labels(self) -> list[str]:
        """A name for each element of the input, such as ``joint_pos[3]``."""
        return [f"{term.name}[{i}]" for term in self.observation for i in range(term.size)]

    @property
    def action_labels(self) -> list[str]:
        """A name for each element of the action, such as ``wrist_twist[2]`` or ``hand_joints.FFJ3``."""
        return [
            f"{part.name}.{part.joint_names[i]}" if part.joint_names else f"{part.name}[{i}]"
            for part in self.action
            for i in range(part.size)
        ]


class Manifest(BundleInfo):
    """A complete manifest.

    Attributes:
        graphs: The ONNX files; exactly one has the role "policy", except for composed skills, which have none.
        golden: The golden vectors.
    """

    graphs: tuple[GraphSection, ...] = Field(min_length=1)
    golden: GoldenSection

    @field_validator("graphs")
    @classmethod
    def _roles(cls, graphs: tuple[GraphSection, ...], info: ValidationInfo) -> tuple[GraphSection, ...]:
        roles = [graph.role for graph in graphs]
        composed = isinstance(info.data.get("composition"), ComposedSkills)
        if composed and (len(set(roles)) != len(roles) or "policy" in roles):
            raise ValueError(f"composed skills need graphs of their own roles, none twice, has {roles}")
        if not composed and (len(set(roles)) != len(roles) or "policy" not in roles):
            raise ValueError(f"needs one graph of role 'policy' and no role twice, has {roles}")
        return graphs

    @property
    def policy(self) -> GraphSection:
        """The graph that is run; composed skills have none."""
        return self.graph("policy")

    def graph(self, role: str) -> GraphSection:
        """The graph of a role, which must be there."""
        return next(graph for graph in self.graphs if graph.role == role)

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return self.model_dump_json(indent=2) + "\n"


def parse_manifest(text: str) -> Manifest:
    """Read the text of a ``manifest.json``.

    Raises:
        BundleError: No JSON, NaN or infinity, a key twice, another schema version, or a field that does not fit.
    """
    remedy = "export the bundle again, or fetch an intact copy"
    try:
        data = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        found = f"{error}" if isinstance(error, ValueError) else "nesting without end"
        raise BundleError(MANIFEST, expected="plain JSON", found=found, remedy=remedy) from error
    if not isinstance(data, dict):
        raise BundleError(MANIFEST, expected="a JSON object", found=type(data).__name__, remedy=remedy)
    version = data.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise BundleError(
            "schema_version",
            expected=SCHEMA_VERSION,
            found=version,
            remedy="update Sleight" if isinstance(version, int) and version > SCHEMA_VERSION else remedy,
        )
    try:
        return Manifest.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise refusal(error, remedy) from error


def refusal(error: ValidationError, remedy: str) -> BundleError:
    """Turn the first complaint of the schema into a refusal."""
    first = error.errors()[0]
    return BundleError(
        ".".join(str(part) for part in first["loc"]) or MANIFEST,
        expected="nothing of this name" if first["type"] == "extra_forbidden" else first["msg"],
        found="nothing" if first["type"] == "missing" else json.dumps(first.get("input"), default=str),
        remedy=remedy,
    )


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key occurs twice: {sorted({key for key in keys if keys.count(key) > 1})}")
    return dict(pairs)
