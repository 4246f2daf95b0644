"""MuJoCo on a GPU: mujoco_warp, all worlds in one model. It also runs on the CPU, slowly, so that it can be tested."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import torch
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.engines.base import InitialState, SimState
from sleight_sim.engines.layout import WorldLayout
from sleight_sim.engines.warp_model import put_worlds, require_warp
from sleight_sim.worlds.shared import SharedWorlds

Array = Any


@dataclass(frozen=True)
class WarpOptions:
    """Where and how large.

    The largest counts seen in 40 worlds with ten household objects in the grip of the shipped policy are 51 contacts
    and 240 constraint rows, for a bowl of 15 pieces; the mean is 15 contacts.

    Attributes:
        device: Warp's name of the device, "cuda:0" or "cpu"; None: the first GPU, or the CPU without one.
        contacts: Contacts a world there is room for, on average over all worlds (they share one buffer).
        constraints: Constraint rows there is room for in each world.
        arrays: "numpy": states are float64 on the host, copied in every step; "torch": float32 tensors on the device.
    """

    device: str | None = None
    contacts: int = 64
    constraints: int = 384
    arrays: str = "numpy"


@dataclass(frozen=True)
class WarpMemory:
    """Bytes of the arrays that one engine holds on the device.

    Attributes:
        per_world: Of one more world: state, contact and constraint buffers, and its own model fields.
        shared: Of what all worlds share: meshes and other model fields.
    """

    per_world: int
    shared: int


class MujocoWarpEngine:
    """Runs world i as variant `variant[i]`.

    Args:
        table: The hand in the worlds.
        worlds: The variants.
        variant: (B,) variant of each world.
        substeps: Physics steps a control period.
        options: Device and buffer sizes.

    Raises:
        SleightError: mujoco_warp is not installed, the device is not there, the hand is on an arm, or the worlds cannot
            share a model.
    """

    def __init__(
        self,
        table: HandTable,
        worlds: SharedWorlds,
        variant: Sequence[int],
        *,
        substeps: int = 3,
        options: WarpOptions | None = None,
    ) -> None:
        self._mjw, self._wp = mjw, warp = require_warp()
        self.options = options = options or WarpOptions()
        self.device = _device(warp, options.device)
        self.table = table
        self.num_envs = len(variant)
        self.substeps = substeps
        if table.wrist_mode != "floating":
            raise SleightError(
                "mujoco_warp runs hands on a floating wrist", value=table.name, remedy="use --engine mujoco"
            )
        if worlds.model.na:
            raise SleightError("mujoco_warp runs no actuators with a state here", value=f"na = {worlds.model.na}")
        self._models = [worlds.variants[k] for k in variant]
        # One for all: it only shows a reset world's first sensor values, and all variants have its layout.
        self._scratch = mujoco.MjData(worlds.variants[0])
        self.layout = WorldLayout.of(worlds.model, table)
        with warp.ScopedDevice(self.device):
            self.model = put_worlds(worlds, variant)
            self.data = mjw.make_data(
                worlds.model, nworld=self.num_envs, nconmax=options.contacts, njmax=options.constraints
            )
        view = warp.to_torch
        data = self.data
        self._qpos, self._qvel, self._ctrl = view(data.qpos), view(data.qvel), view(data.ctrl)
        self._applied, self._sensors = view(data.qfrc_applied), view(data.sensordata)
        self._warmstart, self._overflow = view(data.qacc_warmstart), view(data.overflow)
        self._failed = torch.zeros(self.num_envs, dtype=torch.bool, device=self._qpos.device)
        self._graph: Any = None
        flags = mjw.OverflowType
        self._fatal = int(flags.NEFC | flags.NJMAX_NNZ | flags.BROADPHASE | flags.NARROWPHASE | flags.CCD)

    def reset(self, ids: Array, initial: InitialState) -> None:
        """Put environments into their initial states (see `Engine.reset`).

        Their first sensor values come from MuJoCo on the host: a forward pass on the device would be one of all worlds.
        """
        if len(ids) == 0:
            return
        host = InitialState(**{name: _host(value) for name, value in vars(initial).items()})
        rows = np.asarray(_host(ids), dtype=int)
        targets = host.joint_pos[:, self.table.actuated_index]
        qpos = np.tile(self._models[0].qpos0, (len(rows), 1))
        self.layout.put(qpos, host)
        sensors, warmstart = np.empty((len(rows), self._sensors.shape[1])), np.empty((len(rows), self._qvel.shape[1]))
        ctrl = np.zeros((len(rows), self._ctrl.shape[1]))
        ctrl[:, self.layout.joint_ctrl] = targets
        scratch = self._scratch
        for k, i in enumerate(rows):
            mujoco.mj_resetData(self._models[i], scratch)
            scratch.qpos[:], scratch.ctrl[:] = qpos[k], ctrl[k]
            mujoco.mj_forward(self._models[i], scratch)
            sensors[k], warmstart[k] = scratch.sensordata, scratch.qacc_warmstart
        where = torch.as_tensor(rows, device=self._qpos.device)
        self._qpos[where], self._ctrl[where] = self._tensor(qpos), self._tensor(ctrl)
        self._sensors[where], self._warmstart[where] = self._tensor(sensors), self._tensor(warmstart)
        self._qvel[where] = 0.0
        self._applied[where] = 0.0
        self._failed[where] = False

    def step(self, joint_targets: Array, wrist_twist: Array) -> None:
        """Advance one control period (see `Engine.step`).

        Raises:
            SleightError: A world has more contacts or constraints than there is room for.
        """
        self._ctrl[:, self.layout.joint_ctrl] = self._tensor(joint_targets)
        self._ctrl[:, self.layout.wrist_ctrl] = self._tensor(wrist_twist)
        self._advance()
        self._failed = ~torch.isfinite(self._qpos).all(dim=-1)
        if bool((self._overflow & self._fatal).any()):
            self._refuse_overflow()

    def apply_force(self, force: Array) -> None:
        """Pull at the objects (see `Engine.apply_force`)."""
        at = self.layout.object_qvel
        self._applied[:, at : at + 3] = self._tensor(force)

    def state(self) -> SimState:
        """Copy the current state (see `Engine.state`)."""
        if self.options.arrays == "torch":
            return self.layout.read(self._qpos, self._qvel, self._sensors)
        return self.layout.read(_host(self._qpos), _host(self._qvel), _host(self._sensors))

    def failed(self) -> Array:
        """Environments whose state is no longer finite (see `Engine.failed`)."""
        return self._failed if self.options.arrays == "torch" else self._failed.cpu().numpy()

    def positions(self) -> np.ndarray:
        """Generalised positions of all environments, (B, nq) on the host, for recording."""
        return _host(self._qpos)

    def memory(self) -> WarpMemory:
        """Count what the engine's arrays take on the device."""
        own, shared = _model_bytes(self._wp, self.model)
        return WarpMemory(_bytes(self._wp, self.data) // self.num_envs + own // self.num_envs, shared)

    def _advance(self) -> None:
        mjw, wp = self._mjw, self._wp
        if not self.device.is_cuda:
            with wp.ScopedDevice(self.device):
                for _ in range(self.substeps):
                    mjw.step(self.model, self.data)
            return
        # On torch's stream, after what torch has written and before what it reads.
        stream = wp.stream_from_torch(torch.cuda.current_stream(self._qpos.device))
        if self._graph is None:
            self._graph = self._capture()
        wp.capture_launch(self._graph, stream=stream)

    def _capture(self) -> Any:
        """Record a control period's kernels; one launch then replaces hundreds."""
        mjw, wp = self._mjw, self._wp
        torch.cuda.synchronize(self._qpos.device)
        with wp.ScopedDevice(self.device):
            # Modules load at their first launch, which is not allowed while a graph is recorded.
            before = [array.clone() for array in self._persistent]
            mjw.step(self.model, self.data)
            wp.synchronize_device(self.device)
            for array, value in zip(self._persistent, before, strict=True):
                array.copy_(value)
            torch.cuda.synchronize(self._qpos.device)
            with wp.ScopedCapture() as capture:
                for _ in range(self.substeps):
                    mjw.step(self.model, self.data)
        return capture.graph

    @property
    def _persistent(self) -> tuple[torch.Tensor, ...]:
        return (self._qpos, self._qvel, self._warmstart, self._sensors, self._overflow)

    def _tensor(self, values: Array) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self._qpos.device)

    def _refuse_overflow(self) -> None:
        flags, options = self._mjw.OverflowType, self.options
        found = int(np.bitwise_or.reduce(_host(self._overflow).astype(int)))
        if found & int(flags.NEFC | flags.NJMAX_NNZ):
            raise SleightError(
                "a world has more constraint rows than there is room for",
                value=f"{int(self.data.nefc.numpy().max())} rows, constraints={options.constraints}",
                remedy="raise WarpOptions.constraints",
            )
        seen = max(int(self.data.nacon.numpy()[0]), int(self.data.ncollision.numpy()[0]))
        raise SleightError(
            "the worlds have more contacts than there is room for",
            value=f"{seen} candidates, {self.data.naconmax} = {self.num_envs} worlds x contacts={options.contacts}",
            remedy="raise WarpOptions.contacts",
        )


