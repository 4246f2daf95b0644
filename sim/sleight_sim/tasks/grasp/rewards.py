"""Rewards of the base policies (ResDex A.2), the shaping that ends their plateau (decisions/002), and stage 1's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sleight_core.arrays import constant, namespace
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate

from sleight_sim.tasks.grasp.config import ProposalReward, RewardConfig
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

Array = Any


@dataclass
class ProposalErrors:
    """How far hands are from their grasp proposals.

    Attributes:
        position: (B,) L1 distance of the grasp centre in the object's frame (m).
        rotation: (B,) angle of the wrist in the object's frame (rad).
        joints: (B,) L1 distance of all joints (rad).
    """

    position: Array
    rotation: Array
    joints: Array


@dataclass
class RewardInputs:
    """What the reward reads, batch first, any common frame.

    Attributes:
        object_pos: (B, 3) true position (m).
        grasp_center: (B, 3) m.
        finger_points: (B, F, 3) m.
        joint_pos: (B, J) rad, of the fingers.
        goal_pos: (B, 3) m.
        vertical_command: (B,) vertical part of the executed wrist action in [-1, 1] (the paper's a_z).
        action_change: (B,) mean squared change of the executed action since the step before.
        excess: (B,) mean squared excess of the network's output over [-1, 1].
        rest_height: (B,) height of the object's origin at rest (m, task frame).
        touching: (B,) whether an arm touches what it must not; None for a floating wrist.
        proposal: How far the hands are from their proposals; only for a reward that asks.
    """

    object_pos: Array
    grasp_center: Array
    finger_points: Array
    joint_pos: Array
    goal_pos: Array
    vertical_command: Array
    action_change: Array
    excess: Array
    rest_height: Array
    touching: Array | None = None
    proposal: ProposalErrors | None = None


def base_reward(x: RewardInputs, config: RewardConfig, grasp_posture: Array) -> dict[str, Array]:
    """Compute the terms of the base policy's reward, numpy or torch; the reward is their sum.

    The first five are the paper's r_pose, r_reach, r_lift, r_move and r_bonus (A.2, with the code's clamps on the reach
    distances, resdex_facts 4); the others are ours.

    Args:
        x: The situation.
        config: Weights.
        grasp_posture: (J,) posture that r_pose points at (rad).

    Returns:
        Arrays (B,) by name.

    Raises:
        SleightError: The reward needs grasp proposals, and the task gives none.
    """
    xp = namespace(x.object_pos)
    hand = _norm(x.object_pos - x.grasp_center)
    to_fingers = _norm(x.object_pos[:, None, :] - x.finger_points)
    finger_sum = to_fingers.sum(axis=-1)
    pose = xp.abs(x.joint_pos - constant(grasp_posture, x.joint_pos)).sum(axis=-1)
    goal = _norm(x.object_pos - x.goal_pos)
    enclosed = (finger_sum <= config.max_finger_sum) & (hand <= config.max_hand)
    to_gain = xp.clip(x.goal_pos[:, 2] - x.rest_height, 0.0, None)
    gained = xp.minimum(xp.clip(x.object_pos[:, 2] - x.rest_height, 0.0, None), to_gain)
    terms = {
        "pose": -config.pose * pose,
        "reach": -config.reach_hand * xp.clip(hand, None, 0.5) - config.reach_fingers * xp.clip(finger_sum, None, 3.0),
        "lift": enclosed * (config.lift + config.lift_force * x.vertical_command),
        "move": (enclosed & (pose <= config.max_pose)) * (config.move - 2.0 * goal * (config.move > 0)),
        "bonus": config.bonus * (goal <= 0.05) / (1.0 + 10.0 * goal),
    }
    if config.proposal is not None:
        if x.proposal is None:
            raise SleightError(
                "this reward needs grasp proposals, and the task has none",
                remedy="make them with `sleight objects proposals`, and the task with `make_proposal_task`",
            )
        terms |= _proposal_terms(x, config, config.proposal, x.proposal, enclosed, goal)
    if config.height:
        beside = _norm((x.object_pos - x.goal_pos)[:, :2])
        terms["height"] = config.height * gained * xp.exp(-beside / config.height_reach)
    if config.enclose:
        terms["enclose"] = config.enclose * (to_fingers <= config.enclose_radius).sum(axis=-1)
    if config.settle:
        terms["settle"] = config.settle * xp.exp(-goal / config.settle_reach)
    if config.overshoot:
        terms["overshoot"] = -config.overshoot * xp.clip(x.object_pos[:, 2] - x.goal_pos[:, 2], 0.0, None)
    if config.action_rate:
        terms["action_rate"] = -config.action_rate * x.action_change
    if config.saturation:
        terms["saturation"] = -config.saturation * x.excess
    if config.touching and x.touching is not None:
        terms["touching"] = -config.touching * x.touching
    return terms


def proposal_errors(
    object_pos: Array,
    object_quat: Array,
    grasp_center: Array,
    wrist_quat: Array,
    joint_pos: Array,
    target: tuple[Array, Array, Array],
) -> ProposalErrors:
    """Compare hands with grasps, the wrist in the objects' frames.

    Args:
        object_pos: (B, 3) m, any frame.
        object_quat: (B, 4) in the same frame.
        grasp_center: (B, 3) m, in the same frame.
        wrist_quat: (B, 4) in the same frame.
        joint_pos: (B, J) rad.
        target: Grasp centres (B, 3) m and wrists (B, 4) in the objects' frames, and joints (B, J) rad.
    """
    centre, quat, joints = target
    inverse = quat_conjugate(object_quat)
    position = np.abs(quat_rotate(inverse, grasp_center - object_pos) - centre).sum(axis=-1)
    between = quat_multiply(quat_multiply(inverse, wrist_quat), quat_conjugate(quat))
    rotation = 2.0 * np.arcsin(np.minimum(_norm(between[..., 1:]), 1.0))
    return ProposalErrors(position, rotation, np.abs(joint_pos - joints).sum(axis=-1))


def _proposal_terms(
    x: RewardInputs, config: RewardConfig, weights: ProposalReward, off: ProposalErrors, enclosed: Array, goal: Array
) -> dict[str, Array]:
    """The terms of the first stage that differ from the base policy's (resdex_facts 4)."""
    near = (off.position <= weights.max_position) & (off.rotation <= weights.max_rotation)
    near &= enclosed & (off.joints <= weights.max_joints)
    height = x.object_pos[:, 2]
    lift = (height >= x.rest_height + weights.lift_clearance) * (config.lift + config.lift_force * x.vertical_command)
    lift = np.where(height >= TABLE_HEIGHT + weights.lift_top, weights.lift_reward, lift)
    return {
        "proposal": -(weights.position * off.position + weights.rotation * off.rotation + weights.joints * off.joints),
        "move": near * (config.move - 2.0 * goal * (config.move > 0)),
        "lift": enclosed * lift,
    }


def _norm(v: Array) -> Array:
    xp = namespace(v)
    return xp.sqrt(xp.einsum("...i,...i->...", v, v))
