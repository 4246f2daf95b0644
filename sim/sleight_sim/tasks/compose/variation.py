"""What differs between environments (physics) and between episodes (places), drawn from a task's ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.rotations import quat_multiply, yaw_quat

from sleight_sim.tasks.compose.action import euler_to_quat
from sleight_sim.tasks.compose.config import ComposeTaskConfig, MechanismConfig, ObjectConfig
from sleight_sim.tasks.compose.shapes import ShapeDraw
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

Array = NDArray[np.float64]

#: A stick lies: its axis along x, across the fingers.
_LYING = np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0])


@dataclass(frozen=True)
class ObjectDraw:
    """One environment's object: see `ObjectConfig` for the fields' meaning and units."""

    kind: str
    radius: float
    half_length: float
    density: float
    friction: float

    @property
    def rest_height(self) -> float:
        """Height of the object's origin over the table at rest (m)."""
        return self.half_length if self.kind in ("can", "mug") else self.radius


@dataclass(frozen=True)
class MechanismDraw:
    """One environment's mechanism: see `MechanismConfig` for the fields' meaning and units."""

    kind: str
    size: float
    travel: float
    stiffness: float
    damping: float
    friction_loss: float
    snap: float
    friction: float


@dataclass(frozen=True)
class WorldDraw:
    """One environment's world: an object, a mechanism, or both (a composition).

    Attributes:
        thing: The object.
        mechanism: The mechanism.
        further: More mechanisms on the same table: what the later skills of a sequence act on.
    """

    thing: ObjectDraw | ShapeDraw | None
    mechanism: MechanismDraw | None
    further: tuple[MechanismDraw, ...] = ()

    @classmethod
    def of(cls, thing: ObjectDraw | ShapeDraw | None, mechanisms: Sequence[MechanismDraw]) -> WorldDraw:
        """The world of an object and some mechanisms, in their order."""
        return cls(thing, next(iter(mechanisms), None), tuple(mechanisms[1:]))

    @property
    def mechanisms(self) -> tuple[MechanismDraw, ...]:
        """All mechanisms, in their order."""
        return (() if self.mechanism is None else (self.mechanism,)) + self.further


@dataclass(frozen=True)
class StartDraw:
    """Starts of n episodes, task frame.

    Attributes:
        wrist_pos, wrist_quat: (n, 3) m, (n, 4) wxyz.
        place_pos, place_quat: (n, 3) m, (n, 4) wxyz: pose of the object, or of the mechanism's base.
    """

    wrist_pos: Array
    wrist_quat: Array
    place_pos: Array
    place_quat: Array


def draw_world(config: ComposeTaskConfig, rng: np.random.Generator) -> WorldDraw:
    """Draw one environment's physics, uniformly in each range; a given shape is left to who gives it."""
    thing = mechanism = None
    if isinstance(config.object, ObjectConfig):
        thing = ObjectDraw(config.object.kind, **_draw(config.object, rng))
    if config.mechanism is not None:
        mechanism = MechanismDraw(config.mechanism.kind, **_draw(config.mechanism, rng))
    return WorldDraw(thing, mechanism)


def _draw(config: ObjectConfig | MechanismConfig, rng: np.random.Generator) -> dict[str, float]:
    ranges = {name: value for name, value in config if name != "kind"}
    return {name: float(rng.uniform(*value)) for name, value in ranges.items()}


def draw_starts(config: ComposeTaskConfig, rest: Array, rng: np.random.Generator) -> StartDraw:
    """Draw where n episodes start.

    Args:
        config: The task.
        rest: (n,) height of each object's origin at rest over the table (m); 0 for a mechanism, which stands on it.
        rng: Source.
    """
    start, n = config.start, len(rest)
    low, high = (np.asarray(corner) for corner in start.wrist_pos)
    euler = np.tile(np.asarray(start.wrist_euler), (n, 1))
    euler[:, 0] += rng.uniform(-start.wrist_turn, start.wrist_turn, n)
    place = np.stack([rng.uniform(*start.x, n), rng.uniform(*start.y, n), TABLE_HEIGHT + rest], axis=-1)
    quat = yaw_quat(rng.uniform(*start.yaw, n))
    if config.object is not None and config.object.kind == "stick":
        quat = quat_multiply(quat, np.broadcast_to(_LYING, quat.shape))
    return StartDraw(rng.uniform(low, high, (n, 3)), euler_to_quat(euler), place, quat)
