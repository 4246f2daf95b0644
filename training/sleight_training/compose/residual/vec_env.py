"""Both residuals' trainings as rsl-rl's vectorised environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensordict import TensorDict

from sleight_training.compose.residual.bank import TransitionBank
from sleight_training.compose.residual.composite import CompositeTask
from sleight_training.compose.residual.config import RewardConfig
from sleight_training.compose.residual.holding import Corrections
from sleight_training.compose.residual.network import FIRST, PRIVILEGED, SECOND
from sleight_training.compose.residual.policy import ResidualPolicy, scatter
from sleight_training.compose.residual.rewards import hold_reward, second_reward
from sleight_training.compose.residual.stabilise import StabiliserTask
from sleight_training.ppo.vec_env import CountingVecEnv, Ended

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EndedEpisodes:
    """Episodes that ended in one step.

    Attributes:
        ids: (n,) environments.
        held: (n,) stabiliser: the object was held to the end; second: the composite success.
        ever: (n,) stabiliser: the same; second: the interaction was done.
    """

    ids: NDArray[np.int64]
    held: NDArray[np.bool_]
    ever: NDArray[np.bool_]


class _ResidualVecEnv(CountingVecEnv):
    """What both have in common.

    Args:
        num_envs: B.
        columns: Elements that the actor's output is for.
        reward: Weights.
        gamma: PPO's discount.
        reward_scale: Factor on the reward.
        steps: Actions of an episode.
    """

    def __init__(
        self,
        num_envs: int,
        columns: tuple[int, ...],
        reward: RewardConfig,
        *,
        gamma: float,
        reward_scale: float,
        steps: int,
    ) -> None:
        self.num_envs = num_envs
        self.num_actions = len(columns)
        self.max_episode_length = steps
        self.device = "cpu"
        self.cfg: dict[str, Any] = {}
        self.columns = columns
        self.reward = reward
        self.gamma = gamma
        self.reward_scale = reward_scale
        self.ended: list[Ended] = []
        self._obs: TensorDict

    def get_observations(self) -> TensorDict:
        """Return the current observations."""
        return self._obs

    def _result(
        self, parts: dict[str, NDArray[np.floating]], over: NDArray[np.bool_], timeout: NDArray[np.bool_]
    ) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        total = np.nan_to_num(sum(parts.values()), nan=0.0, posinf=0.0, neginf=0.0)
        reward = torch.as_tensor(total * self.reward_scale, dtype=torch.float32)
        log = {f"Reward/{name}": float(np.nan_to_num(value).mean()) for name, value in parts.items()}
        extras = {"log": log, "time_outs": torch.as_tensor(timeout).float()}
        return self._obs, reward, torch.as_tensor(over).long(), extras

    def _pack(self, **groups: NDArray[np.floating]) -> TensorDict:
        tensors = {name: torch.from_numpy(np.nan_to_num(values).astype(np.float32)) for name, values in groups.items()}
        return TensorDict(tensors, batch_size=[self.num_envs])


class StabiliserVecEnv(_ResidualVecEnv):
    """The stabiliser's training (B.1).

    Args:
        task: The task; it is reset here.
        columns: Elements that the actor's output is for.
        reward: Weights.
        gamma, reward_scale: Of PPO.
        progress: Returns how much of the training is done, 0 to 1: the curriculum follows it.
    """

    def __init__(
        self,
        task: StabiliserTask,
        columns: tuple[int, ...],
        reward: RewardConfig,
        *,
        gamma: float,
        reward_scale: float = 1.0,
        progress: Callable[[], float] = lambda: 1.0,
    ) -> None:
        steps = task.disturbance.steps
        super().__init__(task.num_envs, columns, reward, gamma=gamma, reward_scale=reward_scale, steps=steps)
        self.task = task
        self._progress = progress
        task.reset(np.arange(task.num_envs))
        self._observe()

    @property
    def episode_length_buf(self) -> torch.Tensor:  # type: ignore[override]
        """(B,) steps since each episode's start."""
        return torch.as_tensor(self.task.count)

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        """Advance one action (see rsl-rl's VecEnv)."""
        task = self.task
        task.set_progress(self._progress())
        first = scatter(actions.double().numpy(), self.columns, task.task.action.size)
        task.step(Corrections(first, np.zeros_like(first)))
        dropped, timeout = ~task.alive, task.timeout & task.alive
        parts = hold_reward(self.reward, task.lost(self.reward.far), task.squashed, dropped, self.gamma)
        ids = np.flatnonzero(dropped | timeout)
        if len(ids):
            self.ended.append(EndedEpisodes(ids, task.alive[ids].copy(), task.alive[ids].copy()))
            task.reset(ids)
        self._observe()
        return self._result(parts, dropped | timeout, timeout)

    def _observe(self) -> None:
        self.task.plan()
        seen = self.task.features.join(self.task.first_terms())
        self._obs = self._pack(**{FIRST: seen, PRIVILEGED: self.task.privileged()})


