"""The simulator model of the cube reorientation task: a fixed hand, palm up, and a cube."""

from __future__ import annotations

import mujoco
import numpy as np
from sleight_core.hand import HandTable
from sleight_description.mjcf import WORLD_CONTYPE, add_hand

from sleight_sim.tasks.reorient.config import ReorientConfig
from sleight_sim.worlds.tabletop import look_at

#: Camera of worlds with visuals.
CAMERA = "overview"
#: Colours of the cube's faces +x, -x, +y, -y, +z, -z.
_FACES = (
    (0.85, 0.2, 0.2, 1),
    (0.95, 0.6, 0.1, 1),
    (0.2, 0.65, 0.3, 1),
    (0.95, 0.9, 0.3, 1),
    (0.2, 0.4, 0.85, 1),
    (0.9, 0.9, 0.9, 1),
)


def build_world(table: HandTable, config: ReorientConfig, *, visuals: bool = False) -> mujoco.MjModel:
    """Compile the world.

    Args:
        table: A hand with a floating wrist; here it is fixed.
        config: The task.
        visuals: Add lights, a camera, the cube's coloured faces and the goal cube (mocap body "goal").

    Returns:
        A model with the hand's joints, then the free joint "object".
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.modelname = f"reorient_{table.name}"
    spec.option.timestep = config.timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    spec.option.iterations = 10
    spec.option.ls_iterations = 10
    add_hand(spec, table, fixed_at=(config.root_pos, config.wrist_quat))
    _set_servos(spec, table, config)
    _add_cube(spec, config, visuals)
    if visuals:
        _add_visuals(spec, config)
    return spec.compile()


def _set_servos(spec: mujoco.MjSpec, table: HandTable, config: ReorientConfig) -> None:
    """Give joints, servos and skin the task's figures; nothing carries the fingers' weight."""
    servo = config.servo
    for name in table.joint_names:
        joint = spec.joint(name)
        joint.damping[0], joint.armature, joint.frictionloss = servo.damping, servo.armature, servo.frictionloss
    for name in table.actuated_joint_names:
        actuator = spec.actuator(f"act_{name}")
        actuator.set_to_position(kp=servo.kp)
        actuator.forcerange = [-servo.torque, servo.torque]
    tips = {finger.distal_body for finger in table.fingers.values()}
    for row in table.bodies:
        spec.body(row.name).gravcomp = 0.0
        for shape in row.collisions:
            geom = spec.geom(shape.name)
            geom.condim = 3
            geom.friction[0] = servo.tip_friction if row.name in tips else servo.friction
            geom.solref = [servo.contact_time, servo.contact_damping]
            geom.solimp[:3] = servo.contact_impedance


def _add_cube(spec: mujoco.MjSpec, config: ReorientConfig, visuals: bool) -> None:
    cube, half = config.cube, 0.5 * config.cube.edge
    place = np.add(config.mount, cube.start)
    body = spec.worldbody.add_body(name="object", pos=place)
    body.add_freejoint(name="object")
    body.add_geom(
        name="cube",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half] * 3,
        mass=cube.mass,
        friction=[cube.friction, 0.05, 0.0001],
        condim=3,
        contype=WORLD_CONTYPE,
        conaffinity=0,
        rgba=[0.5, 0.5, 0.5, 1],
        group=3 if visuals else 0,
    )
    if visuals:
        _add_faces(body, half)


def _add_faces(body: mujoco.MjsBody, half: float) -> None:
    """Add coloured faces that touch nothing."""
    thick = 0.0005
    for i, colour in enumerate(_FACES):
        axis, sign = divmod(i, 2)
        pos, size = np.zeros(3), np.full(3, half)
        pos[axis], size[axis] = (half - thick) * (1 - 2 * sign), thick
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=size, mass=0.0, rgba=colour, contype=0, conaffinity=0
        )


def _add_visuals(spec: mujoco.MjSpec, config: ReorientConfig) -> None:
    world, mount = spec.worldbody, np.asarray(config.mount)
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.4, 0.4, 0.4]
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.93, 0.95, 0.98], rgb2=[0.70, 0.76, 0.85], width=64, height=64,
    )  # fmt: skip
    world.add_light(name="key", pos=mount + [0.6, -0.8, 1.6], dir=[-0.35, 0.45, -1], diffuse=[0.6, 0.6, 0.6])
    goal = world.add_body(name="goal", mocap=True, pos=mount + [0.1, 0.2, 0.1])
    _add_faces(goal, 0.5 * config.cube.edge)
    eye = mount + [0.42, -0.30, 0.42]
    world.add_camera(name=CAMERA, pos=eye, quat=look_at(eye, mount + [0.09, 0.05, 0.02]), fovy=36)
