"""The grasp task with proposals: the reward of ResDex's first stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sleight_core.errors import SleightError
from sleight_description import hand_alone

from sleight_sim.engines import Engine, SimState
from sleight_sim.grasps.proposal import GraspProposals
from sleight_sim.grasps.targets import ProposalTargets
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.grasp.config import GraspTaskConfig, RewardConfig
from sleight_sim.tasks.grasp.env import GraspTask, StepResult
from sleight_sim.tasks.grasp.make import make_grasp_task
from sleight_sim.tasks.grasp.rewards import RewardInputs, base_reward, proposal_errors

Array = np.ndarray


@dataclass
class _Paid:
    """The situation that a step is paid for: what the start of the next episode overwrites."""

    sim: SimState
    action: Array
    rest_height: Array
    goal: tuple[Array, Array, Array]


class ProposalGraspTask(GraspTask):
    """The grasp task in which each episode has a proposal that `config.reward.proposal` rewards.

    Everything but the reward is `GraspTask`'s.

    Args:
        engine: B worlds, environment i holding `objects[i]`.
        objects: The object of each environment, in the size for which its proposals were made.
        config: The task; its reward says what a proposal is worth.
        proposals: Proposals by the object's name, of the hand alone where it is on an arm.
        seed: Seed of starts, delays, sensor errors and the choice of proposals.
        fallback: Reward for objects that have no proposals; without it there may be none such.

    Raises:
        SleightError: The reward takes no proposals, objects change their size, or an object has no proposals.
    """

    def __init__(
        self,
        engine: Engine,
        objects: list[ObjectSpec],
        config: GraspTaskConfig,
        proposals: Mapping[str, GraspProposals],
        seed: int = 0,
        fallback: RewardConfig | None = None,
    ) -> None:
        _check(config)
        # Told apart from the other random numbers: the same seed gives the same episodes with and without proposals.
        self._choice = np.random.default_rng((seed, 11))
        super().__init__(engine, objects, config.without_proposals(), seed)
        self.reward_config, self.fallback = config.reward, fallback
        hand = hand_alone(self.table.name)
        self.targets = ProposalTargets(hand, objects, proposals, partial=fallback is not None)
        #: (B,) What the proposals paid in the last step (r_proposal); 0 where there are none.
        self.proposal_reward = np.zeros(self.num_envs)
        self._paid: _Paid | None = None
        self._stepping = False

    def step(self, action: Array) -> StepResult:
        """Advance one control step; see `GraspTask.step`."""
        previous = self.last_action.copy()
        self._paid, self._stepping = None, True
        try:
            result = super().step(action)
        finally:
            self._stepping = False
        terms = self._terms(self._inputs(action, previous))
        failed = self.engine.failed()
        self.proposal_reward = np.where(failed, 0.0, terms["proposal"])
        reward = sum(terms.values(), np.zeros(self.num_envs))
        result.reward = np.where(failed, 0.0, reward).astype(np.float32)
        result.terms = {name: float(value.mean()) for name, value in terms.items()}
        return result

    def _terms(self, inputs: RewardInputs) -> dict[str, Array]:
        """The terms of the reward, of the fallback where an object has no proposals."""
        terms = base_reward(inputs, self.reward_config, self._posture)
        if self.fallback is None or self.targets.has.all():
            return terms
        others = base_reward(inputs, self.fallback, self._posture)
        nothing = np.zeros(self.num_envs)
        names = dict.fromkeys([*terms, *others])
        return {n: np.where(self.targets.has, terms.get(n, nothing), others.get(n, nothing)) for n in names}

    def _inputs(self, action: Array, previous: Array) -> RewardInputs:
        paid = self._paid or self._situation()
        sim, kinematics = paid.sim, self.observation.kinematics
        wrist = (sim.wrist_pos, sim.wrist_quat, sim.wrist_linvel, sim.wrist_angvel)
        tips = kinematics.fingertips(sim.joint_pos, sim.joint_vel, *wrist)
        centre = kinematics.grasp_center(sim.wrist_pos, sim.wrist_quat)
        raw = np.asarray(action, dtype=np.float64)
        fingers = sim.joint_pos[:, self._fingers]
        pose = (sim.object_pos, sim.object_quat, centre, sim.wrist_quat, fingers)
        return RewardInputs(
            object_pos=sim.object_pos,
            grasp_center=centre,
            finger_points=kinematics.finger_points(tips),
            joint_pos=fingers,
            goal_pos=self.goal,
            vertical_command=self.vertical,
            action_change=np.square(paid.action - previous).mean(axis=-1),
            excess=np.square(raw - np.clip(raw, -1.0, 1.0)).mean(axis=-1),
            rest_height=paid.rest_height,
            touching=sim.touching,
            proposal=proposal_errors(*pose, paid.goal),
        )

    def _situation(self) -> _Paid:
        return _Paid(self.sim, self.last_action.copy(), self.rest_height.copy(), self.targets.goal())

    def _start(self, ids: Array) -> None:
        if self._stepping:
            self._paid = self._situation()
        super()._start(ids)
        start = self.engine.state()
        self.targets.draw(ids, start.object_quat[ids], start.wrist_quat[ids], self._choice)


def make_proposal_task(
    config: GraspTaskConfig,
    objects: list[ObjectSpec],
    num_envs: int,
    proposals: Mapping[str, GraspProposals],
    fallback: RewardConfig | None = None,
    **options: Any,
) -> ProposalGraspTask:
    """Build the task with `objects` spread evenly over the environments.

    Args:
        config: The task, e.g. with `reward=STAGE_1_REWARD`.
        objects: At least one object.
        num_envs: Number of environments.
        proposals: Proposals by the object's name.
        fallback: Reward for objects that have no proposals; without it there may be none such.
        options: See `make_grasp_task`.

    Raises:
        SleightError: See `make_grasp_task` and `ProposalGraspTask`.
    """
    _check(config)
    plain = make_grasp_task(config.without_proposals(), objects, num_envs, **options)
    return ProposalGraspTask(plain.engine, plain.objects, config, proposals, options.get("seed", 0), fallback)


def _check(config: GraspTaskConfig) -> None:
    if config.reward.proposal is None:
        raise SleightError(
            "this reward takes no grasp proposals", remedy="use reward=STAGE_1_REWARD, or set `proposal`"
        )
    if (config.randomisation.size, config.randomisation.stretch) != ((1.0, 1.0), (1.0, 1.0)):
        raise SleightError(
            "grasp proposals are for objects as they are",
            value=f"size {config.randomisation.size}, stretch {config.randomisation.stretch}",
            remedy="switch both off: (1, 1)",
        )
