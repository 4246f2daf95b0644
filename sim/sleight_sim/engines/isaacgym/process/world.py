"""A batch of grasping worlds in Isaac Gym: what the `Engine` protocol asks for, in its orders and units."""

from typing import Any, Dict, List

import numpy as np
import torch
import wire
import wrist
from scene import Scene

Array = np.ndarray


class World:
    """B environments; arrays are float32, quaternions wxyz, frames the task frame.

    Args:
        description: What `sleight_sim.engines.isaacgym.assets` wrote.
    """

    def __init__(self, description: Dict[str, Any]) -> None:
        self._scene = scene = Scene(description)
        hand, device = description["hand"], scene.device
        self.num_envs = scene.num_envs
        self.joint_names: List[str] = [row["name"] for row in hand["joints"]]
        self.actuated: List[str] = hand["actuated"]
        self.fingers = len(hand["distal_bodies"])

        def places(names: Any) -> Any:
            return torch.tensor([scene.dof_of[name] for name in names], dtype=torch.int64, device=device)

        self._joints, self._motors = places(self.joint_names), places(self.actuated)
        self._slides, self._turns = places(wrist.SLIDES), places(wrist.TURNS)
        couplings = hand["couplings"]
        self._coupled, self._drivers = places(c["joint"] for c in couplings), places(c["driver"] for c in couplings)
        self._ratios = torch.tensor([c["ratio"] for c in couplings], dtype=torch.float32, device=device)
        shape = (self.num_envs, len(scene.dof_of))
        self._positions, self._velocities = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        self._forces = torch.zeros((scene.body_count, 3), device=device)
        self._pulls = False
        #: Environments with a new start that the simulation has not heard of.
        self._pending = torch.zeros(self.num_envs, dtype=torch.bool, device=device)

    def reset(self, ids: Array, starts: List[Array]) -> None:
        """Start new episodes.

        Args:
            ids: (n,) environments.
            starts: Joint positions (n, J), wrist position (n, 3) and quaternion, object position and quaternion.
        """
        scene = self._scene
        device = scene.device
        envs = torch.as_tensor(np.asarray(ids, dtype=np.int64), device=device)
        joints, place, turn, spot, pose = (torch.as_tensor(np.array(start), device=device) for start in starts)
        rows = envs[:, None]
        scene.dof_state[envs] = 0.0
        for where, values in ((self._joints, joints), (self._slides, place), (self._turns, wrist.angles_of(turn))):
            scene.dof_state[rows, where[None, :], 0] = values
        actors = scene.object_actors[envs].long()
        still = torch.zeros_like(spot)
        scene.root_state[actors] = torch.cat([spot + scene.origins[envs], _to_xyzw(pose), still, still], dim=-1)
        # Nothing has touched anything yet; the sensors show the episode before.
        scene.sensors[envs] = 0.0
        # Isaac Gym takes one set of indices a step: what is set twice is set once, by the second.
        self._pending[envs] = True

    def step(self, targets: Array, twist: Array) -> None:
        """Advance one control period under joint targets (B, A) rad and twists (B, 6) m/s, rad/s."""
        scene = self._scene
        device = scene.device
        envs = self._pending.nonzero(as_tuple=False)[:, 0]
        if len(envs):
            scene.write_states(envs)
            self._pending[:] = False
        command = torch.as_tensor(np.array(twist), device=device)
        self._positions[:, self._motors] = torch.as_tensor(np.array(targets), device=device)
        if len(self._coupled):
            # The tendon, as a drive that follows the joint that is driven.
            self._positions[:, self._coupled] = self._ratios * scene.dof_state[:, self._drivers, 0]
        self._velocities[:, self._slides] = command[:, :3]
        self._velocities[:, self._turns] = wrist.rates_of(scene.dof_state[:, self._turns, 0], command[:, 3:])
        scene.drive(self._positions, self._velocities)
        if self._pulls:
            scene.pull(self._forces)
        scene.advance()

    def pull(self, force: Array) -> None:
        """Pull at the objects with forces (B, 3) N in all steps until the next call."""
        self._forces[self._scene.object_bodies] = torch.as_tensor(np.array(force), device=self._scene.device)
        self._pulls = bool(np.any(force))

    def state(self) -> Array:
        """The state of all environments, (B, W) float32, in the columns of `wire.state_fields`."""
        scene, b = self._scene, self.num_envs
        angles, rates = scene.dof_state[:, self._turns, 0], scene.dof_state[:, self._turns, 1]
        thing = scene.root_state[scene.object_actors.long()]
        columns = {
            "joint_pos": scene.dof_state[:, self._joints, 0],
            "joint_vel": scene.dof_state[:, self._joints, 1],
            "wrist_pos": scene.dof_state[:, self._slides, 0],
            "wrist_quat": wrist.quat_of(angles),
            "wrist_linvel": scene.dof_state[:, self._slides, 1],
            "wrist_angvel": wrist.angvel_of(angles, rates),
            "fingertip_wrench": scene.sensors.reshape(b, -1),
            "object_pos": thing[:, 0:3] - scene.origins,
            "object_quat": _to_wxyz(thing[:, 3:7]),
            "object_linvel": thing[:, 7:10],
            "object_angvel": thing[:, 10:13],
        }
        fields = wire.state_fields(len(self.joint_names), self.fingers)
        return torch.cat([columns[name] for name, _ in fields], dim=-1).cpu().numpy()

    def close(self) -> None:
        """Let go of the simulation."""
        self._scene.close()


def _to_xyzw(quat: Any) -> Any:
    return torch.cat([quat[..., 1:], quat[..., :1]], dim=-1)


def _to_wxyz(quat: Any) -> Any:
    return torch.cat([quat[..., 3:], quat[..., :3]], dim=-1)
