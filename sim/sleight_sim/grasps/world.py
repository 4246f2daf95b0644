"""A batch of hands that hold one object in free space: closing, pulling in any direction, shaking."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate

from sleight_sim.grasps.hand_shape import HandShape, add_fixed_hand
from sleight_sim.grasps.proposal import NO_CONTACTS, Contacts
from sleight_sim.objects.mjcf import add_object
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.worlds.tabletop import WORLD_CONTYPE, SolverOptions

Array = NDArray[np.float64]

#: Speed at which joints close (rad/s), and the share of a joint's effort with which fingers press at most.
CLOSING_SPEED, PRESS = 1.5, 0.4
#: What resists an object's motion while it is taken hold of: N s/m, N m s/rad. In clay it hardly moves, so that all
#: fingers come to it; in honey it goes where they press it (10 N: 0.1 m/s).
NOTHING, HONEY, CLAY = (0.0, 0.0), (100.0, 0.1), (10000.0, 10.0)
#: Physics steps between two changes of the targets; the physics is the tabletop's, so that what holds here holds there.
SUBSTEPS = 3


class HeldWorld:
    """N hands, each fixed at the origin of its own world, with the same object before them.

    The hand stays and gravity turns: its direction, and the inertia of a shaken object, are accelerations that are set.

    Args:
        shape: The hand.
        thing: The object.
        count: Number of worlds.
        num_threads: Threads; 0 for one a core.
    """

    def __init__(self, shape: HandShape, thing: ObjectSpec, count: int, *, num_threads: int = 0) -> None:
        self.shape = shape
        self.count = count
        self.model = build_model(shape, thing)
        self._data = mujoco.MjData(self.model)
        self.batch = Batch(self.model, count, num_threads)
        #: Worlds that `step` advances.
        self.active = np.arange(count)
        model, table = self.model, shape.table
        self._gravity = self.batch.expand("opt.gravity")
        self._damping = self.batch.expand("dof_damping")
        self._qpos, self._ctrl = self.batch.bind("qpos"), self.batch.bind("ctrl")
        self._joints = np.array([int(model.joint(name).qposadr[0]) for name in table.joint_names])
        self._motors = self._joints[table.actuated_index]
        self._acts = np.array([model.actuator(f"act_{name}").id for name in table.actuated_joint_names])
        self._at = int(model.joint("object").qposadr[0])
        self._dof = int(model.joint("object").dofadr[0])
        self._body = model.body("object").id
        self._lead = PRESS * shape.force_lead
        self._limits = shape.table.actuated_lower, shape.table.actuated_upper
        self.period = SUBSTEPS * float(model.opt.timestep)

    def reset(self, positions: Array, quats: Array, joints: Array) -> None:
        """Put the hands where they are in the object's frame (N, 3), (N, 4), with joints (N, J); nothing moves."""
        self.batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
        inverse = quat_conjugate(quats)
        self._qpos[:, self._joints] = joints
        self._qpos[:, self._at : self._at + 3] = -quat_rotate(inverse, positions)
        self._qpos[:, self._at + 3 : self._at + 7] = inverse
        self._ctrl[:, self._acts] = joints[:, self.shape.table.actuated_index]
        self._gravity[:] = 0.0
        self.resist(CLAY)
        self.batch.forward()

    def resist(self, damping: tuple[float, float]) -> None:
        """Have the objects resist motions (N s/m, N m s/rad)."""
        self._damping[:, self._dof : self._dof + 3] = damping[0]
        self._damping[:, self._dof + 3 : self._dof + 6] = damping[1]

    def accelerate(self, acceleration: Array) -> None:
        """Pull at the objects with accelerations (N, 3) or (3,) in the hands' frames (m/s^2)."""
        self._gravity[:] = acceleration

    def step(self) -> None:
        """Advance by `period` under the present targets; only the worlds of `active` move on."""
        self.batch.step(self.active, nstep=SUBSTEPS)

    def press(self, press: Array) -> None:
        """Move the targets one step as `press` (N, A) in [-1, 1] says, no further ahead of the joints than presses."""
        at = self._qpos[:, self._motors]
        step = CLOSING_SPEED * self.period * press / np.maximum(np.abs(press).max(axis=1, keepdims=True), 1e-6)
        lead = self._lead * np.abs(press)
        targets = np.clip(self._ctrl[:, self._acts] + step, at - lead, at + lead)
        self._ctrl[:, self._acts] = np.clip(targets, *self._limits)

    @property
    def targets(self) -> Array:
        """The motors' targets (N, A) rad; the setter does not limit them."""
        return self._ctrl[:, self._acts].copy()

    @targets.setter
    def targets(self, value: Array) -> None:
        self._ctrl[:, self._acts] = value

    def joints(self) -> Array:
        """Joint positions (N, J) rad."""
        return self._qpos[:, self._joints].copy()

    def object_poses(self) -> tuple[Array, Array]:
        """Positions (N, 3) and orientations (N, 4) of the objects in the hands' frames."""
        at = self._at
        return self._qpos[:, at : at + 3].copy(), self._qpos[:, at + 3 : at + 7].copy()

    def wrist_poses(self) -> tuple[Array, Array]:
        """Positions (N, 3) and orientations (N, 4) of the hands in the objects' frames."""
        position, quat = self.object_poses()
        inverse = quat_conjugate(quat)
        return -quat_rotate(inverse, position), inverse

    def finite(self) -> NDArray[np.bool_]:
        """(N,) whether the physics did not diverge."""
        return np.isfinite(self._qpos).all(axis=-1)

    def contacts(self) -> list[Contacts]:
        """Where each hand touches its object now, in the object's frame; only contacts that carry a force."""
        model, data = self.model, self._data
        found = []
        for i in range(self.count):
            if not np.isfinite(self._qpos[i]).all():
                found.append(NO_CONTACTS)
                continue
            mujoco.mj_resetData(model, data)
            data.qpos[:] = self._qpos[i]
            data.ctrl[:] = self._ctrl[i]
            mujoco.mj_forward(model, data)
            found.append(self._read(data))
        return found

    def _read(self, data: mujoco.MjData) -> Contacts:
        points, normals, links = [], [], []
        turn = data.xmat[self._body].reshape(3, 3)
        force = np.empty(6)
        for k, contact in enumerate(data.contact):
            owner = [int(self.model.geom_bodyid[g]) for g in contact.geom]
            if (owner[0] == self._body) == (owner[1] == self._body):
                continue
            mujoco.mj_contactForce(self.model, data, k, force)
            if force[0] < 1e-3:
                continue
            # MuJoCo's normal points from the first geom to the second.
            inward = contact.frame[:3] if owner[1] == self._body else -contact.frame[:3]
            points.append(turn.T @ (contact.pos - data.xpos[self._body]))
            normals.append(turn.T @ inward)
            links.append(self.model.body(owner[0] if owner[1] == self._body else owner[1]).name)
        return Contacts(np.array(points), np.array(normals), tuple(links)) if points else NO_CONTACTS


