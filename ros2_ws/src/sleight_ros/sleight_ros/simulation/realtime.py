"""Runs a world in real time on a thread of its own and hands out what a robot's driver would."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from sleight_ros.simulation.world import RobotReading, TaskVerdict, Thing, World
from sleight_ros.timing import Recent, sharpen_timers, sleep_until, step_back

#: After a stall longer than this many control periods the lost time is dropped instead of being caught up.
LONGEST_CATCH_UP = 6


@dataclass(frozen=True)
class EpisodeState:
    """Where the episode stands; ground truth, for scoring only.

    Attributes:
        episode: Resets since the start.
        step: Control steps since the first joint command after the reset; 0 before it.
        object_pos, object_quat: Pose of the object.
        name: Name of the object.
        done: The last step is reached.
        success: The object was held at the goal when it was.
        privileged: What a simulation-only policy may see, by the names of its terms; empty in most worlds.
        verdicts: What came of each task of a composition; empty in most worlds.
    """

    episode: int
    step: int
    object_pos: np.ndarray
    object_quat: np.ndarray
    name: str
    done: bool
    success: bool
    privileged: dict[str, np.ndarray]
    verdicts: tuple[TaskVerdict, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """A configuration for the cameras: which model, when (ns), where everything is."""

    model: mujoco.MjModel
    stamp: int
    qpos: np.ndarray


class RealtimeWorld(threading.Thread):
    """The physics loop.

    Every physics step applies the newest command. A joint command older than `driver_timeout` keeps its target, as
    position controllers do; a twist older than that becomes zero, as velocity controllers with a watchdog do.

    Args:
        world: The world; only this thread touches it once it runs.
        publish: Called on the loop's thread at every control step, right on time, with the state of that moment.
        episode_steps: Control steps an episode.
        driver_timeout: s.
        log_folder: Where trajectories are written, one file an episode; None for nowhere.
        sim_clock: Stamps count simulated time from 0 instead of the system's clock.
    """

    def __init__(
        self,
        world: World[Any],
        publish: Callable[[int, RobotReading, EpisodeState], None],
        *,
        episode_steps: int,
        driver_timeout: float,
        log_folder: Path | None = None,
        sim_clock: bool = False,
    ) -> None:
        super().__init__(name="physics", daemon=True)
        self.world = world
        self.lateness, self.period_errors = Recent(), Recent()
        self.overruns = 0
        self.stalls = 0
        self.failure = ""
        self._publish = publish
        self._episode_steps = episode_steps
        self._driver_timeout = driver_timeout
        self._sim_clock = sim_clock
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._targets: np.ndarray | None = None
        self._twist: tuple[float, np.ndarray] = (0.0, np.zeros(6))
        self._episode = 0
        self._step = 0
        self._result: bool | None = None
        self._verdicts: tuple[TaskVerdict, ...] = ()
        self._snapshot: Snapshot | None = None
        self._rows: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._log = TrajectoryLog(log_folder) if log_folder else None

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest configuration; None before the first control step."""
        return self._snapshot

    def command_joints(self, targets: np.ndarray) -> None:
        """Set joint targets (A,) rad, from any thread."""
        self._targets = targets

    def command_twist(self, twist: np.ndarray) -> None:
        """Set the wrist twist (6,), from any thread."""
        self._twist = (time.perf_counter(), twist)

    def reset(self, thing: Thing, rng: np.random.Generator) -> None:
        """Start a new episode, from any thread."""
        model = self.world.model_for(thing)
        with self._lock:
            self._flush()
            if model is not self.world.model:
                self.world.load(thing)
            self.world.reset(rng)
            self._targets = None
            self._twist = (0.0, np.zeros(6))
            self._episode += 1
            self._step = 0
            self._result = None

    def stop(self) -> None:
        """End the loop and write what is not written yet."""
        self._ended.set()
        if self.is_alive():
            self.join(timeout=2.0)
        self._flush()
        if self._log is not None:
            self._log.close()

    def run(self) -> None:
        """Step until `stop`."""
        sharpen_timers()
        try:
            self._loop()
        except Exception as error:  # the node reports it and stays answerable
            self.failure = f"{type(error).__name__}: {error}"

    def _loop(self) -> None:
        substeps, dt = self.world.substeps, self.world.timestep
        period = dt * substeps
        start = last = time.perf_counter()
        k = 0
        while not self._ended.is_set():
            late = sleep_until(start + k * dt)
            if late > LONGEST_CATCH_UP * period:
                self.stalls += 1
                start += late
            if k % substeps == 0:
                now = time.perf_counter()
                self.lateness.add(late)
                self.period_errors.add(now - last - period if k else 0.0)
                self.overruns += late > period
                last = now
                self._control_step(round(k * dt * 1e9) if self._sim_clock else time.time_ns())
            with self._lock:
                self._apply()
                self.world.step()
            k += 1

    def _apply(self) -> None:
        targets, (received, twist) = self._targets, self._twist
        if targets is not None:
            self.world.command_joints(targets)
        fresh = time.perf_counter() - received <= self._driver_timeout
        self.world.command_twist(twist if fresh else np.zeros(6))

    def _control_step(self, stamp: int) -> None:
        with self._lock:
            world = self.world
            if not world.finite:
                raise FloatingPointError(f"physics diverged with {world.thing.name}")
            reading = world.read()
            pos, quat = world.object_pose()
            if self._targets is not None and self._result is None:
                self._step += 1
                world.count()
                if self._step >= self._episode_steps:
                    self._result, self._verdicts = world.succeeded, world.verdicts
            done = self._result is not None
            state = EpisodeState(
                self._episode,
                self._step,
                pos,
                quat,
                world.thing.name,
                done,
                bool(self._result),
                world.privileged(),
                self._verdicts if done else world.verdicts,
            )
            qpos = world.data.qpos.copy()
            self._snapshot = Snapshot(world.model, stamp, qpos)
            if self._log is not None and self._episode:
                self._rows.append((stamp, qpos, world.data.ctrl.copy()))
        self._publish(stamp, reading, state)

    def _flush(self) -> None:
        if self._log is not None and self._rows:
            self._log.put(self._episode, self.world.thing.name, self._rows)
        self._rows = []


class TrajectoryLog:
    """Writes true trajectories on a thread of its own, so that the disk never delays the physics.

    Args:
        folder: Gets one ``episode_<n>.npz`` an episode: stamps (T,) ns, qpos (T, Q), ctrl (T, U), name.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._queue: queue.Queue[tuple[int, str, list[tuple[int, np.ndarray, np.ndarray]]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="trajectory log", daemon=True)
        self._thread.start()

    def put(self, episode: int, name: str, rows: list[tuple[int, np.ndarray, np.ndarray]]) -> None:
        """Hand over one episode."""
        self._queue.put((episode, name, rows))

    def close(self) -> None:
        """Write what is left."""
        self._queue.put(None)
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        step_back()
        while (item := self._queue.get()) is not None:
            episode, name, rows = item
            stamps, qpos, ctrl = (np.array(column) for column in zip(*rows, strict=True))
            path = self._folder / f"episode_{episode:03d}.npz"
            partial = path.with_suffix(".part.npz")
            np.savez(partial, stamps=stamps, qpos=qpos, ctrl=ctrl, name=np.array(name))
            partial.replace(path)
