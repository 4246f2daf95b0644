"""The held-state library of a skill, and its file: plain arrays in a .npz, without pickle, with a digest.

A state is complete: restored (see `restore`), a world goes on to the bit as it would have. Worlds are rebuilt from
their draws, so that the file needs no models. Where a grasp policy has picked up given shapes, the file holds these too
and does not depend on a mesh file that may change or be somewhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from sleight_core.errors import SleightError
from sleight_sim.objects.cache import read_arrays, write_arrays
from sleight_sim.objects.packing import object_digest, pack_objects, unpack_objects
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.engine import HandObjectState
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.compose.shapes import ShapeDraw
from sleight_sim.tasks.compose.variation import ObjectDraw

from sleight_training.compose.held.config import HeldConfig

Array = NDArray[np.float64]
Draw = ObjectDraw | ShapeDraw
FORMAT = "sleight-held-1"
_META = "meta"
#: Before the names of the arrays that given shapes are packed into.
_SHAPES = "shape_"
#: Arrays of the file and the lengths of their rows; None: as the hand or the world has it.
_COLUMNS: dict[str, int | None] = {
    "qpos": None, "qvel": None, "ctrl": None, "warmstart": None, "targets": None, "twist": 6, "hold": None,
    "joint_pos": None, "palm_pos": 3, "palm_quat": 4, "contact": None,
}  # fmt: skip
#: What the description says of a given shape, besides its kind.
_SHAPE_FIELDS = {"name": str, "digest": str, "slots": int}


class HeldMeta(BaseModel):
    """What a library is of.

    Attributes:
        format: Of the file.
        task: The task as it was.
        hand, hand_digest: The hand table.
        fingers: The hand's, in its order.
        source: Which skill played, for instance "scripted".
        config: How it was collected.
        draws: The objects; of given shapes name, digest and slots (see `ShapeDraw`).
        rounds: Rounds that were played.
        played: Episodes that were played.
        complete: Whether all states were found.
        mujoco: Version of the physics.
    """

    model_config = ConfigDict(extra="forbid")

    format: str
    task: ComposeTaskConfig
    hand: str
    hand_digest: str
    fingers: tuple[str, ...]
    source: str
    config: HeldConfig
    draws: list[dict[str, Any]]
    rounds: int
    played: int
    complete: bool
    mujoco: str


@dataclass(frozen=True)
class HeldLibrary:
    """N held states of a skill, over W objects.

    Attributes:
        meta: What they are of.
        draws: The W objects.
        world: (N,) which object a state is of.
        qpos, qvel, ctrl, warmstart: (N, ..) physics state (see `HandObjectState`).
        targets: (N, A) rad, joint targets last sent, in action order; commands are rate-limited from there.
        twist: (N, 6) m/s and rad/s, wrist twist last sent.
        hold: (N, 28) the reference hold action (see `ComposeAction`).
        joint_pos: (N, 22) rad, the hand's configuration, in the hand table's order.
        palm_pos, palm_quat: (N, 3) m and (N, 4) wxyz, the object's pose in the palm's frame (see `palm_pose`).
        contact: (N, F) N, net contact force of each finger on the object.
    """

    meta: HeldMeta
    draws: tuple[Draw, ...]
    world: NDArray[np.int64]
    qpos: Array
    qvel: Array
    ctrl: Array
    warmstart: Array
    targets: Array
    twist: Array
    hold: Array
    joint_pos: Array
    palm_pos: Array
    palm_quat: Array
    contact: Array

    def __len__(self) -> int:
        return len(self.world)

    @property
    def task(self) -> ComposeTaskConfig:
        """The skill's task."""
        return self.meta.task

    @property
    def wrist_pos(self) -> Array:
        """(N, 3) m, the hand's root in the task frame."""
        return self.qpos[:, :3]

    @property
    def wrist_quat(self) -> Array:
        """(N, 4) wxyz, task frame."""
        return self.qpos[:, 3:7]

    @property
    def object_pos(self) -> Array:
        """(N, 3) m, task frame."""
        return self.qpos[:, -7:-4]

    @property
    def object_quat(self) -> Array:
        """(N, 4) wxyz, task frame."""
        return self.qpos[:, -4:]

    def state(self, rows: NDArray[np.integer]) -> HandObjectState:
        """Physics states of some rows (n,)."""
        return HandObjectState(self.qpos[rows], self.qvel[rows], self.ctrl[rows], self.warmstart[rows])

    def rows_of(self, world: int) -> NDArray[np.int64]:
        """States of an object."""
        return np.flatnonzero(self.world == world)

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw rows (count,) uniformly, with replacement (paper B.4)."""
        return rng.integers(len(self), size=count)


def join_states(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Put the arrays of several collections after each other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in ("world", *_COLUMNS)}


def write_library(path: Path | str, library: HeldLibrary) -> None:
    """Write a library; a reader sees the old file or the new one.

    Raises:
        SleightError: The file cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {name: getattr(library, name) for name in ("world", *_COLUMNS)}
    arrays[_META] = np.array(library.meta.model_dump_json())
    if shapes := [draw.spec for draw in library.draws if isinstance(draw, ShapeDraw)]:
        arrays |= {_SHAPES + name: rows for name, rows in pack_objects(shapes).items()}
    try:
        write_arrays(Path(path), arrays)
    except OSError as error:
        raise SleightError("the held states cannot be written", value=f"{path}: {error}") from error


