"""The engine's end: starts Isaac Gym's process, and speaks to it in frames."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.engines.base import InitialState, SimState
from sleight_sim.engines.isaacgym.assets import describe_world, write_assets
from sleight_sim.engines.isaacgym.locate import DEVICE, isaacgym_python, process_folder
from sleight_sim.engines.isaacgym.process import wire
from sleight_sim.engines.layout import WorldLayout
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.worlds.tabletop import PhysicsVariation

#: How long the process may take to build the worlds, s: the first start compiles Isaac Gym's torch extension.
BUILD_PATIENCE = 1800.0
#: How long one control step may take, s.
STEP_PATIENCE = 120.0
#: How long the process may take to end, s.
GRACE = 10.0
#: Characters of the process's own last words in a message.
LAST_WORDS = 300


@dataclass(frozen=True)
class GymOptions:
    """How Isaac Gym is run.

    Attributes:
        substeps: Physics steps in a control period.
        control_period: s.
        device: Of the simulation; None for the variable SLEIGHT_ISAACGYM_DEVICE, or the first GPU.
    """

    substeps: int = 2
    control_period: float = 1.0 / 60.0
    device: str | None = None


class IsaacGymEngine:
    """A batch of worlds in an Isaac Gym process.

    Args:
        table: The hand, on a floating wrist.
        things, variations: (V,) objects and physics of each variant.
        variant: (B,) variant of each environment.
        model: A world's model, for the layout of `positions`.
        options: How Isaac Gym is run.

    Raises:
        SleightError: The hand is on an arm; Isaac Gym is not installed, or cannot build the worlds.
    """

    def __init__(
        self,
        table: HandTable,
        things: Sequence[ObjectSpec],
        variations: Sequence[PhysicsVariation],
        variant: Sequence[int],
        model: mujoco.MjModel,
        options: GymOptions | None = None,
    ) -> None:
        if table.wrist_mode != "floating":
            raise SleightError(
                "the engine isaacgym has hands on a floating wrist only", value=table.name, remedy="use mujoco"
            )
        options = options or GymOptions()
        self.table = table
        self.num_envs = len(variant)
        self._fields = wire.state_fields(len(table.joint_names), len(table.fingers))
        self._layout, self._nq = WorldLayout.of(model, table), model.nq
        python = isaacgym_python()
        folder = tempfile.TemporaryDirectory(prefix="sleight_isaacgym_")
        write_assets(Path(folder.name), table, things, [variation.mass for variation in variations])
        description = describe_world(
            Path(folder.name),
            table,
            things,
            variations,
            variant,
            control_period=options.control_period,
            substeps=options.substeps,
            device=os.environ.get(DEVICE) or options.device or "cuda:0",
        )
        self._process = _Process(python, folder)
        weakref.finalize(self, self._process.end)
        self._process.link.settimeout(BUILD_PATIENCE)
        self._state = self._ask(wire.BUILD, wire.describe(description))
        self._process.link.settimeout(STEP_PATIENCE)

    def reset(self, ids: np.ndarray, initial: InitialState) -> None:
        """Put environments into their initial states (see `Engine.reset`)."""
        if len(ids) == 0:
            return
        starts = (initial.joint_pos, initial.wrist_pos, initial.wrist_quat, initial.object_pos, initial.object_quat)
        head = wire.integers([len(ids)]) + wire.integers(ids)
        self._state = self._ask(wire.RESET, head, *(wire.floats(start) for start in starts))

    def step(self, joint_targets: np.ndarray, wrist_twist: np.ndarray) -> None:
        """Advance one control period (see `Engine.step`)."""
        self._state = self._ask(wire.STEP, wire.floats(joint_targets), wire.floats(wrist_twist))

    def apply_force(self, force: np.ndarray) -> None:
        """Pull at the objects (see `Engine.apply_force`)."""
        self._process.tell(wire.FORCE, wire.floats(force))

    def state(self) -> SimState:
        """The current state (see `Engine.state`)."""
        found: dict[str, np.ndarray] = {}
        column = 0
        for name, width in self._fields:
            found[name] = self._state[:, column : column + width].astype(float)
            column += width
        found["fingertip_wrench"] = found["fingertip_wrench"].reshape(self.num_envs, -1, 6)
        return SimState(**found)

    def positions(self) -> np.ndarray:
        """Generalised positions in MuJoCo's layout (see `Engine.positions`)."""
        state, qpos = self.state(), np.zeros((self.num_envs, self._nq))
        start = InitialState(state.joint_pos, state.wrist_pos, state.wrist_quat, state.object_pos, state.object_quat)
        self._layout.put(qpos, start)
        return qpos

    def failed(self) -> np.ndarray:
        """Environments whose state is no longer finite (see `Engine.failed`)."""
        return np.asarray(~np.isfinite(self._state).all(axis=-1))

    def close(self) -> None:
        """End the process."""
        self._process.end()

    def _ask(self, kind: int, *parts: bytes) -> np.ndarray:
        content = self._process.ask(kind, *parts)
        width = sum(width for _, width in self._fields)
        return wire.read_floats(content, (width,), self.num_envs)[0]


class _Process:
    """A running simulator.

    Args:
        python: The Python that has Isaac Gym.
        folder: Of the assets; goes with the process.
    """

    def __init__(self, python: str, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._folder = folder
        self._log = Path(folder.name) / "isaacgym.log"
        self.link, far = socket.socketpair()
        with far, self._log.open("wb") as output:
            self._popen = subprocess.Popen(
                [python, str(process_folder()), str(far.fileno())],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def tell(self, kind: int, *parts: bytes) -> None:
        """Send a frame that has no answer.

        Raises:
            SleightError: The process is gone.
        """
        try:
            wire.send(self.link, kind, *parts)
        except OSError as error:
            raise self._lost() from error

    def ask(self, kind: int, *parts: bytes) -> bytearray:
        """Send a frame and wait for the state.

        Raises:
            SleightError: The process failed, hangs or is gone.
        """
        self.tell(kind, *parts)
        try:
            kind, content = wire.receive(self.link)
        except (OSError, EOFError, ValueError) as error:
            raise self._lost() from error
        if kind == wire.ERROR:
            words = " ".join(bytes(content).decode("utf-8", "replace").split())
            self.end()
            raise SleightError("Isaac Gym failed", value=words, remedy="see docs/isaac.md")
        if kind != wire.STATE:
            raise SleightError("Isaac Gym's process answers nonsense", value=f"frame {kind}")
        return content

    def end(self) -> None:
        """Close the link, which ends the process, and remove its files."""
        self.link.close()
        try:
            self._popen.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def _lost(self) -> SleightError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=1.0)
        status = self._popen.poll()
        words = " ".join(self._log.read_text(errors="replace").split())[-LAST_WORDS:] if self._log.exists() else ""
        how = "hangs" if status is None else f"ended with status {status}"
        return SleightError(f"Isaac Gym's process {how}", value=words or None, remedy="see docs/isaac.md")
