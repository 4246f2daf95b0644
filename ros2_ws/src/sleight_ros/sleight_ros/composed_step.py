"""One step of composed skills: the newest messages to a command, as `policy_step` does for a single policy."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from sleight_core.action import ActionSpec
from sleight_core.bundle import Bundle
from sleight_core.compose.policy import ComposedPolicy, ComposedTick, owned_names
from sleight_core.hand import HandTable
from sleight_msgs.msg import PolicyTelemetry

from sleight_ros.policy_inputs import AgeLimits, PolicyInputs
from sleight_ros.policy_step import StepAnswer, needed_sources
from sleight_ros.timing import step_back


class ComposedStep:
    """What a bundle of composed skills makes of its inputs.

    Args:
        bundle: A verified bundle.
        table: The hand.
        patience: How long a late chunk may leave the hand where it is before there are no commands any more, s.

    Raises:
        SleightError: This version cannot run the bundle.
    """

    def __init__(self, bundle: Bundle, table: HandTable, patience: float) -> None:
        self.table = table
        self.manifest = bundle.manifest
        # The samplers yield to the tick.
        self.policy = ComposedPolicy(bundle, table, begin_thread=step_back)
        self.seed = 0
        self._patience = patience
        self._owned = list(owned_names(table))
        self._newest: ComposedTick | None = None

    def close(self) -> None:
        """End the samplers' thread."""
        self.policy.close()

    def make_inputs(self, goal: Any, frame: str, limits: AgeLimits | None = None) -> PolicyInputs:
        """Make what collects the inputs; each skill has its own goal, so another one is not used."""
        margin = self.manifest.control.position_margin
        action = ActionSpec.absolute(self.table)
        place = np.asarray(self.manifest.task.goal, dtype=float)
        uses = needed_sources(self.manifest)
        return PolicyInputs(self.table, action, place, frame, limits, uses=uses, margin=margin)

    def engage(self, skill: str, seed: int) -> str:
        """Let a skill act; 0 draws a seed.

        Returns:
            What there is to say about it.

        Raises:
            SleightError: As `ComposedPolicy.engage`.
        """
        seed = seed or secrets.randbits(63) or 1
        self.policy.engage(skill, seed)
        self.seed = seed
        return f"skill '{skill}', noise seed {seed}"

    def release(self) -> None:
        """Forget what runs."""
        self.policy.release()
        self._newest = None

    def tick(self, inputs: PolicyInputs) -> StepAnswer:
        """One control tick.

        Raises:
            SleightError: As `ComposedPolicy.tick`.
        """
        tick = self.policy.tick(inputs.state(), inputs.last_targets, inputs.last_twist)
        self._newest = tick
        return StepAnswer(
            command=tick.command,
            action=tick.action,
            observation=tick.observation,
            residual=tick.residual,
            inference_time=tick.inference_time,
            remark=tick.late,
            waits=bool(tick.late) and tick.late_for > self._patience,
        )

    def describe(self, msg: PolicyTelemetry) -> None:
        """Fill in what there is to say of the composition."""
        tick = self._newest
        msg.noise_seed = self.seed
        if tick is None:
            return
        msg.mask = tick.mask.tolist()
        msg.stage, msg.skill = tick.stage, tick.skill
        msg.owned, msg.owners = self._owned, list(tick.owners)
        msg.chunks, msg.chunks_late = tick.counts.planned, tick.counts.late
        msg.chunk_time, msg.chunk_margin = tick.counts.seconds, tick.counts.margin