def read_library(path: Path | str, *, partial: bool = False) -> HeldLibrary:
    """Read what `write_library` wrote.

    Args:
        path: The file.
        partial: Also one whose collection is not finished.

    Raises:
        SleightError: The file is missing, damaged, of another format, or of another hand, or does not hold what its own
            description says.
    """
    path = Path(path)
    if not path.is_file():
        raise SleightError("there are no held states here", value=path, remedy="run: sleight compose held collect")
    arrays = read_arrays(path)
    if arrays is None:
        raise SleightError(
            "the held states are damaged, or are no held states", value=path, remedy="collect or copy them again"
        )
    meta = _read_meta(path, arrays.pop(_META, None))
    if not (meta.complete or partial):
        raise SleightError(
            f"the collection of held states is not finished: {len(arrays.get('world', ()))} of {meta.config.count}",
            value=path,
            remedy="run the same 'sleight compose held collect' with --resume",
        )
    shapes = {name: arrays.pop(name) for name in list(arrays) if name.startswith(_SHAPES)}
    _check_arrays(path, meta, arrays)
    return library_of(meta, arrays, _read_shapes(path, meta, shapes) if shapes or _of_shapes(meta) else None)


def library_of(meta: HeldMeta, arrays: dict[str, NDArray[Any]], draws: Sequence[Draw] | None = None) -> HeldLibrary:
    """Put a library together from its parts; without draws, its objects are those of the description."""
    made = [ObjectDraw(**draw) for draw in meta.draws] if draws is None else draws
    return HeldLibrary(meta, tuple(made), **arrays)


def new_meta(task: ComposeTaskConfig, source: str, config: HeldConfig, draws: Sequence[Draw]) -> HeldMeta:
    """Description of a library in which nothing is yet."""
    table = compose_hand(task)
    return HeldMeta(
        format=FORMAT, task=task, hand=table.name, hand_digest=table.digest(), fingers=table.finger_names,
        source=source, config=config,
        draws=[_draw_row(draw) for draw in draws], rounds=0, played=0, complete=False, mujoco=mujoco.__version__,
    )  # fmt: skip


def _draw_row(draw: Draw) -> dict[str, Any]:
    """What the description says of an object."""
    if isinstance(draw, ShapeDraw):
        return {name: getattr(draw, name) for name in ("kind", *_SHAPE_FIELDS)}
    return asdict(draw)


