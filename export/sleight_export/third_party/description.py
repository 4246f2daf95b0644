"""The description of a policy that was trained elsewhere: all that its file does not say.

Every field that a bundle needs has to be written; each field's `description` tells the user what.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sleight_core.bundle.manifest import Name, Positive, Quat, Vec3
from sleight_core.errors import IncompleteError, SleightError

#: Largest size of a description, bytes.
MAX_SIZE = 1 << 20

Elements = tuple[int, int]
JointNames = str | tuple[str, ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ControlDescription(_Part):
    """When the policy is asked."""

    period: float = Field(gt=0, le=1, description="control period of the training, s, such as 0.05")
    position_margin: float = Field(
        ge=0, description="distance that was kept from the joint limits in training, rad; 0 where none was"
    )
    tick_source: Literal["joint_states", "timer"] = "joint_states"


class GraphDescription(_Part):
    """Names in the ONNX file."""

    input: str = Field(description="name of the graph's input that takes the observation")
    output: str = Field(description="name of the graph's output that is the action")


class TermDescription(_Part):
    """A slice of the observation.

    Attributes:
        elements: First element and the one after the last.
        term: Name of the observation term.
        scale: What the raw value is multiplied by.
        clip: Bound on the scaled value, or None.
        joint_order: For a term over joints: a public order of the hand table, or the table's joint names in order.
    """

    elements: Elements = Field(description="first element of the slice and the one after its last, such as [0, 16]")
    term: str = Field(description="name of the observation term that this slice is")
    scale: float = Field(description="factor on the term's raw value (see its unit); 1.0 for none")
    clip: Positive | None = None
    joint_order: JointNames | None = None


class PartDescription(_Part):
    """A slice of the action.

    Attributes:
        elements: First element and the one after the last.
        name: Name of the part.
        rule: How an element in [-1, 1] acts.
        scale: For `delta_target` (rad) and `twist` (m/s, rad/s): one factor, or one an element.
        joint_order: The joints, in order: a public order of the hand table, or the table's joint names.
        limits: Ranges that targets are kept to: "hand" for those of the hand table, or by joint name, rad.
        clipped: Whether values outside [-1, 1] are to be cut, as they were in training.
    """

    elements: Elements = Field(description="first element of the slice and the one after its last, such as [0, 16]")
    name: Name = Field(description="a name for this part, such as hand_joints")
    rule: Literal["absolute_target", "delta_target", "twist"] = Field(
        description="delta_target (added to the last target), absolute_target (over the joints' range) or twist"
    )
    scale: float | tuple[float, ...] | None = None
    joint_order: JointNames | None = None
    limits: Literal["hand"] | dict[str, tuple[float, float]] | None = None
    clipped: bool = False


class StartDescription(_Part):
    """Where an episode starts."""

    wrist_position: Vec3 = Field(description="place of the hand's root body in the task frame, m")
    wrist_quat: Quat = Field(
        description="its orientation wxyz: the policy's vectors are meant in the axes in which this is written"
    )
    joints: dict[str, float] = Field(description="joint positions by name, rad; those not named start at 0")


class TaskDescription(_Part):
    """What the policy does."""

    name: Name = Field(description="name of the task, such as cube_reorient")
    goal: Vec3 = Field(description="where the object should be, task frame, m")
    success_radius: Positive = Field(description="distance to the goal that counts as success, m")
    success_angle: Positive | None = None
    hold_time: float = Field(ge=0, description="time for which success must last, s; 0 where it need not")
    episode_time: Positive = Field(description="length of an episode, s")
    object: str = Field(description="what the policy learnt on, such as 'cube of 7 cm'")
    start: StartDescription


class OriginDescription(_Part):
    """Where the policy comes from."""

    algorithm: str = Field(min_length=1, description="how it was trained, such as 'PPO (Brax)'")
    source: str = Field(min_length=1, description="where it was published: an address, or a sentence")
    licence: str = Field(min_length=1, description="licence under which it was published, such as Apache-2.0")
    steps: int = Field(default=0, ge=0)


class PolicyDescription(_Part):
    """Everything that a bundle needs to know about a policy beside its ONNX file."""

    name: Name = Field(description="a name for the bundle, such as leap_reorient")
    description: str = Field(min_length=1, description="one sentence for people")
    hand: str = Field(description="name of the hand table, such as leap, or the path of one's YAML file")
    control: ControlDescription
    graph: GraphDescription
    observation: tuple[TermDescription, ...] = Field(
        min_length=1,
        description="a list that covers the input: {elements: [0, 16], term: joint_angles, scale: 1.0, "
        "joint_order: menagerie} and so on",
    )
    action: tuple[PartDescription, ...] = Field(
        min_length=1,
        description="a list that covers the output: {elements: [0, 16], name: hand_joints, rule: delta_target, "
        "scale: 0.5, joint_order: menagerie, limits: hand} and so on",
    )
    task: TaskDescription
    training: OriginDescription


def read_description(path: Path) -> PolicyDescription:
    """Read a description.

    Raises:
        SleightError: The file is missing, too large or no YAML.
        IncompleteError: Fields are missing or wrong: all of them, each with what to write.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SleightError("the description cannot be read", value=path, remedy=str(error.strerror)) from error
    except UnicodeDecodeError as error:
        raise SleightError("the description is no UTF-8 text", value=path) from error
    if len(text) > MAX_SIZE:
        raise SleightError("the description is too large", value=f"{len(text)} bytes", remedy="give a YAML file")
    try:
        data = yaml.load(text, Loader=_UniqueKeys)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SleightError(
            "the description is not valid YAML", value=path, remedy=" ".join(str(error).split())
        ) from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise SleightError("the description is no mapping of fields", value=type(data).__name__)
    try:
        return PolicyDescription.model_validate(data)
    except ValidationError as error:
        raise IncompleteError("the description is not complete", _problems(error)) from error


def _problems(error: ValidationError) -> list[str]:
    """One clause for every field that is missing or wrong."""
    lines: dict[str, None] = {}
    rows = error.errors()
    for row in rows:
        # A list whose rows are wrong is called too short as well.
        if row["type"] == "too_short" and any(other["loc"][:1] == row["loc"] != other["loc"] for other in rows):
            continue
        # The alternatives of a union are no fields of the file.
        place = [part for part in row["loc"] if part not in ("str", "float") and "[" not in str(part)]
        if row["type"] == "missing":
            lines.update(dict.fromkeys(_missing(place)))
        elif row["type"] == "extra_forbidden":
            lines[f"{_dotted(place)}: there is no such field"] = None
        else:
            lines[f"{_dotted(place)}: {row['msg']} (found {str(row.get('input'))[:80]})"] = None
    return list(lines)


def _missing(place: list[int | str]) -> list[str]:
    """What to write for a missing field: for a section, for each of its fields that must be there."""
    model: type[BaseModel] = PolicyDescription
    for part in place[:-1]:
        if isinstance(part, str):
            inner = _section(model.model_fields[part].annotation)
            assert inner is not None
            model = inner
    field = model.model_fields[str(place[-1])]
    inner = _section(field.annotation)
    if field.description or inner is None:
        return [f"{_dotted(place)}: {field.description}"]
    wanted = [name for name, row in inner.model_fields.items() if row.is_required()]
    return [line for name in wanted for line in _missing([*place, name])]


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return next((found for arg in get_args(annotation) if (found := _section(arg))), None)
    return None


def _dotted(place: list[int | str]) -> str:
    return ".".join(map(str, place)) or "description"


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is written twice: one of the two would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        seen = [str(key) for key in keys]
        if twice := sorted({key for key in seen if seen.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"written twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep=deep)