def build_model(shape: HandShape, thing: ObjectSpec) -> mujoco.MjModel:
    """Compile a fixed hand and a free object, joints "object" and the hand's, without gravity."""
    options = SolverOptions()
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.modelname = f"held_{shape.table.name}_{thing.name}"
    spec.option.timestep = options.timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    spec.option.iterations, spec.option.ls_iterations = options.iterations, options.ls_iterations
    spec.option.impratio = options.impratio
    spec.option.gravity = [0.0, 0.0, 0.0]
    add_fixed_hand(spec, shape.table)
    body = spec.worldbody.add_body(name="object", pos=[0, -0.3, 0])
    body.add_freejoint(name="object")
    for geom in add_object(spec, body, thing, len(thing.pieces)):
        geom.contype, geom.conaffinity = WORLD_CONTYPE, 0
    return spec.compile()


def motion(before: tuple[Array, Array], after: tuple[Array, Array]) -> tuple[Array, Array]:
    """How far (N,) m and by what angle (N,) rad poses (positions, quats) have moved; inf where one is not finite."""
    far = np.linalg.norm(after[0] - before[0], axis=1)
    between = quat_multiply(quat_conjugate(before[1]), after[1])
    angle = 2.0 * np.arctan2(np.linalg.norm(between[:, 1:], axis=1), np.abs(between[:, 0]))
    return np.where(np.isfinite(far), far, np.inf), np.where(np.isfinite(angle), angle, np.inf)
