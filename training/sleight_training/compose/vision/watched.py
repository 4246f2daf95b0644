"""A task with cameras: what an estimator sees of it, what is true, and what the task looks like to who believes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.compose.estimation import read_features
from sleight_core.observation import ObservationBuilder
from sleight_core.observation.compose_terms import MECHANISM_JOINTS
from sleight_core.observation.scene_terms import FIRST_CLOUD
from sleight_core.rotations import quat_normalize
from sleight_sim.engines import SimState
from sleight_sim.sensors.stream import CloudStream
from sleight_sim.tasks.compose.chain import MechanismState
from sleight_sim.tasks.compose.company import Company
from sleight_sim.tasks.compose.config import task_config
from sleight_sim.tasks.compose.env import ComposeStep, ComposeTask
from sleight_sim.tasks.compose.observation import ComposeObservation
from sleight_sim.tasks.compose.sight import SceneView

from sleight_training.compose.vision.config import FeatureRun
from sleight_training.compose.vision.estimator import estimator_terms

Array = NDArray[np.float64]
Ids = NDArray[np.int64]


def task_quantities(observation: ComposeObservation) -> dict[str, int]:
    """What a task's terms are made of: sizes of the quantities to be estimated, by name."""
    sizes = observation.sizes
    if MECHANISM_JOINTS in sizes:
        return {"handle_pos": 3, MECHANISM_JOINTS: sizes[MECHANISM_JOINTS]}
    return {"object_pos": 3, **({"object_quat": 4} if "object_quat" in sizes else {})}


class WatchedTask:
    """Environments of a task as an estimator meets them. After `reset` and after each `step`, ask `seen` once.

    Args:
        task: The environments.
        run: What is estimated, out of what, how clouds come about, and what else is in the scene.
        seed: Of the cameras' errors and of the company.
    """

    def __init__(self, task: ComposeTask, run: FeatureRun, *, seed: int = 0) -> None:
        self.task = task
        self.quantities = dict(run.quantities)
        self.builder = ObservationBuilder(task.table, estimator_terms(task.table, run.network.terms))
        points, clouds, others = run.network.cloud_points, run.clouds, run.company.tasks
        self._company = None
        if others:
            configs = [task_config(name) for name in others]
            self._company = Company(task.engine, task.config, configs, run.company.share, seed)
        surface = points * (1 if clouds.whole else clouds.spare)
        view = SceneView(task.engine, surface, seed=seed, company=self._company)
        self.clouds = CloudStream(clouds, view, points, task.num_envs, seed=seed)
        self._first = np.zeros((task.num_envs, points, 3), dtype=np.float32)

    @property
    def num_envs(self) -> int:
        """B."""
        return self.task.num_envs

    @property
    def in_company(self) -> NDArray[np.bool_]:
        """(B,) a thing of another task is in the scene."""
        return np.zeros(self.num_envs, dtype=bool) if self._company is None else self._company.there.copy()

    def reset(self, ids: Ids) -> None:
        """Start new episodes in environments ids (n,); each sees its first cloud at once."""
        if not len(ids):
            return
        self.task.reset(ids)
        if self._company is not None:
            self._company.reset(ids)
        self.look(ids)

    def look(self, ids: Ids) -> None:
        """See environments ids (n,), in which episodes have just started, for the first time."""
        self.clouds.reset(ids, self.task.engine)
        self._first[ids] = self.clouds.current[ids]

    def step(self, action: Array) -> ComposeStep:
        """Advance one action (B, 28)."""
        result = self.task.step(action)
        self.clouds.update(self.task.engine)
        return result

    def seen(self) -> NDArray[np.float32]:
        """What an estimator sees now (B, D): nothing else goes in."""
        state = self.task.observation.state(self.task.sim, None)
        return self.builder.compute(
            replace(state, privileged={}, scene_cloud=self.clouds.current, memory={FIRST_CLOUD: self._first})
        )

    def truth(self) -> Array:
        """The quantities as they are (B, E), in their order."""
        sim = self.task.sim
        known = {"object_pos": sim.object_pos, "object_quat": quat_normalize(sim.object_quat)}
        if MECHANISM_JOINTS in self.quantities:
            mechanism = self.task.mechanism
            known |= {"handle_pos": mechanism.handle_pos, MECHANISM_JOINTS: mechanism.joint_pos}
        return np.concatenate([known[name] for name in self.quantities], axis=-1)

    def terms(self, values: Array) -> dict[str, Array]:
        """The task's observation terms for who believes values (B, E) of the quantities."""
        believed = read_features(self.quantities, values)
        sim = believed_object(self.task.sim, believed)
        return self.task.observation.compute(sim, believed_mechanism(self.task, believed))


def believed_object(sim: SimState, believed: Mapping[str, Array]) -> SimState:
    """The state with the object where it is believed to be."""
    return replace(sim, **{name: believed[name] for name in ("object_pos", "object_quat") if name in believed})


def believed_mechanism(task: ComposeTask, believed: Mapping[str, Array]) -> MechanismState | None:
    """The mechanism as it is believed to be; None where the task has none."""
    if MECHANISM_JOINTS not in believed:
        return None
    return replace(task.mechanism, handle_pos=believed["handle_pos"], joint_pos=believed[MECHANISM_JOINTS])


class BelievedTask:
    """A task as a script sees it that knows only estimates of where things are.

    Headings, sizes and ranges of the joints, which no estimate says, stay the true ones: a mechanism seems to be moved
    by the error of its handle.

    Args:
        task: The environments; all but places is theirs.
        quantities: What is estimated.
        values: (B, E) what is believed; replace it before a script plans.
    """

    def __init__(self, task: ComposeTask, quantities: Mapping[str, int], values: Array) -> None:
        self._task = task
        self._quantities = dict(quantities)
        self.values = values

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    @property
    def believed(self) -> dict[str, Array]:
        """The believed quantities by name."""
        return read_features(self._quantities, self.values)

    @property
    def sim(self) -> SimState:
        """Hand and object, the latter where it is believed to be."""
        return believed_object(self._task.sim, self.believed)

    def handle_pose(self, joints: Array) -> tuple[Array, Array]:
        """Handles' poses with the mechanisms' joints at (B, M), where they are believed to be."""
        pos, quat = self._task.handle_pose(joints)
        believed = self.believed
        if "handle_pos" in believed:
            pos = pos + believed["handle_pos"] - self._task.mechanism.handle_pos
        return pos, quat


def unit_sizes(quantities: Mapping[str, int], ranges: Array) -> tuple[float, ...]:
    """What an error of 1 is to the learner, for each element: 1 cm, 0.1 of a quaternion, a tenth of a joint's range.

    Args:
        quantities: Sizes by name.
        ranges: (M,) ranges of the mechanism's joints; not used without one.
    """
    units: list[float] = []
    for name, size in quantities.items():
        if name == MECHANISM_JOINTS:
            units += [0.1 * float(value) for value in ranges]
        else:
            units += [0.1 if name == "object_quat" else 0.01] * size
    return tuple(units)