class SecondVecEnv(_ResidualVecEnv):
    """The second residual's training, with the stabiliser frozen or tuned beside it (B.2).

    Episodes start after the transition stage, from rollouts that came through it: so no sample is spent where this
    residual does not act (the paper filters the same ones out).

    Args:
        task: The composition.
        stabiliser: The first residual; None for one that corrects nothing.
        columns: Elements that the second residual's output is for.
        reward: Weights.
        gamma, reward_scale: Of PPO.
        rounds: Transitions of each environment that episodes start from.
        tuned: Elements of the first residual's output, where the actor gives it too, in front.
    """

    def __init__(
        self,
        task: CompositeTask,
        stabiliser: ResidualPolicy | None,
        columns: tuple[int, ...],
        reward: RewardConfig,
        *,
        gamma: float,
        reward_scale: float = 1.0,
        rounds: int = 8,
        tuned: tuple[int, ...] = (),
    ) -> None:
        super().__init__(
            task.num_envs, columns, reward, gamma=gamma, reward_scale=reward_scale, steps=task.config.steps
        )
        self.num_actions += len(tuned)
        self.task = task
        self.stabiliser = stabiliser
        self.tuned = tuned
        self.bank = TransitionBank(task, stabiliser, rounds)
        self._reset(np.arange(task.num_envs))
        self._observe()

    @property
    def episode_length_buf(self) -> torch.Tensor:  # type: ignore[override]
        """(B,) steps since each episode's start."""
        return torch.as_tensor(np.maximum(self.task.count - self.task.length, 0))

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        """Advance one action (see rsl-rl's VecEnv)."""
        task, size = self.task, self.task.task.action.size
        values = actions.double().numpy()
        second = scatter(values[:, len(self.tuned) :], self.columns, size)
        first = scatter(values[:, : len(self.tuned)], self.tuned, size) if self.tuned else self._first
        before = self._progress
        result = task.step(Corrections(first, second))
        dropped = ~result.alive
        timeout = result.timeout & ~dropped & ~result.done
        squashed = np.concatenate([np.tanh(second), task.squashed], axis=-1) if self.tuned else np.tanh(second)
        parts = second_reward(
            self.reward,
            progress=task.progress(),
            before=before,
            done=result.done,
            lost=task.lost(self.reward.far),
            squashed=squashed,
            dropped=dropped,
            gamma=self.gamma,
        )
        over = dropped | result.done | timeout
        ids = np.flatnonzero(over)
        if len(ids):
            done = result.done[ids]
            self.ended.append(EndedEpisodes(ids, done & ~dropped[ids], done))
            self._reset(ids)
        self._observe()
        return self._result(parts, over, timeout)

    def _reset(self, ids: NDArray[np.int64]) -> None:
        left = self.bank.restore(ids)
        if len(left):
            self.task.reset(left)

    def _observe(self) -> None:
        task = self.task
        task.plan()
        seen = task.features.join(task.first_terms())
        self._first = np.zeros_like(task.nominal) if self.stabiliser is None else self.stabiliser(seen)
        self._progress = task.progress()
        privileged = np.concatenate([task.privileged(), self._progress[:, None]], axis=-1)
        groups = {FIRST: seen} if self.tuned else {}
        groups |= {SECOND: task.features.join(task.second_terms()), PRIVILEGED: privileged}
        self._obs = self._pack(**groups)
