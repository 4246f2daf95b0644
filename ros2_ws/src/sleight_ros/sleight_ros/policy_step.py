"""One step of a policy: inputs to observation, observation to action, action to command.

`policy_node` runs it on the robot and `sleight replay` on a recording: the same code for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sleight_core.action import ActionSpec
from sleight_core.action.spec import Command
from sleight_core.bundle import Bundle, Manifest, PolicyOutput, PolicySession
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder
from sleight_core.observation.estimated_terms import made_of
from sleight_core.observation.reorient import POSE_TERMS
from sleight_core.observation.scene_terms import sees_scene
from sleight_core.observation.terms import cloud_points
from sleight_core.rotations import quat_yaw_of_axis
from sleight_msgs.msg import PolicyTelemetry

from sleight_ros.policy_inputs import AgeLimits, PolicyInputs

#: Terms made of the fingertip wrenches.
WRENCH_TERMS = {"fingertip_wrench", "contacts"}
#: Source of all terms of a provenance.
SOURCES = {"perception": "object", "privileged": "privileged"}


@dataclass(frozen=True)
class StepAnswer:
    """What a tick gave.

    Attributes:
        command: A batch of one.
        action: (A,) the action, in the bundle's units.
        observation: What the network saw.
        inference_time: Time in ONNX Runtime within the tick, s.
        expert_weights: (k,) of a mixture.
        residual: (A,) of a policy with a residual.
        remark: Why the hand stands still although it should act; "" when it does not.
        waits: The remark is so grave that the command must not be sent.
    """

    command: Command
    action: np.ndarray
    observation: np.ndarray
    inference_time: float
    expert_weights: np.ndarray | None = None
    residual: np.ndarray | None = None
    remark: str = ""
    waits: bool = False


class PolicyStep:
    """What a bundle makes of its inputs.

    Args:
        bundle: A verified bundle.
        table: The hand.

    Raises:
        SleightError: This version cannot run the bundle.
    """

    def __init__(self, bundle: Bundle, table: HandTable) -> None:
        manifest = bundle.manifest
        self.table = table
        self.manifest = manifest
        self.observation = ObservationBuilder(table, manifest.observation)
        self.action = ActionSpec(table, manifest.action)
        self.session = PolicySession(bundle)
        composition = manifest.composition
        #: Names of the experts, as many as there are weights; empty for a single policy.
        self.expert_names = list(getattr(composition, "expert_names", ()))
        if not self.expert_names:
            self.expert_names = [f"expert_{i}" for i in range(getattr(composition, "k", 0))]
        #: Elements of the action on which a second policy acts; empty without a mask.
        self.mask = list(getattr(composition, "mask", ()))

    def make_inputs(self, goal: Any, frame: str, limits: AgeLimits | None = None) -> PolicyInputs:
        """Make what collects the policy's inputs.

        Args:
            goal: Where the object should go in the task frame (3,), m; the bundle's own when None.
            frame: Name of the task frame.
            limits: Largest ages.
        """
        goal = np.asarray(self.manifest.task.goal if goal is None else goal, dtype=float)
        start = np.asarray(self.manifest.task.start.wrist_quat, dtype=float)
        return PolicyInputs(
            self.table,
            self.action,
            goal,
            frame,
            limits,
            uses=needed_sources(self.manifest),
            margin=self.manifest.control.position_margin,
            heading=float(quat_yaw_of_axis(start, 0)),
        )

    def tick(self, inputs: PolicyInputs) -> StepAnswer:
        """One control tick.

        Raises:
            SleightError: As `act`.
        """
        observation = self.observe(inputs)
        result = self.act(observation)
        return StepAnswer(
            command=self.command(result.action, inputs),
            action=result.action,
            observation=observation,
            inference_time=result.inference_time,
            expert_weights=result.expert_weights,
            residual=result.residual,
        )

    def close(self) -> None:
        """Nothing runs beside the tick."""

    def release(self) -> None:
        """Nothing is kept between engagements."""

    def describe(self, msg: PolicyTelemetry) -> None:
        """Fill in the parts that a mixture or a masked policy has."""
        msg.expert_names, msg.mask = self.expert_names, self.mask

    def observe(self, inputs: PolicyInputs) -> np.ndarray:
        """The network's input (D,) for the newest state."""
        return self.observation.compute(inputs.state())[0]

    def act(self, observation: np.ndarray) -> PolicyOutput:
        """Ask the network.

        Raises:
            SleightError: The observation or the answer is not finite.
        """
        return self.session.act(observation)

    def command(self, action: np.ndarray, inputs: PolicyInputs) -> Command:
        """Decode an action (A,) into a command, a batch of one; the inputs remember the action."""
        inputs.note_output(action)
        yaw = np.array([inputs.canonical_yaw])
        last, joints = inputs.last_targets[None], inputs.joint_pos[None]
        return self.action.decode(np.asarray(action, dtype=float)[None], yaw, last, joints)


def needed_sources(manifest: Manifest) -> frozenset[str]:
    """Which of the sources "wrenches", "object", "cloud", "scene", "pose" and "privileged" the observations need.

    Who sees the object's cloud needs the estimate as well: it says why there is no cloud. Who sees the object's
    orientation gets its position from the same tracker. An estimated term needs what its estimator sees.
    """
    terms = [term for _, term in manifest.all_terms if not made_of(term.name)]
    names = {term.name for term in terms}
    uses = {"wrenches"} if names & WRENCH_TERMS else set()
    if cloud_points(names):
        uses.add("cloud")
    if sees_scene(names):
        uses.add("scene")
    others = [term for term in terms if not sees_scene([term.name])]
    uses |= {source for kind, source in SOURCES.items() if any(term.provenance == kind for term in others)}
    if names & POSE_TERMS:
        uses = uses - {"object"} | {"pose"}
    return frozenset(uses)
