"""Held states of a ResDex policy: an exported bundle grasps any object, and what it holds is put among the others.

The policy acts in the tabletop grasp exactly as `sleight eval` runs it: its own world, hand, rate, observation and
action, reached through the bundle alone. When it has held the object near the goal for the bundle's hold time, hand and
object are set down, at rest and with the joint targets last sent, in a world of the compositions: the same hand and
object, but the wrist's position servo and the contact options of the DexCompose tasks. There the hand stands still, and
what it still holds after that is a held state. The two worlds differ in nothing else, so a grip that lasts is the
policy's; how many do not is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sleight_core.bundle import Bundle, PolicySession, load_bundle
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_sim.engines import InitialState
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.grasped import GRASP, grasp_as_task
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.compose.shapes import ShapeDraw, shape_draws
from sleight_sim.tasks.compose.variation import ObjectDraw, WorldDraw
from sleight_sim.tasks.compose.world import ComposeWorld, build_world
from sleight_sim.tasks.grasp.env import GraspTask
from sleight_sim.tasks.grasp.make import make_grasp_task

from sleight_training.compose.held.config import HeldConfig
from sleight_training.compose.held.source import Played
from sleight_training.evaluation.grasp import MAX_ENVS, adopt, evaluation_config

Array = NDArray[np.float64]


@dataclass
class _Grasps:
    """Where B hands and objects are when the policy has held on for long enough.

    Attributes:
        at: Joints, wrists and objects.
        targets: (B, A) rad, joint targets last sent.
        held: (B,) whether it has; else the rest is where the episode ended.
    """

    at: InitialState
    targets: Array
    held: NDArray[np.bool_]

    @classmethod
    def of(cls, task: GraspTask) -> _Grasps:
        """As a task's environments are now."""
        sim = task.sim
        arrays = sim.joint_pos, sim.wrist_pos, sim.wrist_quat, sim.object_pos, sim.object_quat
        at = InitialState(*(np.array(array) for array in arrays))
        return cls(at, np.array(task.sent_targets), np.zeros(task.num_envs, dtype=bool))

    def take(self, other: _Grasps, ids: NDArray[np.integer]) -> None:
        """Take environments ids (n,) from another."""
        for name, rows in vars(self.at).items():
            rows[ids] = getattr(other.at, name)[ids]
        self.targets[ids] = other.targets[ids]


class GraspRounds:
    """A grasp bundle as a source of held states.

    Args:
        bundle: Folder of the bundle; its hand is that of the compositions.
        objects: Object set, as `resolve_objects` understands it; "own" is the bundle's.
        config: Figures of the collection; the first `config.worlds` objects are grasped, each equally often.
        name: What the grasp is called as a task.
        mesh_scale: Metres per unit of mesh files.
        num_threads: Threads; 0 for one a core.

    Attributes:
        reached: Episodes so far in which the policy held the object.

    Raises:
        SleightError: The bundle is none, or not for a grasp with this hand, or there are no such objects.
    """

    def __init__(
        self,
        bundle: Path,
        objects: str,
        config: HeldConfig,
        *,
        name: str = GRASP,
        mesh_scale: float = 1.0,
        num_threads: int = 0,
    ) -> None:
        self._bundle = _grasp_bundle(bundle)
        self._grasp = evaluation_config(self._bundle)
        self.task = grasp_as_task(self._grasp, name)
        self.table = compose_hand(self.task)
        if self.table.name != self._grasp.hand:
            raise SleightError(
                f"compositions have hand '{self.table.name}'",
                value=f"{self._bundle.manifest.name}: {self._grasp.hand}",
                remedy="use a bundle of a grasp policy for that hand",
            )
        self.name = f"bundle {self._bundle.id}"
        self.config = config
        own = self._bundle.manifest.task.object.set
        things = resolve_objects(objects, own=own, mesh_scale=mesh_scale)[: min(config.worlds, MAX_ENVS)]
        draws = shape_draws(things)
        self.draws: Sequence[ObjectDraw | ShapeDraw] = draws
        self._things = [draw.spec for draw in draws]
        self.episodes = min(MAX_ENVS, max(config.count, len(self.draws)))
        self.reached = 0
        self._num_threads = num_threads
        self._policy = PolicySession(self._bundle)
        self._worlds: list[ComposeWorld] = []

    def play(self, number: int) -> Played:
        """Play round `number`, from 0."""
        seed = self.config.seed + 1 + number
        task = make_grasp_task(self._grasp, self._things, self.episodes, seed=seed, num_threads=self._num_threads)
        adopt(task, self._bundle)
        grasps = self._until_held(task)
        self.reached += int(grasps.held.sum())
        names = [thing.name for thing in self._things]
        world = np.array([names.index(thing.name) for thing in task.objects], dtype=np.int64)
        return self._set_down(grasps, world, seed)

    def _until_held(self, task: GraspTask) -> _Grasps:
        obs, _ = task.reset()
        found = _Grasps.of(task)
        # The last step of an episode begins the next one.
        for _ in range(task.config.episode_steps - 1):
            obs = task.step(self._policy.act_batch(obs)).obs
            held = task.metrics.held & (task.metrics.streak > 0) & ~task.engine.failed()
            fresh = np.flatnonzero(held & ~found.held)
            if len(fresh):
                found.take(_Grasps.of(task), fresh)
                found.held[fresh] = True
            if found.held.all():
                break
        found.take(_Grasps.of(task), np.flatnonzero(~found.held))
        return found

    def _set_down(self, grasps: _Grasps, world: NDArray[np.int64], seed: int) -> Played:
        """Go on in the compositions' worlds: at rest, under the targets last sent, standing still."""
        config = self.task
        if not self._worlds:
            draws = [WorldDraw(draw, None) for draw in self.draws]
            self._worlds = [build_world(self.table, draw, config.timestep) for draw in draws]
        worlds = [self._worlds[index] for index in world]
        engine = ComposeEngine(self.table, worlds, substeps=config.substeps, num_threads=self._num_threads)
        task = ComposeTask(engine, config, seed=seed)
        at = grasps.at
        engine.reset_worlds(np.arange(len(world)), at, at.object_pos, at.object_quat)
        task.sent_targets[:] = grasps.targets
        task.refresh()
        hold = task.hold()
        for _ in range(self.config.settle):
            task.step(hold)
        return Played(task, world, hold, grasps.held)


def _grasp_bundle(path: Path) -> Bundle:
    """Load a bundle and verify that it is one of a grasp policy.

    Raises:
        SleightError: It is not.
    """
    found = load_bundle(path, simulation=True).manifest
    if found.task.name != "grasp":
        raise SleightError("this bundle is of another task than a grasp", value=f"{found.name}: {found.task.name}")
    return load_bundle(path, load_hand(found.hand.name), simulation=True)
