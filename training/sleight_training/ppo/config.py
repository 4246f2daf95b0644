"""Training presets: `cpu` for two cores, `full` with the paper's sizes (resdex_facts 5.1, 5.2)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sleight_sim.tasks.grasp.config import (
    EXACT_PERCEPTION,
    ROBUST,
    GraspTaskConfig,
    RewardConfig,
)

from sleight_training.presets import choose_preset


class PpoConfig(BaseModel):
    """PPO's figures.

    Attributes:
        num_envs: Environments in parallel.
        num_steps: Steps of each environment an iteration.
        iterations: Learning iterations.
        epochs, minibatches: Passes over an iteration's data, and parts of each pass.
        hidden: Hidden layers of actor and critic.
        obs_normalization: Normalise observations by running statistics (exported with the policy).
        init_std: Initial standard deviation of the actions.
        final_std: Bound of the actions' standard deviation at the end of `std_decay`; None for no bound. The robot acts
            without this noise, and a grasp learned under much of it is loose without it.
        std_decay: Shares of the iterations between which that bound falls, geometrically, from `init_std`.
        gamma, lam, clip, value_coef, entropy_coef, max_grad_norm, learning_rate, desired_kl: As in the PPO paper.
        adapt: When the learning rate follows `desired_kl`: after each "minibatch", as in rsl-rl, or after each
            "iteration". With 48 minibatches an iteration the former was seen to end iterations at its lowest rate.
        average: Factor with which the exported actor, an average over iterations, forgets at each of them; 0 exports
            the last actor as it is. Single iterations swing by several points of success, their average does not.
        burn_in: Iterations at the start in which only the critic learns: an actor that can do something already is not
            led astray by a critic that knows nothing yet.
        reward_scale: Factor on the rewards.
        save_every: Iterations between two checkpoints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_envs: int = Field(default=512, ge=1)
    num_steps: int = Field(default=16, ge=1)
    iterations: int = Field(default=640, ge=1)
    epochs: int = 4
    minibatches: int = 4
    hidden: tuple[int, ...] = (256, 128, 64)
    obs_normalization: bool = True
    init_std: float = 0.8
    final_std: float | None = Field(default=None, gt=0)
    std_decay: tuple[float, float] = (0.35, 0.85)
    gamma: float = 0.98
    lam: float = 0.95
    clip: float = 0.2
    value_coef: float = 1.0
    clipped_value: bool = False
    entropy_coef: float = 0.0
    max_grad_norm: float = 1.0
    learning_rate: float = 3e-4
    desired_kl: float = 0.016
    adapt: Literal["minibatch", "iteration"] = "minibatch"
    average: float = Field(default=0.0, ge=0, lt=1)
    burn_in: int = Field(default=0, ge=0)
    reward_scale: float = 0.1
    asymmetric_critic: bool = True
    save_every: int = Field(default=25, ge=1)

    def std_bound(self, iteration: int) -> float:
        """Largest standard deviation of the actions after an iteration; infinite without `final_std`."""
        if self.final_std is None:
            return float("inf")
        start, end = (share * self.iterations for share in self.std_decay)
        share = min(max((iteration - start) / max(end - start, 1.0), 0.0), 1.0)
        return self.init_std * (self.final_std / self.init_std) ** share

    def rsl_rl(self) -> dict[str, Any]:
        """Return the configuration that rsl-rl's PPO takes."""
        model = {
            "class_name": "rsl_rl.models:MLPModel",
            "hidden_dims": list(self.hidden),
            "activation": "elu",
            "obs_normalization": self.obs_normalization,
        }
        gaussian = {
            "class_name": "rsl_rl.modules.distribution:GaussianDistribution",
            "init_std": self.init_std,
            "std_type": "log",
        }
        return {
            "num_steps_per_env": self.num_steps,
            "obs_groups": {
                "actor": ["policy"],
                "critic": ["policy", "critic"] if self.asymmetric_critic else ["policy"],
            },
            "actor": {**model, "distribution_cfg": gaussian},
            "critic": dict(model),
            "multi_gpu": None,
            "algorithm": {
                "class_name": "rsl_rl.algorithms:PPO",
                "num_learning_epochs": self.epochs,
                "num_mini_batches": self.minibatches,
                "clip_param": self.clip,
                "gamma": self.gamma,
                "lam": self.lam,
                "value_loss_coef": self.value_coef,
                "use_clipped_value_loss": self.clipped_value,
                "entropy_coef": self.entropy_coef,
                "learning_rate": self.learning_rate,
                "max_grad_norm": self.max_grad_norm,
                "schedule": "adaptive" if self.adapt == "minibatch" else "fixed",
                "desired_kl": self.desired_kl,
            },
        }


class BasePreset(BaseModel):
    """Everything that makes one base-policy training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ppo: PpoConfig
    task: GraspTaskConfig


PAPER_REWARD = RewardConfig(
    lift_force=0.1, height=0.0, enclose=0.0, settle=0.0, overshoot=0.0, action_rate=0.0, saturation=0.0
)

PRESETS: dict[str, BasePreset] = {
    "cpu": BasePreset(
        name="cpu",
        ppo=PpoConfig(iterations=650, gamma=0.985, final_std=0.2, std_decay=(0.25, 0.75), average=0.98),
        task=GraspTaskConfig(randomisation=ROBUST, near_start=0.3, reward=RewardConfig(bonus=2.0)),
    ),
    "full": BasePreset(
        name="full",
        ppo=PpoConfig(
            num_envs=4096,
            num_steps=8,
            epochs=5,
            iterations=5000,
            hidden=(1024, 1024, 512, 512),
            obs_normalization=False,
            gamma=0.96,
            value_coef=2.0,
            reward_scale=1.0,
            asymmetric_critic=False,
            save_every=500,
        ),
        task=GraspTaskConfig(
            object_xy=0.0,
            wrist_torque=0.278,
            perception=EXACT_PERCEPTION,
            reward=PAPER_REWARD,
            bootstrap_timeouts=False,
        ),
    ),
    "smoke": BasePreset(
        name="smoke",
        ppo=PpoConfig(num_envs=16, num_steps=8, iterations=4, hidden=(32, 32), save_every=1),
        task=GraspTaskConfig(randomisation=ROBUST, episode_steps=40),
    ),
}


def preset(name: str) -> BasePreset:
    """Return a preset by name.

    Raises:
        SleightError: There is no such preset.
    """
    return choose_preset(PRESETS, name)
