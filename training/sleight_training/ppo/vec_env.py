"""The grasp task as rsl-rl's vectorised environment."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from rsl_rl.env import VecEnv
from sleight_sim.tasks.grasp.env import GraspTask
from tensordict import TensorDict


class Ended(Protocol):
    """Episodes that ended in one step: n environments, and whether each of the two things that are counted was so."""

    @property
    def ids(self) -> Sequence | np.ndarray:
        """(n,) environments."""
        ...

    @property
    def held(self) -> np.ndarray:
        """(n,) bool."""
        ...

    @property
    def ever(self) -> np.ndarray:
        """(n,) bool."""
        ...


class CountingVecEnv(VecEnv, ABC):
    """An environment of the runner: one that keeps its ended episodes until the runner has counted them.

    Attributes:
        ended: Those episodes.
        task: The task that it steps.
    """

    ended: list[Ended]
    task: Any


class GraspVecEnv(CountingVecEnv):
    """Adapts `GraspTask` to rsl-rl; a task that is on a GPU stays there.

    Observation groups: "policy" (what the robot will have) and "critic" (privileged, for the value function only).

    Args:
        task: The task; it is reset here, with episodes of random age.
        reward_scale: Factor on the reward, so that values stay of the order of 10.
        device: Where the learner's tensors live.
    """

    def __init__(self, task: GraspTask, *, reward_scale: float = 0.1, device: str = "cpu") -> None:
        self.task = task
        self.cfg = task.config.model_dump(mode="json")
        self.num_envs = task.num_envs
        self.num_actions = task.num_actions
        self.max_episode_length = task.config.episode_steps
        self.device = device
        self.reward_scale = reward_scale
        self.ended: list[Ended] = []
        self._on_host = isinstance(task.like, np.ndarray)
        obs, critic = task.reset(random_progress=True)
        # The first episodes start late on purpose: their results say nothing about the policy.
        self._whole = np.zeros(self.num_envs, dtype=bool)
        self._obs = self._pack(obs, critic)

    @property
    def episode_length_buf(self) -> torch.Tensor:  # type: ignore[override]
        """(B,) steps since each episode's start."""
        return torch.as_tensor(self.task.step_count, device=self.device)

    def get_observations(self) -> TensorDict:
        """Return the current observations."""
        return self._obs

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        """Advance one control step (see rsl-rl's VecEnv)."""
        if self._on_host:
            result = self.task.step(actions.cpu().numpy())
        else:
            # The task changes its arrays in place, which those of inference mode forbid elsewhere.
            with torch.inference_mode(False), torch.no_grad():
                result = self.task.step(actions.clone())
        if result.ended is not None:
            whole = self._whole[result.ended.ids] & result.ended.counted
            self._whole[result.ended.ids] = True
            if whole.any():
                self.ended.append(result.ended.select(whole))
        self._obs = self._pack(result.obs, result.critic)
        reward = torch.as_tensor(result.reward * self.reward_scale, device=self.device)
        done = torch.as_tensor(result.done, device=self.device)
        extras: dict = {"log": {f"Reward/{name}": value for name, value in result.terms.items()}}
        if self.task.config.bootstrap_timeouts:
            extras["time_outs"] = done.float()
        return self._obs, reward, done.long(), extras

    def _pack(self, obs: Any, critic: Any) -> TensorDict:
        groups = {"policy": torch.as_tensor(obs), "critic": torch.as_tensor(critic)}
        return TensorDict(groups, batch_size=[self.num_envs]).to(self.device)
