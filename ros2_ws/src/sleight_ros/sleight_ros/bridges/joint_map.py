"""Between our joints and a robot's: other names, other directions, other zeros, and one motor for two joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.safety import JointLimits

from sleight_ros.bridges.section import Section, nearest, parse

Array = NDArray[np.float64]
MAPS = Path(__file__).parent / "maps"
#: How far a mapped limit may lie beyond the robot's: degrees written as radians differ in the fourth digit.
LIMIT_TOLERANCE = 2e-3


class JointRow(Section):
    """The robot's joint of one of ours: theirs = sign * ours + offset; limits in rad, None where unknown."""

    name: str
    sign: Literal[-1, 1] = 1
    offset: float = 0.0
    lower: float | None = None
    upper: float | None = None


class TendonRow(Section):
    """Two of our joints that one motor bends: its command is the sum of the robot's two angles."""

    middle: str
    distal: str


class MapFile(Section):
    """A robot's joints by our names of them.

    Attributes:
        joints: Our joint -> the robot's.
        tendons: The robot's name of the sum -> our two joints.
        others: Joints that only the robot has.
    """

    joints: dict[str, JointRow]
    tendons: dict[str, TendonRow] = {}
    others: tuple[str, ...] = ()


class MapSection(Section):
    """How a part of a profile says which joint is which.

    Attributes:
        map: A shipped map (``shadow_e3m5``) or a YAML file; empty: the robot's names are ours.
        prefix: Put before each of the robot's names (``rh_``).
        names: Our joint -> the robot's, in place of the map's.
        reversed: Our joints that the robot counts the other way round, in place of the map's.
        offsets: Our joint -> the robot's angle where ours is 0, rad.
        tendons: Whether joints on one tendon are commanded by their "sums" (one motor) or as "joints".
    """

    map: str = ""
    prefix: str = ""
    names: dict[str, str] = {}
    reversed: tuple[str, ...] = ()
    offsets: dict[str, float] = Field(default_factory=dict)
    tendons: Literal["joints", "sums"] = "joints"


@dataclass(frozen=True)
class Tendon:
    """A tendon of a hand.

    Attributes:
        name: The robot's name of the sum of both angles.
        middle, distal: Our joints.
        ratio: Angle of the distal joint for each rad of the middle one, at most 1.
    """

    name: str
    middle: str
    distal: str
    ratio: float


def load_map(name: str) -> MapFile:
    """Read a map.

    Args:
        name: A shipped one, or a YAML file.

    Raises:
        SleightError: There is none, or it is not valid.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else MAPS / f"{name}.yaml"
    if not path.is_file():
        known = [found.stem for found in MAPS.glob("*.yaml")]
        raise SleightError("no such joint map", value=name, remedy=f"{nearest(name, known)}, or give a .yaml file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SleightError("joint map cannot be read", value=path, remedy=" ".join(str(error).split())) from error
    return parse(MapFile, content, path.name, "joint map")


class JointMap:
    """Between some of a hand's joints and the robot's names and angles of them.

    Args:
        table: The hand.
        section: What the profile says.
        where: Name of the profile's section, for messages.

    Raises:
        SleightError: A name is unknown or used twice.
    """

    def __init__(self, table: HandTable, section: MapSection, where: str = "joints") -> None:
        self._table, self._where = table, where
        file = (
            load_map(section.map) if section.map else MapFile(joints={n: JointRow(name=n) for n in table.joint_names})
        )
        for key, names in (("names", section.names), ("reversed", section.reversed), ("offsets", section.offsets)):
            for name in names:
                if name not in table.joint_names:
                    remedy = nearest(name, table.joint_names)
                    raise SleightError(
                        f"parameter '{where}.{key}': no joint of '{table.name}'", value=name, remedy=remedy
                    )
        rows = {}
        for ours in table.joint_names:
            row = file.joints.get(ours)
            if row is None:
                continue
            changes: dict[str, object] = {"name": section.names.get(ours, section.prefix + row.name)}
            if section.reversed:
                changes["sign"] = -1 if ours in section.reversed else 1
            changes["offset"] = section.offsets.get(ours, row.offset)
            rows[ours] = row.model_copy(update=changes)
        self.rows: Mapping[str, JointRow] = rows
        used = [row.name for row in rows.values()]
        if twice := sorted({name for name in used if used.count(name) > 1}):
            raise SleightError(f"parameter '{where}': two joints have one name", value=", ".join(twice))
        couplings = {(c.joint, c.driver): c.driver_coefficient / c.coefficient for c in table.couplings}
        self.tendons = tuple(
            Tendon(section.prefix + name, t.middle, t.distal, min(1.0, couplings.get((t.distal, t.middle), 1.0)))
            for name, t in file.tendons.items()
        )
        self.others = tuple(section.prefix + name for name in file.others)
        self.by_sums = section.tendons == "sums"
        if self.by_sums and not self.tendons:
            raise SleightError(f"parameter '{where}.tendons': the map '{section.map}' has no tendons", value="sums")

    def commands(self, joints: Sequence[str]) -> CommandMap:
        """The way from some of our actuated joints to what the robot is commanded.

        Raises:
            SleightError: The map lacks one of them.
        """
        for name in joints:
            if name not in self.rows:
                raise SleightError(f"parameter '{self._where}': the map has no joint", value=name)
        return CommandMap(self, tuple(joints))

    @cached_property
    def state_names(self) -> tuple[str, ...]:
        """Names that the robot's joint states must have."""
        return tuple(row.name for row in self.rows.values())


