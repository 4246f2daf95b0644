"""Which proposal a hand is to follow in an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate

from sleight_sim.grasps.hand_shape import HandShape
from sleight_sim.grasps.proposal import GraspProposals
from sleight_sim.grasps.sampling import resting_planes
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]

#: A proposal is drawn among those whose wrist is turned by less than this from the hand's start (rad): the wrist cannot
#: turn much further within an episode. ResDex starts the hand at the proposal's yaw instead.
REACHABLE = 1.0


class ProposalTargets:
    """One proposal for each environment, drawn anew for each episode.

    Args:
        table: The hand.
        objects: The object of each environment.
        proposals: Proposals by the object's name.
        partial: Let objects have no proposals; see `has`.

    Raises:
        SleightError: if an object has no proposals and `partial` is not set, or they are for another hand.
    """

    def __init__(
        self,
        table: HandTable,
        objects: Sequence[ObjectSpec],
        proposals: Mapping[str, GraspProposals],
        *,
        partial: bool = False,
    ) -> None:
        shape = HandShape(table)
        things = {thing.name: thing for thing in objects}
        lacking = sorted(name for name in things if not len(proposals.get(name, ())))
        if lacking and (not partial or len(lacking) == len(things)):
            raise SleightError(
                f"{len(lacking)} of {len(things)} objects have no grasp proposals",
                value=", ".join(lacking[:3]),
                remedy="make them: sleight objects proposals",
            )
        things = {name: thing for name, thing in things.items() if name not in lacking}
        if any(proposals[name].table.digest() != table.digest() for name in things):
            raise SleightError("these proposals are for another hand", value=table.name)
        self._names = [thing.name for thing in objects]
        #: (B,) Whether each environment's object has proposals.
        self.has = np.array([thing.name in things for thing in objects])
        self._grasps = {name: proposals[name] for name in things}
        self._up = {name: resting_planes(thing)[:, :3] for name, thing in things.items()}
        self._usable = {name: _usable(shape, self._grasps[name], thing) for name, thing in things.items()}
        self._offset = shape.offset
        count = len(objects)
        self.centre = np.zeros((count, 3))
        self.quat = np.tile([1.0, 0.0, 0.0, 0.0], (count, 1))
        self.joints = np.zeros((count, len(table.joint_names)))
        #: Row of each environment's proposal.
        self.row = np.zeros(count, dtype=np.intp)

    def draw(self, ids: NDArray[np.intp], object_quat: Array, wrist_quat: Array, rng: np.random.Generator) -> None:
        """Draw the proposals of environments whose objects come to rest from these orientations.

        Args:
            ids: (n,) environments.
            object_quat: (n, 4) objects at the start, a resting pose and any yaw.
            wrist_quat: (n, 4) wrists at the start.
            rng: Random numbers.
        """
        up = quat_rotate(quat_conjugate(object_quat), np.tile([0.0, 0.0, 1.0], (len(ids), 1)))
        wrist = quat_multiply(quat_conjugate(object_quat), wrist_quat)
        for k, i in enumerate(ids):
            if not self.has[i]:
                continue
            grasps = self._grasps[self._names[i]]
            rows = self._usable[self._names[i]][int((self._up[self._names[i]] @ up[k]).argmax())]
            angle = 2.0 * np.arccos(np.clip(np.abs(grasps.wrist_quats[rows] @ wrist[k]), 0.0, 1.0))
            near = rows[angle < REACHABLE]
            row = int(rng.choice(near)) if len(near) else int(rows[angle.argmin()])
            self.row[i] = row
            self.quat[i] = grasps.wrist_quats[row]
            self.centre[i] = grasps.wrist_positions[row] + quat_rotate(self.quat[i], self._offset)
            self.joints[i] = grasps.joints[row]

    def goal(self) -> tuple[Array, Array, Array]:
        """Return copies of centres (B, 3), wrists (B, 4) and joints (B, J), as `proposal_errors` takes them."""
        return self.centre.copy(), self.quat.copy(), self.joints.copy()


def clearances(shape: HandShape, grasps: GraspProposals, thing: ObjectSpec) -> Array:
    """Height (K, N) of each grasp's hand over the table, for each resting pose of the object (m)."""
    centres, radii = shape.spheres(grasps.joints)
    turn = np.repeat(grasps.wrist_quats[:, None], centres.shape[1], axis=1)
    centres = quat_rotate(turn, centres) + grasps.wrist_positions[:, None]
    planes = resting_planes(thing)
    return (np.einsum("npi,ki->knp", centres, planes[:, :3]) + planes[:, 3, None, None] - radii).min(axis=2)


def _usable(shape: HandShape, grasps: GraspProposals, thing: ObjectSpec) -> list[NDArray[np.intp]]:
    """For each resting pose, the grasps that the table leaves room for, or else the one with the most room."""
    return [
        np.flatnonzero(height >= 0.0) if (height >= 0.0).any() else np.array([height.argmax()])
        for height in clearances(shape, grasps, thing)
    ]
