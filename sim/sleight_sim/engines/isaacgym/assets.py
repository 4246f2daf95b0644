"""What Isaac Gym's process needs to build the worlds: a folder of URDF and OBJ files, and a description in JSON."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sleight_core.hand import HandTable
from sleight_core.rotations import quat_to_matrix
from sleight_description.urdf import hand_urdf

from sleight_sim.engines.isaacgym.process.wire import VERSION
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.worlds.tabletop import TABLE_HEIGHT, TABLE_SIZE, PhysicsVariation

#: The wrist's joints from the world to the hand: name, URDF type, axis. `process.wrist` knows them by these names.
WRIST_CHAIN = (
    ("wrist_x", "prismatic", "1 0 0"),
    ("wrist_y", "prismatic", "0 1 0"),
    ("wrist_z", "prismatic", "0 0 1"),
    ("wrist_yaw", "continuous", "0 0 1"),
    ("wrist_pitch", "continuous", "0 1 0"),
    ("wrist_roll", "continuous", "1 0 0"),
)
#: Way of a slide, m; the safety limits end far before.
REACH = 10.0
#: Mass (kg) and inertia (kg m2) of the links between the wrist's joints: the importer wants some.
LINK_MASS, LINK_INERTIA = 0.01, 1e-5


def write_assets(folder: Path, table: HandTable, things: Sequence[ObjectSpec], masses: Sequence[float]) -> None:
    """Write ``hand.urdf`` and ``object_<k>.urdf`` with its pieces.

    Args:
        folder: Exists.
        table: A hand with a floating wrist.
        things: (V,) objects.
        masses: (V,) factor on each one's mass and inertia.
    """
    (folder / "hand.urdf").write_text(carried_hand(table), encoding="utf-8")
    for k, (thing, factor) in enumerate(zip(things, masses, strict=True)):
        for i, mesh in enumerate(thing.piece_meshes):
            mesh.export(folder / f"object_{k}_{i}.obj")
        (folder / f"object_{k}.urdf").write_text(object_urdf(thing, k, factor), encoding="utf-8")


def carried_hand(table: HandTable) -> str:
    """URDF of a hand behind the six joints of its wrist; the root link is "world", the task frame."""
    robot = ET.fromstring(hand_urdf(table).encode())
    parent = "world"
    ET.SubElement(robot, "link", name=parent)
    for k, (name, kind, axis) in enumerate(WRIST_CHAIN):
        child = table.root_body if k == len(WRIST_CHAIN) - 1 else f"{name}_link"
        if child != table.root_body:
            link = ET.SubElement(robot, "link", name=child)
            inertial = ET.SubElement(link, "inertial")
            ET.SubElement(inertial, "mass", value=str(LINK_MASS))
            moments = {key: str(LINK_INERTIA if key[1] == key[2] else 0.0) for key in _MOMENTS}
            ET.SubElement(inertial, "inertia", moments)
        joint = ET.SubElement(robot, "joint", name=name, type=kind)
        ET.SubElement(joint, "parent", link=parent)
        ET.SubElement(joint, "child", link=child)
        ET.SubElement(joint, "axis", xyz=axis)
        limits = {"effort": "10000.0", "velocity": "100.0"}
        if kind == "prismatic":
            limits |= {"lower": str(-REACH), "upper": str(REACH)}
        ET.SubElement(joint, "limit", limits)
        parent = child
    ET.indent(robot)
    return ET.tostring(robot, encoding="unicode")


_MOMENTS = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")


def object_urdf(thing: ObjectSpec, k: int, factor: float) -> str:
    """URDF of an object whose convex pieces are files beside it.

    Args:
        thing: The object.
        k: Its number among the variants.
        factor: On its mass and inertia.
    """
    robot = ET.Element("robot", name=f"object_{k}")
    link = ET.SubElement(robot, "link", name="object")
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz=" ".join(str(float(x)) for x in thing.com), rpy="0 0 0")
    ET.SubElement(inertial, "mass", value=str(float(thing.mass * factor)))
    turn = quat_to_matrix(np.asarray(thing.inertia_quat, dtype=float))
    full = factor * turn @ np.diag(thing.inertia) @ turn.T
    ET.SubElement(
        inertial, "inertia", {key: str(float(full["xyz".index(key[1]), "xyz".index(key[2])])) for key in _MOMENTS}
    )
    for i in range(len(thing.piece_meshes)):
        for element in ("visual", "collision"):
            geometry = ET.SubElement(ET.SubElement(link, element), "geometry")
            ET.SubElement(geometry, "mesh", filename=f"object_{k}_{i}.obj")
    ET.indent(robot)
    return ET.tostring(robot, encoding="unicode")


def describe_world(
    folder: Path,
    table: HandTable,
    things: Sequence[ObjectSpec],
    variations: Sequence[PhysicsVariation],
    variant: Sequence[int],
    *,
    control_period: float,
    substeps: int,
    device: str,
) -> dict[str, Any]:
    """The description that goes with the assets in `folder`; lengths m, angles rad, gains N m/rad and N m s/rad.

    Args:
        folder: Of the assets.
        table: The hand.
        things: (V,) object of each variant.
        variations: (V,) physics of each variant.
        variant: (B,) variant of each environment.
        control_period: s.
        substeps: Physics steps a control period.
        device: Of the simulation, "cuda:0" or "cpu".
    """
    ratios = {c.joint: (c.driver, c.driver_coefficient / c.coefficient) for c in table.couplings}
    joints = []
    for name in table.joint_names:
        joint, figures = table.joint(name), table.dynamics(name)
        # A coupled joint has no servo of its own; it follows the joint that drives it as stiffly.
        servo = table.dynamics(ratios[name][0]) if name in ratios else figures
        joints.append(
            {
                "name": name,
                "stiffness": servo.kp,
                "damping": figures.damping + (servo.kv or 0.0),
                "friction": figures.frictionloss,
                "armature": figures.armature,
                "effort": joint.effort,
                "velocity": joint.velocity,
            }
        )
    return {
        "version": VERSION,
        "num_envs": len(variant),
        "control_period": control_period,
        "substeps": substeps,
        "device": device,
        "asset_root": str(folder),
        "hand": {
            "file": "hand.urdf",
            "joints": joints,
            "actuated": list(table.actuated_joint_names),
            "couplings": [{"joint": j, "driver": driver, "ratio": ratio} for j, (driver, ratio) in ratios.items()],
            "distal_bodies": [finger.distal_body for finger in table.fingers.values()],
            "friction": table.friction,
        },
        "wrist": {
            "linear_gain": table.wrist.force / table.wrist.linear_speed,
            "angular_gain": table.wrist.torque / table.wrist.angular_speed,
        },
        "table": {"size": TABLE_SIZE, "height": TABLE_HEIGHT, "friction": 1.0},
        "variants": [
            {
                "file": f"object_{k}.urdf",
                "friction": thing.friction * variation.friction,
                "stiffness": variation.stiffness,
                "damping": variation.damping,
                "wrist_gain": variation.wrist_gain,
            }
            for k, (thing, variation) in enumerate(zip(things, variations, strict=True))
        ],
        "variant": [int(k) for k in variant],
    }
