"""Tables by name in a folder: ``hands/<name>/<name>.yaml``, and arms and robots alike.

`sleight_description` is such a folder. The command line reads it as data, without importing that package.
"""

from __future__ import annotations

from pathlib import Path

from sleight_core.arm.robot import Robot, RobotTable, combine
from sleight_core.arm.table import ArmTable
from sleight_core.errors import SleightError
from sleight_core.hand.table import HandTable


class Library:
    """The tables in a folder.

    Args:
        root: The folder that holds ``hands``, ``arms`` and ``robots``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def hand_names(self) -> list[str]:
        """Hands alone, on a floating wrist."""
        return self._names("hands")

    def arm_names(self) -> list[str]:
        """Arms alone."""
        return self._names("arms")

    def robot_names(self) -> list[str]:
        """Hands on arms."""
        return self._names("robots")

    def hand(self, name: str) -> HandTable:
        """Return the table of a hand, or of a robot's hand and arm together.

        Raises:
            SleightError: There is no such hand or robot, or its table is not valid.
        """
        if name in self.robot_names():
            return self.robot(name).table
        known = sorted(self.hand_names() + self.robot_names())
        return HandTable.read(self._path("hands", name, known, "hand"), self.hand)

    def arm(self, name: str) -> ArmTable:
        """Return an arm's table.

        Raises:
            SleightError: There is no such arm, or its table is not valid.
        """
        return ArmTable.from_yaml(self._path("arms", name, self.arm_names(), "arm"))

    def robot(self, name: str) -> Robot:
        """Return a hand on an arm.

        Raises:
            SleightError: There is no such robot, or a table is not valid.
        """
        spec = RobotTable.from_yaml(self._path("robots", name, self.robot_names(), "robot"))
        return combine(spec, self.hand(spec.hand), self.arm(spec.arm))

    def _names(self, kind: str) -> list[str]:
        return sorted(path.parent.name for path in (self.root / kind).glob("*/*.yaml") if path.stem == path.parent.name)

    def _path(self, kind: str, name: str, known: list[str], what: str) -> Path:
        if name not in known:
            raise SleightError(f"unknown {what}", value=name, remedy=f"choose one of {known}")
        return self.root / kind / name / f"{name}.yaml"
