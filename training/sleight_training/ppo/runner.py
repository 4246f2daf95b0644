"""The learning loop: rsl-rl's PPO with our checkpoints, logs and resume."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rsl_rl.algorithms import PPO

from sleight_training.checkpoint import CHECKPOINT, fitting, read_checkpoint, write_checkpoint
from sleight_training.ppo.config import PpoConfig
from sleight_training.ppo.ranks import Ranks
from sleight_training.ppo.vec_env import CountingVecEnv

#: Samples by which an iteration's step is measured; bounds and factor of the learning rate that follows it (rsl-rl's).
KL_SAMPLES = 4096
MIN_RATE, MAX_RATE, RATE_STEP = 1e-5, 1e-2, 1.5
#: The averaged actor in a checkpoint.
AVERAGE = "average_actor_state_dict"


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        iteration: Finished iterations.
        steps: Environment steps so far, of all processes.
        seconds: Learning time so far, over all sessions of the run.
        held, ever: Success over the last episodes (exploration noise included); nan before any ended. Like `reward`, it
            is that of the first process' environments.
        reward: Mean reward a step in the last iteration.
        speed: Environment steps a second in the last iteration, learning included.
        std: Mean standard deviation of the actions.
    """

    iteration: int = 0
    steps: int = 0
    seconds: float = 0.0
    held: float = float("nan")
    ever: float = float("nan")
    reward: float = float("nan")
    speed: float = float("nan")
    std: float = float("nan")


