"""A table with the object of one DexCompose skill beside the mechanisms of others, as a robot driver shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import mujoco
import numpy as np
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, quantity_of
from sleight_core.rotations import quat_rotate
from sleight_sim.tasks.compose.config import (
    COMPOSITION_PLACE,
    SEQUENCE_PLACES,
    ComposeTaskConfig,
    InteractionSuccess,
    RetentionSuccess,
    task_config,
)
from sleight_sim.tasks.compose.contacts import MECHANISM
from sleight_sim.tasks.compose.mechanisms import Mechanism
from sleight_sim.tasks.compose.success import interaction_reached, retention_reached
from sleight_sim.tasks.compose.variation import WorldDraw, draw_starts, draw_world
from sleight_sim.tasks.compose.world import ComposeWorld, build_world
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

from sleight_ros.simulation.world import MovingHandWorld, TaskVerdict

#: Height over its rest from which an object is off the table, m [own].
LIFTED = 0.01
#: Tasks of a composition: an object's, and one or two of mechanisms.
COUNTS = (2, 3)
#: Least distance between the places of two tasks, m [own]: nearer, their things could start inside each other.
ROOM = 0.2


@dataclass(frozen=True)
class Composition:
    """Tasks on one table.

    Attributes:
        first: A retention task: its object is there.
        later: Interaction tasks in their order: their mechanisms are there.
        places: Where each task's own frame lies on the table, m; the first's first.
        draw: Sizes and dynamics of all.
    """

    first: ComposeTaskConfig
    later: tuple[ComposeTaskConfig, ...]
    places: tuple[tuple[float, ...], ...]
    draw: WorldDraw

    @property
    def tasks(self) -> tuple[ComposeTaskConfig, ...]:
        """All tasks."""
        return self.first, *self.later

    @property
    def name(self) -> str:
        """All names."""
        return "+".join(task.name for task in self.tasks)

    @classmethod
    def of(cls, names: Sequence[str], seed: int, places: Sequence[float] = ()) -> Composition:
        """Draw a composition's object and mechanisms.

        Args:
            names: Of the tasks.
            seed: Of the draw.
            places: Three numbers a task, m; none: where training has them.

        Raises:
            SleightError: There are not two or three tasks, there is no such task, one has another's role, or there is
                no room for one.
        """
        if len(names) not in COUNTS or len(set(names)) != len(names):
            raise SleightError(
                "a composition has two or three different tasks",
                value=", ".join(names),
                remedy="name a task of an object, then one or two of mechanisms",
            )
        tasks = tuple(map(task_config, names))
        for i, task in enumerate(tasks):
            role = "interaction" if i else "retention"
            if task.role != role:
                raise SleightError(
                    f"'{task.name}' is no task of kind '{role}'",
                    value=", ".join(names),
                    remedy="name a skill that keeps an object, then those that move a mechanism",
                )
        rng = np.random.default_rng(seed)
        draws = [draw_world(task, rng) for task in tasks]
        draw = WorldDraw.of(draws[0].thing, [one.mechanism for one in draws[1:] if one.mechanism is not None])
        return cls(tasks[0], tasks[1:], _places(names, places), draw)


def _places(names: Sequence[str], given: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Where the tasks' frames lie: as given, three numbers each, or as in training."""
    if not len(given):
        return (COMPOSITION_PLACE, *(((0.0, 0.0, 0.0),) if len(names) == 2 else SEQUENCE_PLACES))
    if len(given) != 3 * len(names) or not np.isfinite(given).all():
        raise SleightError(
            "the places of a composition",
            value=list(given),
            remedy=f"give three numbers for each of {', '.join(names)}",
        )
    places = tuple(tuple(map(float, given[i : i + 3])) for i in range(0, len(given), 3))
    for (one, here), (other, there) in combinations(zip(names, places, strict=True), 2):
        if (apart := float(np.linalg.norm(np.subtract(here, there)))) < ROOM:
            raise SleightError(
                f"'{one}' and '{other}' have no room beside each other",
                value=f"{apart:.2f} m apart",
                remedy=f"give them places {ROOM} m apart or more; those of a bundle's skills are set at its export",
            )
    return places


