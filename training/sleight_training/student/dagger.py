"""The learning loop of DAgger: the student acts, the teacher says what it would have done (Ross et al. 2011)."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sleight_core.errors import SleightError

from sleight_training.checkpoint import CHECKPOINT, fitting, read_checkpoint, write_checkpoint
from sleight_training.ppo.ranks import Ranks
from sleight_training.ppo.vec_env import GraspVecEnv
from sleight_training.student.buffer import ReplayBuffer
from sleight_training.student.config import DaggerConfig
from sleight_training.student.network import StudentNetwork
from sleight_training.student.teacher import Teacher

#: Steps whose ended episodes count for the success that is shown.
_WINDOW = 400


@dataclass
class StudentProgress:
    """Where a run stands.

    Attributes:
        iteration: Finished iterations.
        steps: Environment steps so far.
        seconds: Learning time so far, over all sessions of the run.
        held, ever: Success over the last episodes; nan before any ended. While `beta` is not 0, the teacher had a part.
        loss: Mean squared error of the student's action in the last iteration.
        beta: Share of the last iteration's steps that the teacher took.
        speed: Environment steps a second in the last iteration, learning included.
        reward: Mean reward a step in the last iteration.
    """

    iteration: int = 0
    steps: int = 0
    seconds: float = 0.0
    held: float = float("nan")
    ever: float = float("nan")
    loss: float = float("nan")
    beta: float = float("nan")
    speed: float = float("nan")
    reward: float = float("nan")


def imitation_loss(action: torch.Tensor, label: torch.Tensor, *, clamped: bool) -> torch.Tensor:
    """Return the mean squared error of actions (B, A) as a scalar.

    Args:
        action: What the student wants, not clamped.
        label: What the teacher wants.
        clamped: The labels lie within [-1, 1]. A student that wants more where the label is at a bound acts the same,
            and has no error there.
    """
    error = action - label
    if clamped:
        beyond = ((label >= 1.0) & (error > 0.0)) | ((label <= -1.0) & (error < 0.0))
        error = torch.where(beyond, torch.zeros_like(error), error)
    return error.square().mean()


class DaggerRunner:
    """Runs DAgger and keeps what is needed to go on after a kill; the buffer is not kept, it fills again.

    Args:
        env: The environment: group "policy" is what the student sees, "critic" what the teacher does.
        student: The network that learns.
        teacher: What it learns from.
        config: DAgger's figures.
        folder: Where `metrics.jsonl` and `checkpoint.pt` go.
        device: Device of the learner.
    """

    def __init__(
        self,
        env: GraspVecEnv,
        student: StudentNetwork,
        teacher: Teacher,
        config: DaggerConfig,
        folder: Path,
        device: str = "cpu",
    ) -> None:
        self.env = env
        self.student = student.to(device)
        self.teacher = teacher
        teacher.network.to(device)
        self.config = config
        self.folder = folder
        self.progress = StudentProgress()
        #: One process learns.
        self.here = Ranks()
        self.optimizer = torch.optim.Adam(student.learnable(), lr=config.learning_rate)
        self.buffer = ReplayBuffer(
            env.task.num_obs,
            env.num_actions,
            rows=config.buffer_steps * env.num_envs,
            mebibytes=config.buffer_mib,
            at_once=env.num_envs,
            device=device,
        )
        self._window: deque[tuple[int, int, int]] = deque(maxlen=_WINDOW)

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint; replaced atomically."""
        return self.folder / CHECKPOINT

    def save(self) -> None:
        """Write the checkpoint (atomic: a kill leaves the old one or the new one)."""
        data = {
            "actor_state_dict": self.student.state_dict(),
            "optimizer_state_dict": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        write_checkpoint(self.checkpoint, data)

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            SleightError: There is none, it is damaged, or it is of another network.
        """
        data = read_checkpoint(self.checkpoint)
        with fitting(self.checkpoint):
            self.student.load_state_dict(data["actor_state_dict"])
            self.optimizer.load_state_dict(data["optimizer_state_dict"])
            self.progress = StudentProgress(**data["progress"])

    def learn(self, report: Callable[[StudentProgress], bool | None] | None = None) -> StudentProgress:
        """Learn until the configured number of iterations, saving on the way and when interrupted.

        Args:
            report: Called after each iteration; learning ends early when it returns True.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as log:
                while self.progress.iteration < self.config.iterations:
                    self._iterate()
                    log.write(json.dumps(asdict(self.progress)) + "\n")
                    log.flush()
                    if self.progress.iteration % self.config.save_every == 0:
                        self.save()
                    if report and report(self.progress):
                        break
        finally:
            if self.progress.iteration:
                self.save()
        return self.progress

    def _iterate(self) -> None:
        started = time.perf_counter()
        beta = self.config.beta_at(self.progress.iteration)
        rewards = [self._collect(beta) for _ in range(self.config.num_steps)]
        loss = self._update()
        p, new = self.progress, self.config.num_steps * self.env.num_envs
        count = sum(row[0] for row in self._window)
        if count:
            p.held = sum(row[1] for row in self._window) / count
            p.ever = sum(row[2] for row in self._window) / count
        p.iteration += 1
        p.steps += new
        seconds = time.perf_counter() - started
        p.seconds += seconds
        p.speed = new / seconds
        p.loss, p.beta = loss, beta
        p.reward = float(np.mean(rewards)) / self.env.reward_scale

    @torch.no_grad()
    def _collect(self, beta: float) -> float:
        """Take one step in all environments and remember it; return the mean reward."""
        groups = self.env.get_observations()
        obs = groups["policy"]
        self.student.observe(obs)
        label = self.teacher.action(groups["critic"])
        if self.config.clamp_labels:
            label = label.clamp(-1.0, 1.0)
        if not bool(torch.isfinite(label).all()):
            raise SleightError("the teacher's action is not finite", remedy="train the teacher again")
        self.buffer.add(obs, label)
        action = label
        if beta < 1.0:
            taken = torch.rand(len(obs), 1, device=obs.device) < beta
            action = torch.where(taken, label, self.student.action(obs))
        _, reward, _, _ = self.env.step(action)
        for ended in self.env.ended:
            self._window.append((len(ended.ids), int(ended.held.sum()), int(ended.ever.sum())))
        self.env.ended.clear()
        return float(reward.mean())

    def _update(self) -> float:
        """Learn from the buffer; return the mean loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate_at(self.progress.iteration)
        total = 0.0
        for _ in range(self.config.updates):
            obs, label = self.buffer.sample(self.config.batch)
            loss = imitation_loss(self.student.action(obs), label, clamped=self.config.clamp_labels)
            self.optimizer.zero_grad()
            loss.backward()
            if self.config.max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.student.learnable(), self.config.max_grad_norm)
            self.optimizer.step()
            total += float(loss.detach())
        return total / self.config.updates
