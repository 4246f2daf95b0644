"""The paper's tabletop: a floating hand palm-down over a table with one object (ResDex A.2, resdex_facts 1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np
from sleight_core.hand import HandTable
from sleight_description.mjcf import WORLD_CONTYPE, add_hand

from sleight_sim.objects.convex import MAX_PIECES
from sleight_sim.objects.mjcf import add_object
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.worlds.touch import add_touch_sensors

#: Height of the table's top over the floor (m); the task frame's origin is on the floor under its centre.
TABLE_HEIGHT = 0.6
TABLE_SIZE = 1.0


@dataclass(frozen=True)
class PhysicsVariation:
    """Factors on one environment's physics; 1 everywhere is the nominal world.

    Attributes:
        mass: Factor on the object's mass and inertia.
        friction: Factor on the object's friction.
        stiffness: Factor on the finger servos' stiffness.
        damping: Factor on the finger joints' damping.
        wrist_gain: Factor on the wrist servo's gain (its speed stays).
    """

    mass: float = 1.0
    friction: float = 1.0
    stiffness: float = 1.0
    damping: float = 1.0
    wrist_gain: float = 1.0


@dataclass(frozen=True)
class SolverOptions:
    """MuJoCo's numerical options of the world."""

    timestep: float = 1.0 / 180.0
    iterations: int = 10
    ls_iterations: int = 10
    impratio: float = 1.0
    elliptic: bool = False
    variation: PhysicsVariation = field(default_factory=PhysicsVariation)


def build_model(
    table: HandTable,
    thing: ObjectSpec | Sequence[ObjectSpec],
    options: SolverOptions | None = None,
    *,
    max_pieces: int = MAX_PIECES,
    visuals: bool = False,
) -> mujoco.MjModel:
    """Compile the tabletop with one object.

    Args:
        table: A hand with a floating wrist, or on an arm that stands beside the table.
        thing: The object; all objects give models with the same MjData layout. With several, the model shows the first
            and holds the meshes of all (see `add_object`).
        options: Numerical options and the physics variation.
        max_pieces: Mesh geoms of the object; fewer are faster, and models of one batch need the same number.
        visuals: Add a table, a floor, lights and a camera for pictures (no effect on the physics or the layout).

    Returns:
        A model with joints "wrist" (of a floating wrist), the hand's and "object", and the hand's actuators and
        sensors; on an arm also the sensors of `sleight_sim.worlds.touch`.
    """
    options = options or SolverOptions()
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    shown = thing if isinstance(thing, ObjectSpec) else thing[0]
    spec.modelname = f"tabletop_{table.name}_{shown.name}"
    spec.option.timestep = options.timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC if options.elliptic else mujoco.mjtCone.mjCONE_PYRAMIDAL
    spec.option.iterations = options.iterations
    spec.option.ls_iterations = options.ls_iterations
    spec.option.impratio = options.impratio
    add_table(spec)
    add_hand(spec, table)
    if table.arm_joints:
        add_touch_sensors(spec, table)
    body = spec.worldbody.add_body(name="object", pos=[0, 0, TABLE_HEIGHT + 0.1])
    body.add_freejoint(name="object")
    for geom in add_object(spec, body, thing, max_pieces):
        if geom.contype == 1:
            geom.contype, geom.conaffinity = WORLD_CONTYPE, 0
    if visuals:
        add_visuals(spec)
    model = spec.compile()
    _vary(model, table, options.variation)
    return model


def add_table(spec: mujoco.MjSpec) -> None:
    """Add the table's top."""
    # A plane instead of a box: contacts are cheaper and nothing tunnels; the hand and object stay over the table.
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[0, 0, TABLE_HEIGHT],
        size=[0.5 * TABLE_SIZE, 0.5 * TABLE_SIZE, 0.1],
        friction=[1.0, 0.005, 0.0001],
        contype=WORLD_CONTYPE,
        conaffinity=WORLD_CONTYPE,
        rgba=[0.55, 0.42, 0.30, 1],
        group=0,
    )


def add_visuals(spec: mujoco.MjSpec) -> None:
    """Add a table with legs, a floor, lights, and the camera "overview": nothing that touches anything."""
    world = spec.worldbody
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.4, 0.4, 0.4]
    spec.visual.map.znear = 0.02
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.93, 0.95, 0.98], rgb2=[0.70, 0.76, 0.85], width=64, height=64,
    )  # fmt: skip
    half, thick = 0.5 * TABLE_SIZE, 0.02
    box = mujoco.mjtGeom.mjGEOM_BOX
    wood = [0.45, 0.33, 0.23, 1]
    for name, pos, size in (
        ("table_slab", [0, 0, TABLE_HEIGHT - thick - 0.001], [half, half, thick]),
        ("table_leg_0", [half - 0.05, half - 0.05, 0.29], [0.03, 0.03, 0.29]),
        ("table_leg_1", [-half + 0.05, half - 0.05, 0.29], [0.03, 0.03, 0.29]),
        ("table_leg_2", [half - 0.05, -half + 0.05, 0.29], [0.03, 0.03, 0.29]),
        ("table_leg_3", [-half + 0.05, -half + 0.05, 0.29], [0.03, 0.03, 0.29]),
    ):
        world.add_geom(name=name, type=box, pos=pos, size=size, rgba=wood, contype=0, conaffinity=0, group=2)
    world.add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[3, 3, 0.1], rgba=[0.85, 0.86, 0.88, 1],
        contype=0, conaffinity=0, group=2,
    )  # fmt: skip
    world.add_light(name="key", pos=[0.8, -0.9, 2.2], dir=[-0.4, 0.45, -1], castshadow=True, diffuse=[0.6, 0.6, 0.6])
    eye = np.array([0.50, -0.60, 1.00])
    world.add_camera(name="overview", pos=eye, quat=look_at(eye, np.array([0.0, 0.0, 0.72])), fovy=36)


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Orientation wxyz of a MuJoCo camera (x right, y up, looking along -z) at `eye` that sees `target` (3,) m."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.column_stack([right, np.cross(right, forward), -forward]).ravel())
    return quat


def _vary(model: mujoco.MjModel, table: HandTable, variation: PhysicsVariation) -> None:
    """Scale physical parameters of a compiled model in place (sizes, and so the layout, stay)."""
    if variation == PhysicsVariation():
        return
    body = model.body("object").id
    model.body_mass[body] *= variation.mass
    model.body_inertia[body] *= variation.mass
    first, count = int(model.body_geomadr[body]), int(model.body_geomnum[body])
    model.geom_friction[first : first + count, 0] *= variation.friction
    fingers = [name for name in table.joint_names if name not in table.arm_joints]
    for name in (name for name in table.actuated_joint_names if name in fingers):
        i = model.actuator(f"act_{name}").id
        model.actuator_gainprm[i, 0] *= variation.stiffness
        model.actuator_biasprm[i, 1] *= variation.stiffness
    for name in fingers:
        model.dof_damping[model.joint(name).dofadr[0]] *= variation.damping
    for axis in ("vx", "vy", "vz", "wx", "wy", "wz") if table.wrist_mode == "floating" else ():
        i = model.actuator(f"wrist_{axis}").id
        model.actuator_gainprm[i, 0] *= variation.wrist_gain
        model.actuator_biasprm[i, 2] *= variation.wrist_gain
    mujoco.mj_setConst(model, mujoco.MjData(model))