class CommandMap:
    """From our targets to the robot's: one affine map.

    Args:
        joints: The whole map.
        ours: The actuated joints commanded here, in this order.

    Attributes:
        ours: As given.
        theirs: Names of the robot's commands.
        lower, upper: The robot's limits of each command, rad; infinite where unknown.
    """

    def __init__(self, joints: JointMap, ours: tuple[str, ...]) -> None:
        self.ours = ours
        rows: list[tuple[str, dict[str, float], float, float, float]] = []
        tendons = {tendon.middle: tendon for tendon in joints.tendons}
        for name in ours:
            own, tendon = joints.rows[name], tendons.get(name)
            low, high = _bounds(own)
            if tendon is None:
                rows.append((own.name, {name: float(own.sign)}, own.offset, low, high))
                continue
            other = joints.rows[tendon.distal]
            distal = other.sign * tendon.ratio
            if joints.by_sums:
                both = {name: own.sign + distal}
                rows.append(
                    (tendon.name, both, own.offset + other.offset, low + _bounds(other)[0], high + _bounds(other)[1])
                )
            else:
                rows.append((own.name, {name: float(own.sign)}, own.offset, low, high))
                rows.append((other.name, {name: distal}, other.offset, *_bounds(other)))
        self.theirs = tuple(row[0] for row in rows)
        self.lower, self.upper = np.array([row[3] for row in rows]), np.array([row[4] for row in rows])
        self._matrix = np.array([[row[1].get(name, 0.0) for name in ours] for row in rows]).reshape(
            len(rows), len(ours)
        )
        self._offset = np.array([row[2] for row in rows])
        # Least squares in closed form, and exact for plain joints: each of the robot's depends on one of ours.
        self._inverse = (self._matrix / (self._matrix**2).sum(axis=0)).T

    def encode(self, positions: Array) -> Array:
        """The robot's targets (T,) of our targets (A,), rad."""
        return self._matrix @ positions + self._offset

    def decode(self, theirs: Array) -> Array:
        """Our targets (A,) of the robot's (T,): exact for what `encode` makes, else the nearest."""
        return self._inverse @ (theirs - self._offset)

    def check_limits(self, limits: JointLimits, where: str) -> None:
        """Refuse a map that takes targets inside our limits outside the robot's.

        Raises:
            SleightError: Names the joint and both ranges.
        """
        index = [limits.names.index(name) for name in self.ours]
        ends = np.stack([self._matrix * limits.lower[index], self._matrix * limits.upper[index]])
        low = ends.min(axis=0).sum(axis=1) + self._offset
        high = ends.max(axis=0).sum(axis=1) + self._offset
        outside = (low < self.lower - LIMIT_TOLERANCE) | (high > self.upper + LIMIT_TOLERANCE)
        if outside.any():
            k = int(np.argmax(outside))
            raise SleightError(
                f"parameter '{where}': the robot's joint '{self.theirs[k]}' allows {self.lower[k]:.4f} to "
                f"{self.upper[k]:.4f} rad, our limits ask for",
                value=f"{low[k]:.4f} to {high[k]:.4f} rad",
                remedy="correct 'reversed', 'offsets' or the map, or raise 'margin'",
            )


def _bounds(row: JointRow) -> tuple[float, float]:
    return (-np.inf if row.lower is None else row.lower), (np.inf if row.upper is None else row.upper)
