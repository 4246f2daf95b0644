"""A trained diffusion policy as a `Skill`, and the file that it is kept in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sleight_core.errors import SleightError

from sleight_training.checkpoint import replaced
from sleight_training.compose.diffusion.config import SkillRun
from sleight_training.compose.diffusion.policy import DiffusionPolicy, Sampler
from sleight_training.compose.horizon import SkillResult, evaluate_skill
from sleight_training.compose.skill import HORIZON

#: The averaged policy of a run, in its folder.
POLICY = "policy.safetensors"


class DiffusionSkill:
    """Samples chunks with a trained policy.

    Args:
        run: What it was trained as.
        policy: The policy.
        steps: DDIM steps; None for those of the run.
        seed: Of the noise that sampling starts from.
        device: Device of the policy.
    """

    def __init__(
        self, run: SkillRun, policy: DiffusionPolicy, *, steps: int | None = None, seed: int = 0, device: str = "cpu"
    ) -> None:
        if steps is not None and not 1 <= steps <= run.noise.steps:
            raise SleightError("wrong number of DDIM steps", value=steps, remedy=f"choose 1 to {run.noise.steps}")
        self.run = run
        self.task = run.task.name
        self.term_names = run.term_names
        self.execute = run.task.execute_horizon
        self.device = device
        self.sampler = Sampler(policy.eval(), steps).to(device)
        self._rng = np.random.default_rng(seed)

    @classmethod
    def load(cls, path: Path, *, steps: int | None = None, seed: int = 0, device: str = "cpu") -> DiffusionSkill:
        """Load a run's folder, or a file of `write_policy`.

        Raises:
            SleightError: See `read_policy`.
        """
        run, policy = read_policy(path / POLICY if path.is_dir() else path)
        return cls(run, policy, steps=steps, seed=seed, device=device)

    def plan(self, history: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sample chunks (n, HORIZON, 28) for histories (n, OBSERVATION_STEPS, O)."""
        noise = self._rng.standard_normal((len(history), HORIZON, self.run.action_size)).astype(np.float32)
        return self.sample(history, noise)

    def sample(self, history: NDArray[np.floating], noise: NDArray[np.float32]) -> NDArray[np.float64]:
        """Chunks (n, HORIZON, 28) from histories and the noise (n, HORIZON, 28) that sampling starts from."""
        with torch.no_grad():
            seen = torch.as_tensor(np.asarray(history, dtype=np.float32), device=self.device)
            chunk = self.sampler(seen, torch.as_tensor(noise, device=self.device))
        return chunk.cpu().numpy().astype(np.float64)

    def reset(self, ids: NDArray[np.int64]) -> None:
        """Do nothing: it keeps nothing of an episode."""


def steps_table(
    run: SkillRun, policy: DiffusionPolicy, steps: Sequence[int], episodes: int, seed: int, *, num_threads: int = 0
) -> dict[int, SkillResult]:
    """Measure success against the number of DDIM steps, over the same episodes and first noise.

    Args:
        run: What the policy was trained as.
        policy: The policy.
        steps: Numbers of steps to try.
        episodes: Episodes of each.
        seed: Of worlds, starts and noise.
        num_threads: Physics threads; 0 for one a core.
    """
    return {
        count: evaluate_skill(
            DiffusionSkill(run, policy, steps=count, seed=seed), run.task, episodes, seed, num_threads=num_threads
        )
        for count in steps
    }


def round_weights(policy: DiffusionPolicy) -> DiffusionPolicy:
    """Round a policy's weights, in place, to what 16 bits hold: file and graph are half as large, and exact.

    The normalisation is not learnt and stays as it is. Returns the policy.
    """
    with torch.no_grad():
        for parameter in policy.unet.parameters():
            parameter.copy_(parameter.half())
    return policy


def _smallest(value: torch.Tensor) -> torch.Tensor:
    """A tensor in 16 bits where they hold all of it."""
    half = value.half() if value.dtype == torch.float32 else value
    return half if torch.equal(half.to(value.dtype), value) else value


def write_policy(path: Path, run: SkillRun, policy: DiffusionPolicy, progress: dict[str, float]) -> Path:
    """Write a policy with its normalisation and its run's configuration (atomic).

    Numbers that `round_weights` has rounded take half the room; nothing else is rounded here.
    """
    tensors = {name: _smallest(value.detach().cpu().contiguous()) for name, value in policy.state_dict().items()}
    with replaced(path) as part:
        save_file(tensors, part, {"run": run.model_dump_json(), "progress": json.dumps(progress)})
    return path


def read_policy(path: Path) -> tuple[SkillRun, DiffusionPolicy]:
    """Read a policy.

    Raises:
        SleightError: It is missing, damaged, of another kind, or not finite.
    """
    remedy = "train one with 'sleight train skill'"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "run" not in metadata:
                raise SleightError("no skill is in this file", value=path, remedy=remedy)
            run = SkillRun.model_validate_json(metadata["run"])
            policy = DiffusionPolicy.of(run)
            policy.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except FileNotFoundError as error:
        raise SleightError("no such skill", value=path, remedy=remedy) from error
    except (SafetensorError, RuntimeError, ValidationError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SleightError("the skill cannot be read", value=path, remedy=f"{remedy} ({reason})") from error
    if not all(bool(torch.isfinite(value).all()) for value in policy.state_dict().values()):
        raise SleightError("the skill's weights are not finite", value=path, remedy=remedy)
    return run, policy.eval()
