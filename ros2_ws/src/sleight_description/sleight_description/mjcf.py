"""MuJoCo models of a hand, alone or on an arm, made from its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sleight_core.hand import HandTable
from sleight_core.hand.kinematics import center_of_mass
from sleight_core.hand.table import Collision

if TYPE_CHECKING:
    import mujoco

#: Collision bits: the hand meets the world (table, objects) but not itself, except for the table's explicit pairs.
HAND_CONTYPE, WORLD_CONTYPE = 1, 2

_SKIN, _PAD = (0.78, 0.78, 0.80, 1.0), (0.25, 0.27, 0.30, 1.0)


def add_hand(spec: mujoco.MjSpec, table: HandTable, prefix: str = "") -> mujoco.MjsBody:
    """Add a hand with its joints, tendons, servos and sensors to a spec.

    A floating wrist is a free joint driven by six velocity servos in the world's axes, acting at the hand's centre of
    mass. This is what the paper's bounded wrist force on a heavily damped hand amounts to (resdex_facts 1.3): gain
    force / linear_speed, so that a full command against a wall pushes with `wrist.force`, and the drag that resists a
    disturbance has no bound. Its actuators are named ``wrist_vx`` .. ``wrist_wz``.

    On an arm (`wrist_mode` "arm") the arm's links hang on the world where the table puts them, with a position servo a
    joint; gravity is compensated, as a real arm's controller does. There is no free joint and no wrist servo.

    Every joint with a motor has an actuator ``act_<joint>``. The site "wrist" is at the hand's centre of mass, in the
    root body. Sensors, for each finger: ``<finger>_force`` and ``<finger>_torque`` in the distal body's frame.

    Args:
        spec: The model under construction; angles in radians.
        table: The hand.
        prefix: Put before every name.

    Returns:
        The hand's root body.
    """
    import mujoco

    root = None
    bodies: dict[str, mujoco.MjsBody] = {"world": spec.worldbody}
    for row in table.bodies:
        body = bodies[row.parent].add_body(name=prefix + row.name, pos=row.pos, quat=row.quat)
        bodies[row.name] = body
        inertia = row.inertial
        body.mass, body.ipos, body.inertia = inertia.mass, inertia.com, inertia.diag
        body.iquat = np.asarray(inertia.quat) / np.linalg.norm(inertia.quat)
        body.explicitinertial = True
        body.gravcomp = 1.0
        if row.name == table.root_body:
            root = body
            if table.wrist_mode == "floating":
                body.add_freejoint(name=prefix + "wrist")
            body.add_site(name=prefix + "wrist", pos=center_of_mass(table), size=[0.004] * 3, group=4)
        if row.joint:
            passive = table.dynamics(row.joint.name)
            body.add_joint(
                name=prefix + row.joint.name,
                type=mujoco.mjtJoint.mjJNT_HINGE,
                axis=row.joint.axis,
                range=[row.joint.lower, row.joint.upper],
                limited=True,
                damping=passive.damping,
                armature=passive.armature,
                frictionloss=passive.frictionloss,
            )
        for shape in row.collisions:
            distal = any(finger.distal_body == row.name for finger in table.fingers.values())
            body.add_geom(
                name=prefix + shape.name,
                type=shape_type(shape),
                pos=shape.pos,
                quat=shape.quat,
                size=list(shape.size) + [0.0] * (3 - len(shape.size)),
                friction=[table.friction, 0.005, 0.0001],
                condim=4 if distal else 3,
                contype=HAND_CONTYPE,
                conaffinity=WORLD_CONTYPE,
                rgba=_PAD if distal else _SKIN,
                group=0,
            )
    for name, finger in table.fingers.items():
        distal = bodies[finger.distal_body]
        distal.add_site(name=prefix + name + "_wrench", size=[0.003] * 3, group=4)
        distal.add_site(name=prefix + name + "_tip", pos=finger.tip, size=[0.003] * 3, group=4)
    for first, second in table.self_collisions:
        spec.add_pair(geomname1=prefix + first, geomname2=prefix + second, condim=1)
    for coupling in table.couplings:
        tendon = spec.add_tendon(
            name=f"{prefix}coupling_{coupling.joint}",
            limited=True,
            range=[-coupling.slack, coupling.slack],
            damping=coupling.damping,
        )
        tendon.wrap_joint(prefix + coupling.joint, coupling.coefficient)
        tendon.wrap_joint(prefix + coupling.driver, -coupling.driver_coefficient)
    _add_fingertip_sensors(spec, table, prefix)
    if table.wrist_mode == "floating":
        _add_wrist_servo(spec, table, prefix)
    for name in table.actuated_joint_names:
        joint = table.joint(name)
        servo = table.dynamics(name)
        actuator = spec.add_actuator(
            name=f"{prefix}act_{name}",
            target=prefix + name,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            ctrllimited=True,
            forcelimited=True,
        )
        if servo.kv:
            actuator.set_to_position(kp=servo.kp, kv=servo.kv)
        else:
            actuator.set_to_position(kp=servo.kp)
        actuator.ctrlrange = [joint.lower, joint.upper]
        actuator.forcerange = [-joint.effort, joint.effort]
    assert root is not None
    return root


def shape_type(shape: Collision) -> mujoco.mjtGeom:
    """MuJoCo's type of a collision primitive."""
    import mujoco

    kind = mujoco.mjtGeom
    return {"box": kind.mjGEOM_BOX, "capsule": kind.mjGEOM_CAPSULE, "sphere": kind.mjGEOM_SPHERE}[shape.type]


def _add_fingertip_sensors(spec: mujoco.MjSpec, table: HandTable, prefix: str) -> None:
    import mujoco

    kind = mujoco.mjtSensor
    for name in table.fingers:
        for suffix, sensor in (("force", kind.mjSENS_FORCE), ("torque", kind.mjSENS_TORQUE)):
            site = f"{prefix}{name}_wrench"
            spec.add_sensor(
                name=f"{prefix}{name}_{suffix}", type=sensor, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site
            )


def _add_wrist_servo(spec: mujoco.MjSpec, table: HandTable, prefix: str) -> None:
    import mujoco

    wrist = table.wrist
    spec.worldbody.add_site(name=prefix + "task_frame", pos=[0, 0, 0], size=[0.004] * 3, group=4)
    for i, axis in enumerate(("vx", "vy", "vz", "wx", "wy", "wz")):
        cap, speed = (wrist.force, wrist.linear_speed) if i < 3 else (wrist.torque, wrist.angular_speed)
        gear = [0.0] * 6
        gear[i] = 1.0
        actuator = spec.add_actuator(
            name=f"{prefix}wrist_{axis}",
            target=prefix + "wrist",
            refsite=prefix + "task_frame",
            trntype=mujoco.mjtTrn.mjTRN_SITE,
            gear=gear,
            ctrllimited=True,
            ctrlrange=[-speed, speed],
            forcelimited=False,
        )
        actuator.set_to_velocity(kv=cap / speed)