def _kind(row: dict[str, Any]) -> str:
    """The kind of an object of the description.

    Raises:
        TypeError: It has other fields than its kind.
    """
    if row.get("kind") != "shape":
        return ObjectDraw(**row).kind
    if {name: type(value) for name, value in row.items()} != {"kind": str, **_SHAPE_FIELDS}:
        raise TypeError(f"fields {sorted(row)} of a shape")
    return "shape"


def _of_shapes(meta: HeldMeta) -> bool:
    return any(row.get("kind") == "shape" for row in meta.draws)


def _read_shapes(path: Path, meta: HeldMeta, arrays: dict[str, NDArray[Any]]) -> list[ShapeDraw]:
    """The given shapes of a file, each verified against its digest.

    Raises:
        SleightError: They are missing, or not those that the states were taken with.
    """
    names = [str(row.get("name")) for row in meta.draws]
    found = unpack_objects({name.removeprefix(_SHAPES): rows for name, rows in arrays.items()}, names)
    if found is None:
        raise SleightError("the file does not hold the objects of its held states", value=path, remedy="copy it again")
    draws = []
    for row, thing in zip(meta.draws, found, strict=True):
        if object_digest(thing) != row["digest"]:
            raise SleightError(
                f"object '{thing.name}' is not the one that its held states were taken with",
                value=path,
                remedy="collect them again",
            )
        draws.append(ShapeDraw(thing.name, row["digest"], row["slots"], thing))
    return draws


def _read_meta(path: Path, text: NDArray[Any] | None) -> HeldMeta:
    try:
        data = json.loads(str(text))
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            raise SleightError(f"the held states are of another format: {found}", value=path, remedy=f"need {FORMAT}")
        meta = HeldMeta.model_validate(data)
        kinds = {_kind(draw) for draw in meta.draws}
        digest = compose_hand(meta.task).digest()
    except (ValueError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise SleightError("the description of the held states cannot be read", value=f"{path}: {reason}") from error
    if meta.task.object is None or kinds != {meta.task.object.kind}:
        raise SleightError("the held states are of another object than their task's", value=f"{path}: {meta.task.name}")
    if digest != meta.hand_digest:
        raise SleightError(
            "the held states are of another hand table",
            value=f"{path}: {meta.hand} {meta.hand_digest[:12]}, here {digest[:12]}",
            remedy="collect them again",
        )
    return meta


def _check_arrays(path: Path, meta: HeldMeta, arrays: dict[str, NDArray[Any]]) -> None:
    def refuse(what: str) -> SleightError:
        return SleightError("the held states do not fit their description", value=f"{path}: {what}")

    if set(arrays) != {"world", *_COLUMNS}:
        raise refuse(f"arrays {sorted(set(arrays) ^ {'world', *_COLUMNS})}")
    table = compose_hand(meta.task)
    motors, joints = len(table.actuated_joint_names), len(table.joint_names)
    # Positions and velocities of the wrist's and the object's free joints, and of the hand's hinges.
    lengths = _COLUMNS | {
        "qpos": joints + 14, "qvel": joints + 12, "warmstart": joints + 12, "ctrl": motors + 6, "targets": motors,
        "hold": joints + 6, "joint_pos": joints, "contact": len(table.fingers),
    }  # fmt: skip
    world = arrays["world"]
    count = len(world) if world.ndim == 1 else -1
    if world.dtype != np.int64 or count < 1 or world.min() < 0 or world.max() >= len(meta.draws):
        raise refuse(f"'world' {world.dtype} {world.shape}, for {len(meta.draws)} objects")
    if meta.complete and count != meta.config.count:
        raise refuse(f"{count} states, not {meta.config.count}")
    for name, length in lengths.items():
        array = arrays[name]
        if array.dtype != np.float64 or array.shape != (count, length):
            raise refuse(f"'{name}' {array.dtype} {array.shape}, not float64 {(count, length)}")
        if not np.isfinite(array).all():
            raise refuse(f"'{name}' has numbers that are not finite")
