"""A hand on an arm: where the arm stands, how the hand is mounted, and both as one table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError, model_validator

from sleight_core.arm.table import ArmTable, Pose, _Row
from sleight_core.errors import SleightError
from sleight_core.hand.table import HandTable, Wrist, read_table
from sleight_core.rotations import quat_multiply, quat_rotate


class RobotTable(_Row):
    """What makes a robot of a hand and an arm.

    Attributes:
        hand: Name of the hand table.
        arm: Name of the arm table.
        base: The arm's base link in the task frame.
        mount: The hand's root body in the arm's tool frame.
        postures: Postures of the arm; "ready" is where a task starts from: palm down over the table's centre.
        self_collisions: Pairs of shapes of hand and arm that must not meet, beside those within each.
        wrist: Bounds of the wrist's motion; None: the hand table's.
    """

    name: str
    title: str
    hand: str
    arm: str
    base: Pose
    mount: Pose
    postures: dict[str, dict[str, float]]
    self_collisions: tuple[tuple[str, str], ...] = ()
    wrist: Wrist | None = None

    @model_validator(mode="after")
    def _consistent(self) -> RobotTable:
        if "ready" not in self.postures:
            raise ValueError("postures need one named 'ready'")
        return self

    @classmethod
    def from_yaml(cls, path: Path | str) -> RobotTable:
        """Read a table.

        Raises:
            SleightError: The file is missing, is no YAML, or does not satisfy the schema.
        """
        return read_table(cls, path, "robot table")


@dataclass(frozen=True)
class Robot:
    """A hand on an arm.

    Attributes:
        name: Name of the robot.
        spec: Where the arm stands and how the hand is mounted.
        hand: The hand's own table (`wrist_mode` "floating").
        arm: The arm's own table.
        table: Both as one table (`wrist_mode` "arm"): finger joints, then the arm's. Tasks, bundles and safety use it.
    """

    name: str
    spec: RobotTable
    hand: HandTable
    arm: ArmTable
    table: HandTable

    def arm_posture(self, name: str = "ready") -> np.ndarray:
        """A named posture of the arm's joints, (N,) rad, in the order of `table.arm_joints`.

        Raises:
            SleightError: There is no such posture.
        """
        if name not in self.spec.postures:
            raise SleightError(
                f"robot '{self.name}' has no arm posture", value=name, remedy=f"it has {sorted(self.spec.postures)}"
            )
        return np.array([self.spec.postures[name].get(joint, 0.0) for joint in self.arm.joint_names])


def combine(spec: RobotTable, hand: HandTable, arm: ArmTable) -> Robot:
    """Put a hand on an arm.

    The one table has the arm's links from the task frame on, the hand's root body on the tool frame, the finger joints
    and then the arm's. Its postures are the hand's, each with the arm's "ready", and the arm's, with the fingers at 0.

    Raises:
        SleightError: The tables do not fit: names that both use, unknown joints in a posture, a hand that is on an arm.
    """
    if spec.hand != hand.name or spec.arm != arm.name or hand.wrist_mode != "floating":
        raise SleightError(
            f"robot '{spec.name}' is made of '{spec.hand}' and '{spec.arm}'", value=[hand.name, arm.name]
        )
    for posture, values in spec.postures.items():
        if unknown := sorted(set(values) - set(arm.joint_names)):
            raise SleightError(
                f"robot '{spec.name}', posture '{posture}': unknown joints", value=unknown, remedy=f"{arm.joint_names}"
            )
    bodies = []
    for row in arm.bodies:
        pose = {"pos": spec.base.pos, "quat": _unit(spec.base.quat)} if row.name == arm.base_body else {}
        bodies.append(row.model_copy(update=pose))
    for row in hand.bodies:
        if row.name == hand.root_body:
            pos, quat = _compose(arm.tool, spec.mount)
            row = row.model_copy(update={"parent": arm.tool.body, "pos": pos, "quat": quat})
        bodies.append(row)
    ready = spec.postures["ready"]
    postures = {name: {**values, **ready} for name, values in hand.postures.items()}
    for name, values in spec.postures.items():
        if name in postures:
            raise SleightError(f"robot '{spec.name}': hand and arm both have a posture", value=name)
        postures[name] = dict(values)
    data = hand.model_dump()
    data.update(
        name=spec.name,
        title=spec.title,
        wrist_mode="arm",
        bodies=[row.model_dump() for row in bodies],
        arm_joints=arm.joint_names,
        self_collisions=(*hand.self_collisions, *arm.self_collisions, *spec.self_collisions),
        postures=postures,
        wrist=(spec.wrist or hand.wrist).model_dump(),
    )
    try:
        table = HandTable.model_validate(data)
    except ValidationError as error:
        raise SleightError(f"robot '{spec.name}': hand and arm do not fit: {error.errors()[0]['msg']}") from error
    return Robot(spec.name, spec, hand, arm, table)


def _compose(a: Pose, b: Pose) -> tuple[tuple[float, ...], tuple[float, ...]]:
    turn = np.asarray(_unit(a.quat))
    pos = np.asarray(a.pos) + quat_rotate(turn, np.asarray(b.pos, dtype=float))
    return tuple(map(float, pos)), tuple(map(float, quat_multiply(turn, np.asarray(_unit(b.quat)))))


def _unit(quat: tuple[float, ...]) -> tuple[float, ...]:
    q = np.asarray(quat, dtype=float)
    return tuple(map(float, q / np.linalg.norm(q)))
