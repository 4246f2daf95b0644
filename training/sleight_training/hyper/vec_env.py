"""The grasp task as the hyper-policy's learner sees it: its action is raw weights and a residual."""

from __future__ import annotations

import torch
from sleight_sim.tasks.grasp.env import GraspTask
from tensordict import TensorDict

from sleight_training.hyper.mixture import Mixture
from sleight_training.ppo.vec_env import GraspVecEnv


class HyperVecEnv(GraspVecEnv):
    """Composes the hyper-policy's output with the experts' actions before each step.

    The experts belong to the environment: they are asked once a step, and learning passes them by.

    Args:
        task: The task; it is reset here.
        mixture: Experts and rule.
        reward_scale: Factor on the reward.
        device: Where the learner's tensors live.
    """

    def __init__(self, task: GraspTask, mixture: Mixture, *, reward_scale: float = 0.1, device: str = "cpu") -> None:
        super().__init__(task, reward_scale=reward_scale, device=device)
        self.mixture = mixture.to(device)
        self.num_actions = mixture.output_size

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        """Advance one control step.

        Args:
            actions: (B, k + A) raw weights and residual.
        """
        with torch.no_grad():
            experts = self.mixture.expert_actions(self.get_observations()["policy"])
            action, weights, residual = self.mixture.compose(actions, experts)
        obs, reward, done, extras = super().step(action)
        extras["log"]["Hyper/residual"] = float(residual.abs().mean())
        extras["log"]["Hyper/largest_weight"] = float(weights.abs().amax(dim=-1).mean())
        for i, weight in enumerate(weights.mean(dim=0).tolist()):
            extras["log"][f"Hyper/weight_{i}"] = weight
        return obs, reward, done, extras
