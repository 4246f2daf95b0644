"""A diffusion policy with its normalisation, and the sampler that turns noise into a chunk of actions."""

from __future__ import annotations

import math
from typing import cast

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor, nn

from sleight_training.compose.diffusion.config import NoiseConfig, SkillRun, UnetConfig
from sleight_training.compose.diffusion.dataset import Windows
from sleight_training.compose.diffusion.network import ConditionalUnet
from sleight_training.compose.skill import OBSERVATION_STEPS

#: Smallest half ranges: an element of the observation that varies less is taken as constant; one of the action (m or
#: rad) does not have its jitter magnified to the whole range.
LEAST_OBSERVATION, LEAST_ACTION = 1e-3, 0.02
#: A joint that moved by less than this share of its range, either way, told nothing in the demonstrations. Its jitter
#: is not magnified: a hand that has just held something starts with joints that are off by more than that.
LEAST_JOINT = 0.1
#: Half range of what is taken as constant.
CONSTANT = 1e3
#: Normalised observations are held within this bound: demonstrations fill [-1, 1], and a composition may go beyond.
OBSERVATION_BOUND = 1.5


class Normaliser(nn.Module):
    """Maps elements to [-1, 1] over the range that they had in the demonstrations.

    Args:
        size: Number of elements.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    def fit(self, values: Tensor, least: float) -> None:
        """Take the range of values (..., size); a half range below `least` becomes `least`."""
        rows = values.reshape(-1, values.shape[-1])
        low, high = rows.amin(dim=0), rows.amax(dim=0)
        self.middle.copy_(0.5 * (low + high))
        self.spread.copy_((0.5 * (high - low)).clamp(min=least))

    def ignore(self, elements: tuple[int, int], least: float) -> None:
        """Take those from first to end of `elements` as constant whose half range is below `least`."""
        spread = self.spread[slice(*elements)]
        spread[spread < least] = CONSTANT

    def forward(self, values: Tensor) -> Tensor:
        """(..., size) -> the same, normalised."""
        return (values - self.middle) / self.spread

    def inverse(self, values: Tensor) -> Tensor:
        """(..., size) normalised -> the same in its units."""
        return values * self.spread + self.middle


class DiffusionPolicy(nn.Module):
    """The network with the normalisation of its ends: what is saved of a skill.

    Args:
        observation: O, length of an observation.
        action: A, length of an action.
        network: Sizes of the network.
        noise: The noise that it learns to remove.
    """

    def __init__(self, observation: int, action: int, network: UnetConfig, noise: NoiseConfig) -> None:
        super().__init__()
        self.noise = noise
        self.observation = Normaliser(observation)
        self.action = Normaliser(action)
        self.unet = ConditionalUnet(OBSERVATION_STEPS * observation, action, network)
        self._scheduler = DDPMScheduler(
            noise.steps, beta_schedule=noise.schedule, prediction_type=noise.prediction, clip_sample=True
        )

    @classmethod
    def of(cls, run: SkillRun) -> DiffusionPolicy:
        """Return the policy of a run, with fresh weights."""
        return cls(run.observation_size, run.action_size, run.network, run.noise)

    def fit(self, windows: Windows) -> None:
        """Take the normalisation from windows."""
        self.observation.fit(torch.from_numpy(windows.history), LEAST_OBSERVATION)
        self.observation.ignore(windows.joints, LEAST_JOINT)
        self.action.fit(torch.from_numpy(windows.actions), LEAST_ACTION)

    def condition(self, history: Tensor) -> Tensor:
        """Histories (B, OBSERVATION_STEPS, O) as recorded -> what the network is conditioned on (B, H O)."""
        return self.observation(history).clamp(-OBSERVATION_BOUND, OBSERVATION_BOUND).flatten(1)

    def loss(self, history: Tensor, actions: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """DDPM's objective (Ho et al. 2020, equation 14), a scalar.

        Args:
            history: (B, OBSERVATION_STEPS, O) as recorded.
            actions: (B, HORIZON, A) as recorded.
            noise: (B, HORIZON, A) standard normal.
            step: (B,) diffusion steps, int64.
        """
        clean = self.action(actions)
        noisy = cast(Tensor, self._scheduler.add_noise(clean, noise, step))  # type: ignore[arg-type]  # an int tensor
        said = self.unet(noisy, step.to(clean.dtype), self.condition(history))
        wanted = noise if self.noise.prediction == "epsilon" else clean
        return (said - wanted).square().mean()


class Sampler(nn.Module):
    """Deterministic DDIM (Song et al. 2021, eta 0) in few steps, unrolled: history and noise in, actions out.

    Traced, it is the graph of the bundle: normalisation inside, raw units at both ends.

    Args:
        policy: The policy.
        steps: DDIM steps; None for those of its configuration.
    """

    def __init__(self, policy: DiffusionPolicy, steps: int | None = None) -> None:
        super().__init__()
        self.policy = policy
        noise = policy.noise
        # "trailing" begins where the noise is pure, as the first chunk is (Lin et al. 2024, section 3.3): diffusers'
        # default begins a tenth before with ten steps, and with one where the network was only shown clean chunks.
        self.scheduler = DDIMScheduler(
            noise.steps,
            beta_schedule=noise.schedule,
            prediction_type=noise.prediction,
            clip_sample=True,
            timestep_spacing="trailing",
        )
        self.scheduler.set_timesteps(steps or noise.sample_steps)

    def forward(self, history: Tensor, noise: Tensor) -> Tensor:
        """Sample chunks.

        Args:
            history: (B, OBSERVATION_STEPS, O) as observed, oldest first.
            noise: (B, HORIZON, A) standard normal.

        Returns:
            (B, HORIZON, A) actions in m and rad.
        """
        condition = self.policy.condition(history)
        chunk = noise
        for step in self.scheduler.timesteps.tolist():
            said = self.policy.unet(chunk, torch.full_like(condition[:, 0], step), condition)
            chunk = self.scheduler.step(said, step, chunk).prev_sample  # type: ignore[union-attr]  # return_dict
        return self.policy.action.inverse(chunk)


def parameters_of(policy: DiffusionPolicy) -> int:
    """Number of learnt numbers of a policy."""
    return sum(math.prod(parameter.shape) for parameter in policy.parameters())