class CompositionWorld(MovingHandWorld[Composition]):
    """The table of a composition; starts are those of the first task."""

    def __init__(self, table: HandTable, config: GraspTaskConfig, thing: Composition) -> None:
        super().__init__(table, config, thing)
        self.goal = np.asarray(self._retention.target) + thing.places[0]

    def compile(self, thing: Composition) -> mujoco.MjModel:
        """Compile the world of a composition."""
        self._made: ComposeWorld = build_world(self.table, thing.draw, self.timestep, visuals=True)
        return self._made.model

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the places of object, hand and mechanisms."""
        model, data, thing = self.model, self.data, self.thing
        mujoco.mj_resetData(model, data)
        assert thing.draw.thing is not None
        object_start = draw_starts(thing.first, np.array([thing.draw.thing.rest_height]), rng)
        for task, place, mechanism in zip(thing.later, thing.places[1:], self._made.mechanisms, strict=True):
            start = draw_starts(task, np.zeros(1), rng)
            at = int(model.body_mocapid[model.body(mechanism.prefix + MECHANISM).id])
            data.mocap_pos[at], data.mocap_quat[at] = start.place_pos[0] + place, start.place_quat[0]
            for link in mechanism.links:
                data.qpos[model.joint(mechanism.prefix + link.name).qposadr[0]] = link.start
        self._done = [False] * len(thing.tasks)
        self._kept = [False] * len(thing.later)
        joints = self.table.posture("open")
        self.place_hand(
            (object_start.wrist_pos[0] + thing.places[0], object_start.wrist_quat[0]),
            (object_start.place_pos[0] + thing.places[0], object_start.place_quat[0]),
            np.clip(joints, self.table.lower, self.table.upper),
        )

    def count(self) -> None:
        """Take one control step into the episode's success."""
        super().count()
        pos, quat = self.object_pose()
        seen = (pos - self.thing.places[0])[None]
        self._done[0] |= bool(retention_reached(self._retention, seen, quat[None], np.array([self._rest]))[0])
        lifted = self._lifted
        for i, (task, mechanism) in enumerate(zip(self.thing.later, self._made.mechanisms, strict=True)):
            if i and not self._done[i]:
                # Tasks are done one after the other; `_done` begins with the first skill's.
                break
            reached = self._reached(task, mechanism)
            self._done[i + 1] |= reached
            self._kept[i] |= reached and lifted

    @property
    def succeeded(self) -> bool:
        """Whether the interactions were done while the object was off the table, and it still is (appendix A)."""
        return all(self._kept) and self._lifted

    @property
    def verdicts(self) -> tuple[TaskVerdict, ...]:
        """What came of each task up to now."""
        kept = (self._lifted, *self._kept)
        rows = zip(self.thing.tasks, kept, self._done, strict=True)
        return tuple(TaskVerdict(task.name, *row) for task, *row in rows)

    def privileged(self) -> dict[str, np.ndarray]:
        """The object's pose and velocity, and of each mechanism the handle's place and the joints."""
        model, data = self.model, self.data
        # A step leaves the places of the time before it.
        mujoco.mj_kinematics(model, data)
        pos, quat = self.object_pose()
        at = int(model.joint("object").dofadr[0])
        told = {
            "object_pos": pos,
            "object_quat": quat,
            "object_linvel": data.qvel[at : at + 3].copy(),
            "object_angvel": quat_rotate(quat, data.qvel[at + 3 : at + 6].copy()),
        }
        for task, mechanism in zip(self.thing.later, self._made.mechanisms, strict=True):
            told[quantity_of(task.name, "handle_pos")] = data.site(mechanism.prefix + "handle").xpos.copy()
            told[quantity_of(task.name, MECHANISM_JOINTS)] = self._joints(mechanism)
        return told

    @property
    def joint_names(self) -> dict[str, tuple[str, ...]]:
        """Each mechanism's joints, from base to handle, by its task's name."""
        rows = zip(self.thing.later, self._made.mechanisms, strict=True)
        return {task.name: tuple(link.name for link in mechanism.links) for task, mechanism in rows}

    def _joints(self, mechanism: Mechanism) -> np.ndarray:
        names = [mechanism.prefix + link.name for link in mechanism.links]
        return np.array([self.data.qpos[self.model.joint(name).qposadr[0]] for name in names])

    def _reached(self, task: ComposeTaskConfig, mechanism: Mechanism) -> bool:
        """Whether an interaction's success condition holds now."""
        success, links = task.success, mechanism.links
        assert isinstance(success, InteractionSuccess)
        lower, upper = (np.array([[getattr(link, end) for link in links]]) for end in ("lower", "upper"))
        names = tuple(link.name for link in links)
        return bool(interaction_reached(success, names, self._joints(mechanism)[None], lower, upper)[0])

    @property
    def _retention(self) -> RetentionSuccess:
        success = self.thing.first.success
        assert isinstance(success, RetentionSuccess)
        return success

    @property
    def _rest(self) -> float:
        assert self.thing.draw.thing is not None
        return TABLE_HEIGHT + self.thing.draw.thing.rest_height

    @property
    def _lifted(self) -> bool:
        return bool(self.object_pose()[0][2] >= self._rest + LIFTED)