def _device(warp: Any, name: str | None) -> Any:
    """Warp's device.

    Raises:
        SleightError: There is no such device.
    """
    try:
        return warp.get_device("cuda:0" if name is None and warp.is_cuda_available() else name or "cpu")
    except Exception as error:  # Warp raises ValueError or RuntimeError by the kind of name.
        known = [str(device) for device in warp.get_devices()]
        raise SleightError("warp has no such device", value=name, remedy=f"choose one of {known}") from error


def _host(values: Array) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        return values.double().cpu().numpy() if values.is_floating_point() else values.cpu().numpy()
    return np.asarray(values)


def _bytes(wp: Any, owner: Any) -> int:
    """Bytes of the arrays in a dataclass and those it holds."""
    return sum(_size(wp, getattr(owner, field.name, None)) for field in dataclasses.fields(owner))


def _model_bytes(wp: Any, model: Any) -> tuple[int, int]:
    """Bytes of a model's fields that each world has of its own, and of the others."""
    shapes = {field.name: getattr(field.type, "shape", ()) for field in dataclasses.fields(model)}
    values = [getattr(model, name) for name, shape in shapes.items() if shape and shape[0] == "*"]
    own = sum(_size(wp, value) for value in values if len(value.shape) and value.shape[0] > 1)
    return own, _bytes(wp, model) - own


def _size(wp: Any, value: Any) -> int:
    if isinstance(value, wp.array):
        return value.size * wp.types.type_size_in_bytes(value.dtype)
    return _bytes(wp, value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else 0
