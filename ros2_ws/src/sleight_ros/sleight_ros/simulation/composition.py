"""A table with the object of one DexCompose skill beside the mechanism of another, as a robot driver shows it."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.compose_terms import MECHANISM_JOINTS
from sleight_core.rotations import quat_rotate
from sleight_sim.tasks.compose.config import (
    COMPOSITION_PLACE,
    ComposeTaskConfig,
    InteractionSuccess,
    RetentionSuccess,
    task_config,
)
from sleight_sim.tasks.compose.success import interaction_reached
from sleight_sim.tasks.compose.variation import WorldDraw, draw_starts, draw_world
from sleight_sim.tasks.compose.world import ComposeWorld, build_world
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

from sleight_ros.simulation.world import MovingHandWorld

#: Height over its rest from which an object is off the table, m [own].
LIFTED = 0.01


@dataclass(frozen=True)
class Pair:
    """Two tasks on one table.

    Attributes:
        first: A retention task: its object is there, moved by `COMPOSITION_PLACE`.
        second: An interaction task: its mechanism is there.
        draw: Sizes and dynamics of both.
    """

    first: ComposeTaskConfig
    second: ComposeTaskConfig
    draw: WorldDraw

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first.name}+{self.second.name}"

    @classmethod
    def of(cls, first: str, second: str, seed: int) -> Pair:
        """Draw a pair's object and mechanism.

        Raises:
            SleightError: There is no such task, or it has the other's role.
        """
        tasks = task_config(first), task_config(second)
        for task, role in zip(tasks, ("retention", "interaction"), strict=True):
            if task.role != role:
                raise SleightError(
                    f"'{task.name}' is no task of kind '{role}'",
                    value=f"{first}, {second}",
                    remedy="name a skill that keeps an object and one that moves a mechanism, in this order",
                )
        rng = np.random.default_rng(seed)
        draw = WorldDraw(draw_world(tasks[0], rng).thing, draw_world(tasks[1], rng).mechanism)
        return cls(*tasks, draw)


class CompositionWorld(MovingHandWorld[Pair]):
    """The table of a pair; starts are those of the first task."""

    def __init__(self, table: HandTable, config: GraspTaskConfig, thing: Pair) -> None:
        super().__init__(table, config, thing)
        success = thing.first.success
        assert isinstance(success, RetentionSuccess)
        self.goal = np.asarray(success.target) + COMPOSITION_PLACE

    def compile(self, thing: Pair) -> mujoco.MjModel:
        """Compile the world of a pair."""
        self._made: ComposeWorld = build_world(self.table, thing.draw, self.timestep, visuals=True)
        return self._made.model

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the places of object, hand and mechanism."""
        model, data, pair = self.model, self.data, self.thing
        mujoco.mj_resetData(model, data)
        assert pair.draw.thing is not None and self._made.mechanism is not None
        object_start = draw_starts(pair.first, np.array([pair.draw.thing.rest_height]), rng)
        base_start = draw_starts(pair.second, np.zeros(1), rng)
        data.mocap_pos[0], data.mocap_quat[0] = base_start.place_pos[0], base_start.place_quat[0]
        for link in self._made.mechanism.links:
            data.qpos[model.joint(link.name).qposadr[0]] = link.start
        self._together = False
        joints = self.table.posture("open")
        self.place_hand(
            (object_start.wrist_pos[0] + COMPOSITION_PLACE, object_start.wrist_quat[0]),
            (object_start.place_pos[0] + COMPOSITION_PLACE, object_start.place_quat[0]),
            np.clip(joints, self.table.lower, self.table.upper),
        )

    def count(self) -> None:
        """Take one control step into the episode's success."""
        super().count()
        mechanism, success = self._made.mechanism, self.thing.second.success
        assert mechanism is not None and isinstance(success, InteractionSuccess)
        lower, upper = (np.array([[getattr(link, end) for link in mechanism.links]]) for end in ("lower", "upper"))
        now = self.privileged()[MECHANISM_JOINTS][None]
        reached = bool(interaction_reached(success, self.joint_names, now, lower, upper)[0])
        self._together |= reached and self._lifted

    @property
    def succeeded(self) -> bool:
        """Whether the interaction was done while the object was off the table, and the object still is (appendix A)."""
        return self._together and self._lifted

    @property
    def _lifted(self) -> bool:
        assert self.thing.draw.thing is not None
        rest = TABLE_HEIGHT + self.thing.draw.thing.rest_height
        return bool(self.object_pose()[0][2] >= rest + LIFTED)

    def privileged(self) -> dict[str, np.ndarray]:
        """The object's pose and velocity, the handle's place and the mechanism's joints."""
        model, data = self.model, self.data
        # A step leaves the places of the time before it.
        mujoco.mj_kinematics(model, data)
        pos, quat = self.object_pose()
        at = int(model.joint("object").dofadr[0])
        return {
            "object_pos": pos,
            "object_quat": quat,
            "object_linvel": data.qvel[at : at + 3].copy(),
            "object_angvel": quat_rotate(quat, data.qvel[at + 3 : at + 6].copy()),
            "handle_pos": data.site("handle").xpos.copy(),
            MECHANISM_JOINTS: np.array([data.qpos[model.joint(name).qposadr[0]] for name in self.joint_names]),
        }

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The mechanism's joints, from base to handle."""
        assert self._made.mechanism is not None
        return tuple(link.name for link in self._made.mechanism.links)
