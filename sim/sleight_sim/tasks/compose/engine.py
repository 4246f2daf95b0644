"""The default engine for worlds with mechanisms: `MujocoBatchEngine` with their joints, places and contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.engines import InitialState
from sleight_sim.engines.mujoco_batch import MujocoBatchEngine
from sleight_sim.tasks.compose.chain import MechanismChain, MechanismState
from sleight_sim.tasks.compose.contacts import MECHANISM, OBJECT, sensor_name
from sleight_sim.tasks.compose.world import ComposeWorld

Array = NDArray[np.float64]
Ids = NDArray[np.integer]


@dataclass(frozen=True)
class Snapshot:
    """Complete physics state of n environments: restored, they go on as they would have.

    Attributes:
        state: (n, S) MuJoCo's integration state: positions, velocities, controls, mocap poses, the solver's warm start.
    """

    state: Array


@dataclass(frozen=True)
class FingerContacts:
    """Net contact force of each finger at the last physics step, in the order of `HandTable.finger_names`.

    Attributes:
        object: (B, F) N with the object.
        mechanism: (B, F) N with the mechanisms; zeros without one.
    """

    object: Array
    mechanism: Array


@dataclass(frozen=True)
class HandObjectState:
    """Physics state of hand and object in n environments, without the mechanism: worlds list those joints first.

    Attributes:
        qpos: (n, Q) generalised positions (m, rad, quaternions).
        qvel: (n, V) generalised velocities.
        ctrl: (n, U) controls.
        warmstart: (n, V) the solver's warm start: with it a world goes on to the bit as it would have.
    """

    qpos: Array
    qvel: Array
    ctrl: Array
    warmstart: Array


class ComposeEngine(MujocoBatchEngine):
    """Runs environment i in `worlds[i]`.

    Args:
        table: The hand in the worlds.
        worlds: Worlds of the same kinds (see `build_world`).
        substeps: Physics steps a call of `step`.
        num_threads: Threads; 0 for one a core.
    """

    def __init__(
        self, table: HandTable, worlds: Sequence[ComposeWorld], *, substeps: int = 3, num_threads: int = 0
    ) -> None:
        super().__init__(table, [world.model for world in worlds], substeps=substeps, num_threads=num_threads)
        self.worlds = list(worlds)
        count = len(worlds[0].mechanisms)
        #: The worlds' mechanisms; a sequence of skills has several.
        self.chains = tuple(MechanismChain(self.batch, worlds, i) for i in range(count))
        partners = [OBJECT, *(mechanism.prefix + MECHANISM for mechanism in worlds[0].mechanisms)]
        self._contact_at = [
            int(worlds[0].model.sensor(sensor_name(table.finger_names[0], partner)).adr[0]) for partner in partners
        ]
        #: The first mechanism's joints from base to handle; empty without one.
        self.joint_names: tuple[str, ...] = ()
        if self.chains:
            chain = self.chains[0]
            self.joint_names = chain.joint_names
            #: (B, M) ranges of the first mechanism's joints and where they start.
            self.lower, self.upper, self.joint_start = chain.lower, chain.upper, chain.joint_start

    def reset_worlds(
        self, ids: Ids, initial: InitialState, base_pos: Array, base_quat: Array, mechanism: int = 0
    ) -> None:
        """Put environments into their initial states, mechanisms at the start of their joints.

        Args:
            ids: (n,) environments.
            initial: Hand and object.
            base_pos: (n, 3) m of the mechanisms' bases; not used without a mechanism.
            base_quat: (n, 4) wxyz.
            mechanism: Which mechanism that is; any others are under the table until `place_mechanism` places them.
        """
        if len(ids) == 0:
            return
        self.reset(ids, initial)
        for chain in self.chains:
            chain.put(ids, chain.joint_start[ids])
        if self.chains:
            self.place_mechanism(mechanism, ids, base_pos, base_quat)

    def place_mechanism(self, index: int, ids: Ids, base_pos: Array, base_quat: Array) -> None:
        """Put bases of mechanism `index` of environments ids (n,) at (n, 3) m and (n, 4) wxyz."""
        self.chain(index).place(ids, base_pos, base_quat)
        self.batch.forward(ids)

    def set_mechanism(self, ids: Ids, positions: Array) -> None:
        """Put mechanisms of environments ids (n,) at joint positions (n, M), at rest."""
        self.chain().put(ids, positions)
        self.batch.forward(ids)

    def set_object(self, ids: Ids, pos: Array, quat: Array) -> None:
        """Put objects of environments ids (n,) at poses (n, 3) m, (n, 4) wxyz, at rest."""
        at, dof = self._object_qpos, self._object_qvel
        self._qpos[ids, at : at + 3] = pos
        self._qpos[ids, at + 3 : at + 7] = quat
        self._qvel[ids, dof : dof + 6] = 0.0
        self.batch.forward(ids)

    def push_mechanism(self, generalised: Array) -> None:
        """Act on the mechanisms' joints with (B, M) N m or N, in all steps until the next call."""
        self._applied[:, self.chain().dof] = generalised

    def mechanism_state(self) -> MechanismState:
        """State of the mechanisms.

        Raises:
            SleightError: The worlds have none.
        """
        return self.chain().state()

    def handle_pose(self, joints: Array) -> tuple[Array, Array]:
        """Where the handles are, or would be, with the mechanisms' joints at (B, M).

        Returns:
            Positions (B, 3) m and orientations (B, 4) wxyz in the task frame.
        """
        return self.chain().handle_pose(joints)

    def finger_contacts(self) -> FingerContacts:
        """Contact forces of the fingers; those with several mechanisms add up."""
        thing, *mechanisms = (self._contact_force(at) for at in self._contact_at)
        return FingerContacts(thing, sum(mechanisms, start=np.zeros_like(thing)))

    def _contact_force(self, at: int) -> Array:
        shape = (self.num_envs, len(self.table.fingers), 3)
        return np.linalg.norm(self._sensors[:, at : at + 3 * shape[1]].reshape(shape), axis=-1)

    def snapshot(self, ids: Ids) -> Snapshot:
        """Copy the physics state of environments ids (n,)."""
        return Snapshot(self.batch.state[ids].copy())

    def restore(self, ids: Ids, snapshot: Snapshot) -> None:
        """Put environments ids (n,) into the states of a snapshot (n,), taken in the same worlds.

        Raises:
            SleightError: The snapshot is of another kind of world, or of another number.
        """
        wanted = (len(ids), self.batch.state.shape[1])
        if snapshot.state.shape != wanted:
            raise SleightError(
                "a snapshot does not fit these worlds",
                value=snapshot.state.shape,
                remedy=f"restore {wanted} numbers, taken in worlds of the same task",
            )
        self.batch.state[ids] = snapshot.state

    def hand_object_state(self, ids: Ids) -> HandObjectState:
        """Copy the state of hand and object in environments ids (n,)."""
        q, v = self._object_qpos + 7, self._object_qvel + 6
        arrays = self._qpos[ids, :q], self._qvel[ids, :v], self._ctrl[ids], self.batch.qacc_warmstart[ids, :v]
        return HandObjectState(*(array.copy() for array in arrays))

    def put_hand_object(
        self, ids: Ids, state: HandObjectState, moved: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ) -> None:
        """Put hand and object of environments ids (n,) into states (n,) of worlds with the same ones.

        A mechanism stays as it is, so that a state of a single task also starts a composition. Pushes end.

        Args:
            ids: Environments.
            state: Their states.
            moved: What hand and object are then moved by together (m, task frame).

        Raises:
            SleightError: The states are of another kind of world, or of another number.
        """
        q, v, n = self._object_qpos + 7, self._object_qvel + 6, len(ids)
        found = tuple(getattr(state, name).shape for name in ("qpos", "qvel", "ctrl", "warmstart"))
        wanted = (n, q), (n, v), (n, self._ctrl.shape[1]), (n, v)
        if found != wanted:
            raise SleightError(
                "states of hand and object do not fit these worlds", value=found, remedy=f"give arrays {wanted}"
            )
        self._qpos[ids, :q], self._qvel[ids, :v], self._ctrl[ids] = state.qpos, state.qvel, state.ctrl
        for at in (self._wrist_qpos, self._object_qpos):
            self._qpos[ids, at : at + 3] += moved
        self._applied[ids] = 0.0
        # Contacts and sensors are made anew; that overwrites the warm start.
        self.batch.forward(ids)
        self.batch.qacc_warmstart[ids, :v] = state.warmstart

    def chain(self, index: int = 0) -> MechanismChain:
        """A mechanism of the worlds.

        Raises:
            SleightError: The worlds have not so many.
        """
        if index >= len(self.chains):
            number = "no mechanism" if not self.chains else f"no mechanism {index + 1}"
            raise SleightError(f"these worlds have {number}", remedy="use an interaction task such as PushButton")
        return self.chains[index]
