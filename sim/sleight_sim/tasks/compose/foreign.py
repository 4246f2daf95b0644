"""Demonstrations that were recorded elsewhere: robomimic HDF5 with other keys, units and joint orders.

A mapping (YAML) says where everything is; nothing is guessed. Joints are matched by name, by an attribute of the file.
For a file whose groups ``data/demo_*`` hold ``actions`` (N, 22) with the attribute ``joint_names``::

    rate: control_freq              # Hz: a number, or the name of an attribute
    success: rewards                # a dataset, above 0.5 where the task is done; left out: each file's last sample
    actions:
      joints: {key: actions, names: joint_names, rename: {robot0_FFJ2: FFJ2}, unit: rad}
      wrist_position: {key: action_wrist_pos, unit: m}
      wrist_rotation: {key: action_wrist_quat, quaternion: xyzw}
    observations:                   # every term of the task
      hand_joints: {key: obs/qpos, names: joint_names, unit: rad}
      wrist_quat: {key: obs/wrist_quat, quaternion: xyzw}
      palm_to_handle: {key: obs/palm_to_handle, unit: m}
      handle_pos: {key: obs/handle_pos, unit: m}
      mechanism_joints: {key: obs/button, unit: m}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_normalize

from sleight_sim.tasks.compose.action import ComposeAction, quat_to_euler
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.demonstrations import Demonstration, open_hdf5
from sleight_sim.tasks.compose.make import compose_hand, make_compose_task
from sleight_sim.tasks.compose.variation import WorldDraw

Array = NDArray[np.float64]
Unit = Literal["rad", "deg", "m", "mm", "normalised"]
_FACTOR = {"rad": 1.0, "deg": np.pi / 180.0, "m": 1.0, "mm": 1e-3, "normalised": 1.0}
#: An action may be so far beyond its limits (m or rad) before the file is refused.
_ROOM = 1e-3
#: Largest difference of two rates (Hz) that are the same.
_SAME_RATE = 1e-3


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Config):
    """A dataset of every demonstration.

    Attributes:
        key: Its path inside the demonstration's group.
        names: Attribute that names its columns: of the dataset, its group, or ``data``. Needed for hand joints.
        rename: Our names by the file's, for columns that have others.
        unit: rad, deg, m or mm; "normalised" for hand joints that are -1 to 1 over their ranges already. Needed for all
            but rotations.
        quaternion: Order of a rotation's four columns.
    """

    key: str
    names: str | None = None
    rename: dict[str, str] = {}
    unit: Unit | None = None
    quaternion: Literal["wxyz", "xyzw"] | None = None


class ActionSources(_Config):
    """Where the 28 elements of an action come from.

    Attributes:
        joints: Targets of the hand joints; the coupled ones may be missing, and follow their drivers.
        wrist_position: (N, 3) of the hand's root in the task frame.
        wrist_rotation: (N, 4) of the hand's root in the task frame.
    """

    joints: Source
    wrist_position: Source
    wrist_rotation: Source


class Mapping(_Config):
    """What is where in a foreign file; see the module's text.

    Attributes:
        rate: Actions a second: a number, or the name of an attribute of ``data`` or of its ``env_args``.
        actions: See there.
        observations: By our terms.
        success: Dataset (N,) that is above 0.5 where the task is done; None: at the last sample of each.
    """

    rate: float | str
    actions: ActionSources
    observations: dict[str, Source]
    success: str | None = None


@dataclass(frozen=True)
class Imported:
    """What an import gave.

    Attributes:
        demonstrations: Those that succeed.
        failed: How many do not, and were left out.
        source: Where they come from, for `demonstrations.write`.
    """

    demonstrations: list[Demonstration]
    failed: int
    source: dict[str, Any]


def read_mapping(path: Path) -> Mapping:
    """Read a mapping.

    Raises:
        SleightError: It cannot be read, or says something that is unknown.
    """
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SleightError("the mapping cannot be read", value=f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SleightError("the mapping is no YAML", value=f"{path}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SleightError(f"mapping {path}: {where}: {first['msg']}", value=first.get("input")) from error


def import_file(path: Path, config: ComposeTaskConfig, mapping: Mapping) -> Imported:
    """Read a foreign file as demonstrations of a task.

    Args:
        path: The file.
        config: The task that it shows.
        mapping: What is where.

    Raises:
        SleightError: Something does not fit; the message names it, what is expected, what is there, and the remedy.
    """
    with open_hdf5(path) as file:
        if "data" not in file:
            raise _refuse(
                str(path), "a group 'data' with demonstrations", list(file), "give a file in robomimic's layout"
            )
        data = file["data"]
        _check_rate(data, config, mapping)
        reader = _Reader(config, mapping, data)
        read = [reader.demonstration(name) for name in sorted(data, key=_number)]
    good = [demo for demo in read if demo.success.any()]
    if not good:
        raise SleightError(
            f"none of {len(read)} demonstrations succeeds", value=path, remedy="check 'success' in the mapping"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = {"imported_from": path.name, "sha256": digest, "mapping": mapping.model_dump()}
    return Imported(good, len(read) - len(good), source)


def _refuse(field: str, expected: Any, found: Any, remedy: str) -> SleightError:
    return SleightError(f"{field}: expected {expected}, found {found}", remedy=remedy)


def _number(name: str) -> tuple[int, str]:
    """Order demo_2 before demo_10."""
    digits = "".join(c for c in name if c.isdigit())
    return (int(digits) if digits else -1, name)


def _check_rate(data: Any, config: ComposeTaskConfig, mapping: Mapping) -> None:
    wanted, rate, field = 1.0 / config.control_period, mapping.rate, "rate"
    if isinstance(rate, str):
        field = f"rate (attribute '{rate}')"
        arguments = json.loads(data.attrs.get("env_args", "{}"))
        places = (data.attrs, arguments, arguments.get("env_kwargs", {}))
        found = next((place[rate] for place in places if rate in place), None)
        if found is None:
            raise _refuse(
                field, "a number of Hz", "no such attribute of 'data' or its env_args", "give the number itself"
            )
        rate = float(found)
    if abs(rate - wanted) > _SAME_RATE:
        raise _refuse(field, f"{wanted:g} Hz as the task acts", f"{rate:g} Hz", f"resample the file to {wanted:g} Hz")


class _Reader:
    """Reads the demonstrations of one file."""

    def __init__(self, config: ComposeTaskConfig, mapping: Mapping, data: Any) -> None:
        task = make_compose_task(config, 1, num_threads=1)
        self.mapping, self.data = mapping, data
        self.table = compose_hand(config)
        self.action = ComposeAction(self.table, config.workspace)
        self.sizes = task.observation.sizes
        given = mapping.observations
        if set(given) != set(self.sizes):
            missing, more = sorted(set(self.sizes) - set(given)), sorted(set(given) - set(self.sizes))
            raise _refuse(
                "observations",
                f"the terms of {config.name}: {list(self.sizes)}",
                f"missing {missing}, unknown {more}",
                "complete the mapping",
            )

    def demonstration(self, name: str) -> Demonstration:
        """Read one."""
        group = self.data[name]
        parts = self.mapping.actions
        rotation = quat_to_euler(self._quaternion(group, parts.wrist_rotation, "actions.wrist_rotation"))
        position = self._values(group, parts.wrist_position, 3, "actions.wrist_position")
        joints = self._joints(group, parts.joints, "actions.joints")
        pieces = {"actions.wrist_position": position, "actions.wrist_rotation": rotation, "actions.joints": joints}
        obs = {term: self._term(group, term, size) for term, size in self.sizes.items()}
        steps = len(joints)
        for field, value in {**pieces, **{f"observations.{term}": value for term, value in obs.items()}}.items():
            if len(value) != steps:
                raise _refuse(f"{name}: {field}", f"{steps} rows as actions.joints has", len(value), "record it again")
        actions = np.concatenate(list(pieces.values()), axis=-1)
        self._check_limits(name, actions)
        return Demonstration(
            actions=actions,
            states=np.zeros((steps, 0)),
            sent=np.zeros((steps, 0)),
            success=self._success(group, steps),
            obs=obs,
            # The observation after the last action was not recorded: the last one stands for it.
            next_obs={term: np.concatenate([value[1:], value[-1:]]) for term, value in obs.items()},
            world=WorldDraw(None, None),
        )

    def _term(self, group: Any, term: str, size: int) -> Array:
        source, field = self.mapping.observations[term], f"observations.{term}"
        if term == "hand_joints":
            joints = self._joints(group, source, field)
            if source.unit == "normalised":
                return joints
            return 2.0 * (joints - self.table.lower) / (self.table.upper - self.table.lower) - 1.0
        if term.endswith("_quat"):
            return self._quaternion(group, source, field)
        return self._values(group, source, size, field)

    def _success(self, group: Any, steps: int) -> NDArray[np.bool_]:
        if self.mapping.success is None:
            return np.arange(steps) == steps - 1
        flags = self._dataset(group, self.mapping.success, "success")[()].ravel() > 0.5
        if len(flags) != steps:
            raise _refuse(
                f"{group.name}: success", f"{steps} rows as actions.joints has", len(flags), "record it again"
            )
        return flags

    def _dataset(self, group: Any, key: str, field: str) -> Any:
        if key not in group:
            raise _refuse(f"{group.name}: {field}", f"a dataset '{key}'", f"only {_keys(group)}", "correct the mapping")
        return group[key]

    def _array(self, group: Any, source: Source, columns: int, field: str) -> Array:
        dataset = self._dataset(group, source.key, field)
        if dataset.ndim == 1:
            dataset = dataset[()][:, None]
        if dataset.shape[1:] != (columns,):
            raise _refuse(
                f"{group.name}/{source.key} ({field})",
                f"shape (N, {columns})",
                tuple(dataset.shape),
                "name the right dataset in the mapping",
            )
        values = np.asarray(dataset[()], dtype=np.float64)
        if not np.isfinite(values).all():
            raise _refuse(
                f"{group.name}/{source.key} ({field})", "finite numbers", "nan or infinity", "record it again"
            )
        return values

    def _values(self, group: Any, source: Source, columns: int, field: str) -> Array:
        if source.unit is None or source.unit == "normalised":
            raise _refuse(field, "a unit: rad, deg, m or mm", source.unit, "state it in the mapping")
        return self._array(group, source, columns, field) * _FACTOR[source.unit]

    def _quaternion(self, group: Any, source: Source, field: str) -> Array:
        if source.quaternion is None:
            raise _refuse(field, "quaternion: wxyz or xyzw", "neither", "state the order in the mapping")
        values = self._array(group, source, 4, field)
        length = np.linalg.norm(values, axis=-1)
        if np.abs(length - 1.0).max() > 1e-2:
            worst = length[np.abs(length - 1.0).argmax()]
            raise _refuse(f"{group.name}/{source.key} ({field})", "unit quaternions", f"one of length {worst:.3g}", "")
        return quat_normalize(values if source.quaternion == "wxyz" else values[:, [3, 0, 1, 2]])

    def _joints(self, group: Any, source: Source, field: str) -> Array:
        """Hand joints (N, 22) in our order, matched by name; coupled ones that are missing follow their drivers."""
        if source.names is None:
            raise _refuse(
                field, "names: an attribute with the joints' names", None, "add it; joints are not matched by index"
            )
        if source.unit not in ("rad", "deg", "normalised"):
            raise _refuse(field, "unit: rad, deg or normalised", source.unit, "state it in the mapping")
        names = [source.rename.get(name, name) for name in self._names(group, source, field)]
        ours, coupled = self.table.joint_names, {row.joint for row in self.table.couplings}
        missing = [name for name in ours if name not in names and name not in coupled]
        unknown = [name for name in names if name not in ours]
        if missing or unknown or len(set(names)) != len(names):
            raise _refuse(
                f"{field}: joints of '{source.names}'",
                f"each of {list(ours)} once (the coupled {sorted(coupled)} may be missing)",
                f"missing {missing}, unknown {unknown}, {len(names)} in all",
                "give our names by the file's under 'rename'",
            )
        values = self._array(group, source, len(names), field) * _FACTOR[source.unit]
        if left_out := coupled - set(names):
            if source.unit == "normalised":
                raise _refuse(field, f"all joints, when they are normalised: {list(ours)}", f"without {left_out}", "")
            filled = np.zeros((len(values), len(ours)))
            filled[:, [ours.index(name) for name in names]] = values
            both = self.action.couple(filled)
            keep = [ours.index(name) for name in left_out]
            filled[:, keep] = both[:, keep]
            return filled
        return values[:, [names.index(name) for name in ours]]

    def _names(self, group: Any, source: Source, field: str) -> Sequence[str]:
        dataset = self._dataset(group, source.key, field)
        for place in (dataset.attrs, group.attrs, self.data.attrs):
            if source.names in place:
                value = place[source.names]
                if isinstance(value, str | bytes):
                    value = json.loads(value)
                return [name.decode() if isinstance(name, bytes) else str(name) for name in value]
        raise _refuse(
            f"{group.name}/{source.key} ({field})",
            f"an attribute '{source.names}' with the joints' names",
            sorted({*dataset.attrs, *group.attrs, *self.data.attrs}),
            "write the attribute into the file; joints are not matched by index",
        )

    def _check_limits(self, name: str, actions: Array) -> None:
        low, high = actions.min(axis=0), actions.max(axis=0)
        beyond = np.maximum(self.action.lower - low, high - self.action.upper)
        i = int(beyond.argmax())
        if beyond[i] > _ROOM:
            raise _refuse(
                f"{name}: action {self.action.names[i]}",
                f"{self.action.lower[i]:.3f} to {self.action.upper[i]:.3f}",
                f"{low[i]:.3f} to {high[i]:.3f}",
                "check unit, frame and joint names in the mapping (docs/compose_tasks.md says what each element is)",
            )


def _keys(group: Any) -> list[str]:
    found: list[str] = []
    group.visit(found.append)
    return found