class PpoRunner:
    """Runs PPO on an environment and keeps everything that is needed to go on after a kill.

    Args:
        env: The environment.
        config: PPO's figures.
        folder: Where `metrics.jsonl`, TensorBoard events and `checkpoint.pt` go.
        device: Device of the learner.
        settings: Configuration of rsl-rl; default: that of `config`.
        frozen: Further state dictionaries that belong into a checkpoint, such as those of networks that do not learn.
        here: This process among those of the training; only the first writes files.
    """

    def __init__(
        self,
        env: CountingVecEnv,
        config: PpoConfig,
        folder: Path,
        device: str = "cpu",
        *,
        settings: dict[str, Any] | None = None,
        frozen: dict[str, dict[str, torch.Tensor]] | None = None,
        here: Ranks | None = None,
    ) -> None:
        self.env = env
        self.config = config
        self.folder = folder
        self.progress = Progress()
        self.device = device
        self.here = here or Ranks()
        self._frozen = frozen or {}
        self._average: dict[str, torch.Tensor] = {}
        self._window: deque[tuple[int, int, int]] = deque(maxlen=40)
        with contextlib.redirect_stdout(io.StringIO()):  # rsl-rl prints its models
            settings = {**(settings or config.rsl_rl()), "multi_gpu": self.here.rsl_rl()}
            self.algorithm = PPO.construct_algorithm(env.get_observations(), env, settings, device)
        policy = self.algorithm.get_policy().named_parameters()
        self._first_std = {name: value.detach().clone() for name, value in policy if name.endswith("log_std_param")}

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint; replaced atomically."""
        return self.folder / CHECKPOINT

    def save(self) -> None:
        """Write the checkpoint, in the first process (atomic: a kill leaves the old one or the new one)."""
        if not self.here.first:
            return
        data = {**self.algorithm.save(), **self._frozen, "progress": asdict(self.progress)}
        if self._average:
            data[AVERAGE] = self._average
        write_checkpoint(self.checkpoint, data)

    def start_from(self, states: dict[str, dict[str, torch.Tensor]]) -> None:
        """Take over actor and critic of another training; exploration, optimiser and counts start anew.

        Args:
            states: "actor_state_dict" and "critic_state_dict".
        """
        actor = {**states["actor_state_dict"], **self._first_std}
        self.algorithm.load({**states, "actor_state_dict": actor}, {"actor": True, "critic": True}, True)

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            SleightError: There is none, it is damaged, or it is of another network.
        """
        data = read_checkpoint(self.checkpoint)
        with fitting(self.checkpoint):
            self.algorithm.load(data, None, True)
        self.progress = Progress(**data["progress"])
        self._average = data.get(AVERAGE, {})

    def learn(self, report: Callable[[Progress], bool | None] | None = None) -> Progress:
        """Learn until the configured number of iterations, saving on the way and when interrupted.

        Args:
            report: Called after each iteration; learning ends early when it returns True.
        """
        self.algorithm.train_mode()
        try:
            with self._logs() as write:
                self._agree()
                while self.progress.iteration < self.config.iterations:
                    losses, terms = self._iterate()
                    self._agree()
                    write(losses, terms)
                    if self.progress.iteration % self.config.save_every == 0:
                        self.save()
                    if self.here.any(bool(report and report(self.progress)), self.device):
                        break
        finally:
            if self.progress.iteration:
                self.save()
        return self.progress

    @contextlib.contextmanager
    def _logs(self) -> Iterator[Callable[[dict[str, float], dict[str, float]], None]]:
        """Open `metrics.jsonl` and TensorBoard's events; give what writes an iteration's losses and reward terms."""
        if not self.here.first:
            yield lambda losses, terms: None
            return
        from torch.utils.tensorboard import SummaryWriter

        self.folder.mkdir(parents=True, exist_ok=True)
        writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.progress.iteration)
        with contextlib.closing(writer), open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as log:

            def write(losses: dict[str, float], terms: dict[str, float]) -> None:
                row = {**asdict(self.progress), "losses": losses, "rewards": terms}
                log.write(json.dumps(row, default=float) + "\n")
                log.flush()
                self._write_scalars(writer, losses, terms)

            yield write

    def _agree(self) -> None:
        """Give all processes the first one's networks.

        Averaged gradients keep the weights equal; the statistics that normalise observations are each process' own in
        rsl-rl, and policies that see the same state differently would not be one policy.
        """
        if self.here.count > 1:
            self.algorithm.broadcast_parameters()

    def _iterate(self) -> tuple[dict[str, float], dict[str, float]]:
        """Collect one rollout and learn from it."""
        started = time.perf_counter()
        algorithm, env = self.algorithm, self.env
        obs = env.get_observations()
        terms: dict[str, list[float]] = {}
        rewards = []
        with torch.inference_mode():
            for _ in range(self.config.num_steps):
                obs, reward, done, extras = env.step(algorithm.act(obs))
                algorithm.process_env_step(obs, reward, done, extras)
                rewards.append(float(reward.mean()))
                for name, value in extras["log"].items():
                    terms.setdefault(name, []).append(value)
            algorithm.compute_returns(obs)
        losses = {name: float(value) for name, value in self._update().items()}
        losses["learning_rate"] = float(algorithm.learning_rate)
        self._bound_std()
        self._update_average()
        self._count(time.perf_counter() - started, float(np.mean(rewards)) / self.config.reward_scale)
        return losses, {name: float(np.mean(values)) for name, values in terms.items()}

    def _update(self) -> dict[str, float]:
        """Let actor and critic learn, or the critic alone."""
        actor = list(self.algorithm.get_policy().parameters()) if self.progress.iteration < self.config.burn_in else []
        before = [parameter.detach().clone() for parameter in actor]
        losses = self.algorithm.update()
        if self.config.adapt == "iteration" and not actor:
            losses["kl"] = self._adapt_rate()
        with torch.no_grad():
            for parameter, old in zip(actor, before, strict=True):
                parameter.copy_(old)
        return losses

    def _adapt_rate(self) -> float:
        """Let the learning rate follow how far an iteration moved the policy; return that, the mean KL divergence."""
        storage, policy = self.algorithm.storage, self.algorithm.get_policy()
        assert storage.distribution_params is not None
        old = tuple(values.flatten(0, 1) for values in storage.distribution_params)
        seen = storage.observations.flatten(0, 1)
        some = torch.randperm(len(seen), device=self.device)[:KL_SAMPLES]
        with torch.inference_mode():
            policy(seen[some], stochastic_output=True)
            new = policy.output_distribution_params
            divergence = policy.get_kl_divergence(tuple(values[some] for values in old), new)
        moved = self.here.mean(float(divergence.mean()), self.device)
        rate, wanted = self.algorithm.learning_rate, self.config.desired_kl
        if moved > 2.0 * wanted:
            rate = max(MIN_RATE, rate / RATE_STEP)
        elif moved < 0.5 * wanted:
            rate = min(MAX_RATE, rate * RATE_STEP)
        self.algorithm.learning_rate = rate
        for group in self.algorithm.optimizer.param_groups:
            group["lr"] = rate
        return moved

    def _bound_std(self) -> None:
        # In proportion to where each element started.
        bound = self.config.std_bound(self.progress.iteration)
        if np.isfinite(bound):
            policy = dict(self.algorithm.get_policy().named_parameters())
            for name, first in self._first_std.items():
                parameter = policy[name].data
                parameter.copy_(torch.minimum(parameter, first + float(np.log(bound / self.config.init_std))))

    def _update_average(self) -> None:
        if not self.config.average:
            return
        for name, value in self.algorithm.get_policy().state_dict().items():
            kept = self._average.get(name)
            if kept is not None and value.is_floating_point():
                kept.lerp_(value.detach(), 1.0 - self.config.average)
            else:
                self._average[name] = value.detach().clone()

    def _count(self, seconds: float, reward: float) -> None:
        for ended in self.env.ended:
            self._window.append((len(ended.ids), int(ended.held.sum()), int(ended.ever.sum())))
        self.env.ended.clear()
        p = self.progress
        count = sum(row[0] for row in self._window)
        if count:
            p.held = sum(row[1] for row in self._window) / count
            p.ever = sum(row[2] for row in self._window) / count
        new = self.config.num_steps * self.env.num_envs * self.here.count
        p.iteration += 1
        p.steps += new
        p.seconds += seconds
        p.speed = new / seconds
        p.reward = reward
        p.std = float(self.algorithm.get_policy().output_std.detach().mean())

    def _write_scalars(self, writer: Any, losses: dict[str, float], terms: dict[str, float]) -> None:
        p = self.progress
        for name, value in {**{f"Loss/{k}": v for k, v in losses.items()}, **terms}.items():
            writer.add_scalar(name, value, p.iteration)
        for name in ("held", "ever", "reward", "speed", "std"):
            writer.add_scalar(f"Train/{name}", getattr(p, name), p.iteration)


def actor_state(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The actor that a checkpoint stands for: the average, where one was kept."""
    return checkpoint.get(AVERAGE) or checkpoint["actor_state_dict"]
