"""Things of other tasks in the scene, for cameras only: what a composition has beside a task's own object or mechanism.

Beside a mechanism there is an object in the hand, which goes where the hand goes; beside an object there is a mechanism
that stands where the second task would have it, with its joints at their start. Physics know nothing of either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sleight_core.hand import FingertipKinematics
from sleight_core.rotations import quat_multiply, quat_rotate

from sleight_sim.tasks.compose.config import COMPOSITION_PLACE, ComposeTaskConfig
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.variation import WorldDraw, draw_starts, draw_world
from sleight_sim.tasks.compose.world import ComposeWorld, build_world

Array = NDArray[np.float64]
Ids = NDArray[np.integer]

#: How far a held object is from the grasp centre (m, standard deviation of each coordinate).
_SPREAD = 0.015
#: Where what is not there is put: no camera sees below the table.
_AWAY = np.array([0.0, 0.0, -5.0])


class Company:
    """What stands beside a task's own thing in each of B environments, in a share of the episodes.

    Args:
        engine: The task's worlds.
        own: The task.
        others: Tasks of the other role whose things are there; the worlds take turns with them.
        share: Chance that an episode has company.
        seed: Of what is drawn.

    Attributes:
        worlds: (B,) the worlds as cameras see them, with both.
        there: (B,) bool: this episode has company.
    """

    def __init__(
        self,
        engine: ComposeEngine,
        own: ComposeTaskConfig,
        others: Sequence[ComposeTaskConfig],
        share: float,
        seed: int,
    ) -> None:
        self._rng = np.random.default_rng((seed, 17))
        self._engine, self._share = engine, share
        self._holds = own.role == "interaction"
        made: dict[int, tuple[ComposeWorld, ComposeTaskConfig]] = {}
        for world in engine.worlds:
            if id(world) not in made:
                other = others[len(made) % len(others)]
                more = draw_world(other, self._rng)
                draw = WorldDraw(world.draw.thing or more.thing, world.draw.mechanism or more.mechanism)
                made[id(world)] = build_world(engine.table, draw, own.timestep), other
        self.worlds = [made[id(world)][0] for world in engine.worlds]
        self._others = [made[id(world)][1] for world in engine.worlds]
        self._palm = FingertipKinematics(engine.table).grasp_offset
        b = engine.num_envs
        self.there = np.zeros(b, dtype=bool)
        self._pos, self._quat = np.zeros((b, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (b, 1))
        #: (B, nq) positions of the whole worlds: of a mechanism beside an object, its joints' start.
        self._whole = np.stack([self._start(world) for world in self.worlds])

    def reset(self, ids: Ids) -> None:
        """Draw the company of new episodes in environments ids (n,)."""
        rng = self._rng
        self.there[ids] = rng.random(len(ids)) < self._share
        for i in ids:
            if self._holds:
                quat = rng.normal(size=4)
                self._pos[i] = self._palm + rng.normal(0.0, _SPREAD, 3)
                self._quat[i] = quat / np.linalg.norm(quat)
            else:
                start = draw_starts(self._others[i], np.zeros(1), rng)
                self._pos[i] = start.place_pos[0] - COMPOSITION_PLACE
                self._quat[i] = start.place_quat[0]

    def join(self, positions: Array, base_pos: Array, base_quat: Array) -> tuple[Array, Array, Array]:
        """Add what is there to the task's own state.

        Args:
            positions: (B, nq) generalised positions of the task's worlds.
            base_pos: (B, 3) m of its mechanism's base.
            base_quat: (B, 4) wxyz.

        Returns:
            The same of `worlds`; positions of smaller worlds are padded with zeros.
        """
        whole, there = self._whole.copy(), self.there[:, None]
        whole[:, : positions.shape[1]] = positions
        if not self._holds:
            return whole, np.where(there, self._pos, _AWAY), self._quat.copy()
        layout = self._engine.layout
        wrist, at = layout.wrist_qpos, layout.object_qpos
        wrist_pos, wrist_quat = positions[:, wrist : wrist + 3], positions[:, wrist + 3 : wrist + 7]
        whole[:, at : at + 3] = np.where(there, wrist_pos + quat_rotate(wrist_quat, self._pos), _AWAY)
        whole[:, at + 3 : at + 7] = quat_multiply(wrist_quat, self._quat)
        return whole, base_pos, base_quat

    @property
    def width(self) -> int:
        """Generalised positions of the largest of `worlds`."""
        return max(world.model.nq for world in self.worlds)

    def _start(self, world: ComposeWorld) -> Array:
        positions = np.zeros(self.width)
        for link in () if world.mechanism is None else world.mechanism.links:
            positions[int(world.model.joint(link.name).qposadr[0])] = link.start
        return positions
