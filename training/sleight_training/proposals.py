"""Grasp proposals in a training: which ones, what they pay, and that a resumed run has the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from sleight_core.errors import SleightError
from sleight_description import hand_alone
from sleight_sim.grasps.source import AUTO, NONE, FoundProposals, find_proposals, surely_none
from sleight_sim.grasps.task import make_proposal_task
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.grasp.config import GraspTaskConfig, ProposalReward, RewardConfig
from sleight_sim.tasks.grasp.env import GraspTask
from sleight_sim.tasks.grasp.make import make_grasp_task

Notice = Callable[[str], None]

_ANY = 1000.0
#: What the base policy takes of a proposal: r_pose and r_move's third flag, no more (A.2). A geometry-agnostic policy
#: must not be paid for where the wrist is on an object that it cannot see; lift is as without proposals.
POSE_ONLY = ProposalReward(
    position=0.0,
    rotation=0.0,
    max_position=_ANY,
    max_rotation=_ANY,
    lift_clearance=-_ANY,
    lift_top=_ANY,
)


class ProposalConfig(BaseModel):
    """The proposals of a run.

    Attributes:
        choice: What was asked for, see `find_proposals`.
        origin: Where they were from.
        objects: Number of objects with proposals.
        lacking: Number of objects without, which are paid by `fallback`.
        sha256: Over the proposals.
        fallback: The reward without proposals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    choice: str
    origin: str
    objects: int
    lacking: int
    sha256: str
    fallback: RewardConfig


def with_proposals(
    task: GraspTaskConfig,
    choice: str,
    objects: str,
    things: Callable[[], Sequence[ObjectSpec]],
    *,
    pay: ProposalReward,
    notice: Notice | None = None,
) -> tuple[GraspTaskConfig, ProposalConfig | None]:
    """Return a training's task with the reward that follows proposals, and which these are.

    Without any, the task comes back as it is: its posture term stands for them. With proposals that term goes, and
    objects keep the size for which theirs were made.

    Args:
        task: The task without proposals.
        choice: See `find_proposals`.
        objects: Name of the object set.
        things: Makes its objects; only called where there may be proposals.
        pay: What proposals pay.
        notice: Told where the proposals come from, and what is being made.
    """
    tell = notice or (lambda text: None)
    if choice == NONE:
        return task, None
    table = hand_alone(task.hand)
    found = None
    if not surely_none(choice, objects, table):
        found = find_proposals(
            choice,
            objects,
            things(),
            table,
            progress=lambda name, done: tell(f"grasp proposals: {done} objects done, next {name}"),
        )
    if found is None:
        tell("no grasp proposals for these objects: the reward points at a posture instead (--proposals generate)")
        return task, None
    tell(f"grasp proposals from {found.origin}: {len(found.proposals)} objects, {len(found.lacking)} without")
    varied = task.randomisation.model_copy(update={"size": (1.0, 1.0), "stretch": (1.0, 1.0)})
    reward = task.reward.model_copy(update={"pose": 0.0, "proposal": pay})
    record = ProposalConfig(
        choice=choice,
        origin=found.origin,
        objects=len(found.proposals),
        lacking=len(found.lacking),
        sha256=found.sha256,
        fallback=task.reward,
    )
    return task.model_copy(update={"reward": reward, "randomisation": varied}), record


def training_task(
    task: GraspTaskConfig,
    record: ProposalConfig | None,
    objects: str,
    things: list[ObjectSpec],
    num_envs: int,
    **options: Any,
) -> GraspTask:
    """Build a run's task, with its proposals where it has them.

    Args:
        task: The run's task.
        record: Its proposals.
        objects: Name of its object set.
        things: Its objects.
        num_envs: Number of environments.
        options: See `make_grasp_task`.

    Raises:
        SleightError: The proposals are gone, or are others than when the run started.
    """
    if record is None:
        return make_grasp_task(task.without_proposals(), things, num_envs, **options)
    found = _again(record, objects, things, task.hand)
    return make_proposal_task(task, things, num_envs, found.proposals, fallback=record.fallback, **options)


def _again(record: ProposalConfig, objects: str, things: list[ObjectSpec], hand: str) -> FoundProposals:
    found = find_proposals(record.choice, objects, things, hand_alone(hand))
    if found is None or found.sha256 != record.sha256:
        raise SleightError(
            "the grasp proposals are others than when the run started",
            value=f"{record.choice} ({record.origin})",
            remedy="put the files back, or start a new run",
        )
    return found


def proposal_facts(record: ProposalConfig | None) -> str:
    """Say for people what proposals a run has."""
    if record is None:
        return "none"
    return f"of {record.objects} objects, from {record.origin}; {record.lacking} objects have none"


__all__ = ["AUTO", "NONE", "POSE_ONLY", "ProposalConfig", "proposal_facts", "training_task", "with_proposals"]
