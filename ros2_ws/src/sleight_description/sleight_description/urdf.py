"""URDF of a hand, alone or on an arm, made from its table."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import numpy as np
from sleight_core.hand import HandTable
from sleight_core.hand.table import Body, Collision, Quat
from sleight_core.rotations import quat_rotate, quat_to_euler_xyz, quat_to_matrix


def hand_urdf(table: HandTable, *, prefix: str = "", mimic: bool = False) -> str:
    """Return a hand's URDF.

    Args:
        table: The hand. On a floating wrist its root body becomes the root link; on an arm the root link is "world",
            the task frame.
        prefix: Put before every link and joint name.
        mimic: State coupled joints as mimic joints (exact ratio); else they are independent, as in `joint_states`.

    Returns:
        XML text; lengths m, masses kg, angles rad.
    """
    robot = ET.Element("robot", name=table.name)
    ratios = {c.joint: (c.driver, c.driver_coefficient / c.coefficient) for c in table.couplings}
    if table.wrist_mode == "arm":
        ET.SubElement(robot, "link", name=prefix + "world")
    for row in table.bodies:
        _add_link(robot, row, prefix)
        if row.name == table.root_body and table.wrist_mode == "floating":
            continue
        kind = "revolute" if row.joint else "fixed"
        name = row.joint.name if row.joint else f"{row.name}_fixed"
        joint = ET.SubElement(robot, "joint", name=prefix + name, type=kind)
        ET.SubElement(joint, "parent", link=prefix + row.parent)
        ET.SubElement(joint, "child", link=prefix + row.name)
        _add_origin(joint, row.pos, row.quat)
        if row.joint:
            ET.SubElement(joint, "axis", xyz=_numbers(np.asarray(row.joint.axis) / np.linalg.norm(row.joint.axis)))
            ET.SubElement(
                joint,
                "limit",
                lower=_number(row.joint.lower),
                upper=_number(row.joint.upper),
                velocity=_number(row.joint.velocity),
                effort=_number(row.joint.effort),
            )
            passive = table.dynamics(row.joint.name)
            ET.SubElement(joint, "dynamics", damping=_number(passive.damping), friction=_number(passive.frictionloss))
            if mimic and row.joint.name in ratios:
                driver, ratio = ratios[row.joint.name]
                ET.SubElement(joint, "mimic", joint=prefix + driver, multiplier=_number(ratio), offset="0")
    for name, finger in table.fingers.items():
        _add_frame(robot, f"{prefix}{name}_tip", prefix + finger.distal_body, finger.tip)
    _add_frame(robot, f"{prefix}grasp_center", prefix + table.grasp_center.body, table.grasp_center.offset)
    ET.indent(robot)
    return '<?xml version="1.0"?>\n' + ET.tostring(robot, encoding="unicode") + "\n"


def _add_link(robot: ET.Element, row: Body, prefix: str) -> None:
    link = ET.SubElement(robot, "link", name=prefix + row.name)
    inertial = ET.SubElement(link, "inertial")
    _add_origin(inertial, row.inertial.com, (1.0, 0.0, 0.0, 0.0))
    ET.SubElement(inertial, "mass", value=_number(row.inertial.mass))
    quat = np.asarray(row.inertial.quat) / np.linalg.norm(row.inertial.quat)
    turn = quat_to_matrix(quat)
    full = turn @ np.diag(row.inertial.diag) @ turn.T
    index = {"ixx": (0, 0), "ixy": (0, 1), "ixz": (0, 2), "iyy": (1, 1), "iyz": (1, 2), "izz": (2, 2)}
    ET.SubElement(inertial, "inertia", {key: _number(full[at]) for key, at in index.items()})
    for shape in row.collisions:
        for element in ("visual", "collision"):
            _add_shape(link, element, shape)


def _add_shape(link: ET.Element, element: str, shape: Collision) -> None:
    """Add a shape; URDF has no capsule, so one becomes a cylinder with two spheres."""

    def add(suffix: str, pos: np.ndarray, kind: str, **size: str) -> None:
        item = ET.SubElement(link, element, name=shape.name + suffix)
        _add_origin(item, pos, shape.quat)
        ET.SubElement(ET.SubElement(item, "geometry"), kind, size)

    centre = np.asarray(shape.pos, dtype=float)
    if shape.type == "box":
        add("", centre, "box", size=_numbers(2.0 * np.asarray(shape.size)))
    elif shape.type == "sphere":
        add("", centre, "sphere", radius=_number(shape.size[0]))
    else:
        radius, half = shape.size
        axis = quat_rotate(np.asarray(shape.quat, dtype=float), np.array([0.0, 0.0, half]))
        add("", centre, "cylinder", radius=_number(radius), length=_number(2.0 * half))
        add("_top", centre + axis, "sphere", radius=_number(radius))
        add("_bottom", centre - axis, "sphere", radius=_number(radius))


def _add_frame(robot: ET.Element, name: str, parent: str, offset: tuple[float, float, float]) -> None:
    ET.SubElement(robot, "link", name=name)
    joint = ET.SubElement(robot, "joint", name=f"{name}_fixed", type="fixed")
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=name)
    _add_origin(joint, offset, (1.0, 0.0, 0.0, 0.0))


def _add_origin(element: ET.Element, pos: tuple[float, ...] | np.ndarray, quat: Quat) -> None:
    unit = np.asarray(quat, dtype=float) / math.sqrt(sum(q * q for q in quat))
    ET.SubElement(element, "origin", xyz=_numbers(pos), rpy=_numbers(_rpy(unit)))


def _rpy(unit: np.ndarray) -> np.ndarray:
    """Roll, pitch, yaw (rad) of a unit quaternion, also where the pitch is a right angle: yaw is 0 there."""
    matrix = quat_to_matrix(unit)
    if abs(matrix[2, 0]) < 1.0 - 1e-12:
        return quat_to_euler_xyz(unit)
    up = -np.sign(matrix[2, 0])
    return np.array([math.atan2(up * matrix[0, 1], matrix[1, 1]), up * 0.5 * math.pi, 0.0])


def _numbers(values: tuple[float, ...] | np.ndarray) -> str:
    return " ".join(_number(value) for value in values)


def _number(value: float) -> str:
    return repr(float(value) + 0.0)
