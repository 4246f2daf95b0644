"""The scripts of the experts: what the wrist and the fingers do, task by task.

Grips (where the object sits in the hand, how the wrist is tilted, how far the joints close) were found by the
cross-entropy method over these numbers, 8 to 10 rounds of 48 or 64 randomised episodes; the rest is written by hand.
The stick's pinch was found by the same method, from a hand whose open fingertips stand beside the stick on both sides
(by differential evolution over the kinematics alone) and with the pinching force as a part of the score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.rotations import quat_rotate, quat_yaw_of_axis

from sleight_sim.tasks.compose.action import euler_to_quat
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.planner import Planner

Array = NDArray[np.float64]
_UP = np.array([0.0, 0.0, 1.0])
_FINGERS = ("FF", "MF", "RF", "LF")


@dataclass(frozen=True)
class Grip:
    """How an object is taken hold of.

    Attributes:
        place: Where it is in the wrist's frame (m).
        pitch, roll: Of the wrist over the task's start (rad).
        fingers: J2 and J1 of first, middle and ring finger (rad).
        little: J2 and J1 of the little finger (rad).
        thumb: J4 to J0 (rad).
    """

    place: tuple[float, float, float]
    pitch: float
    roll: float
    fingers: tuple[float, float]
    little: tuple[float, float]
    thumb: tuple[float, float, float, float, float]

    @property
    def closed(self) -> dict[str, float]:
        """Joint targets of the closed hand (rad)."""
        out = {f"{finger}J2": self.fingers[0] for finger in _FINGERS} | {f"{f}J1": self.fingers[1] for f in _FINGERS}
        out |= {"LFJ2": self.little[0], "LFJ1": self.little[1]}
        return out | {f"THJ{4 - i}": value for i, value in enumerate(self.thumb)}

    @property
    def ready(self) -> dict[str, float]:
        """Joint targets of the hand that comes to the object, thumb opposed (rad)."""
        return {f"{finger}J2": 0.15 for finger in _FINGERS} | {"THJ4": self.thumb[0], "THJ3": 0.1}


GRIPS: dict[str, Grip] = {
    "GraspBall": Grip(
        (0.002, -0.026, 0.098), -0.171, 0.179, (0.926, 1.394), (1.12, 0.958), (0.895, 0.825, -0.037, -0.379, -1.04)
    ),
    "PickCan": Grip(
        (-0.004, -0.041, 0.091), -0.047, 0.127, (0.974, 1.357), (0.573, 1.29), (1.003, 0.399, -0.005, -0.034, -0.698)
    ),
    "PourMug": Grip(
        (-0.004, -0.051, 0.085), -0.044, 0.102, (1.127, 1.415), (0.922, 1.048), (0.931, 0.709, -0.046, -0.267, -0.762)
    ),
    "GraspCube": Grip(
        (0.003, -0.034, 0.103), -0.169, -0.053, (0.821, 1.489), (1.219, 0.713), (0.958, 0.807, -0.089, -0.4, -0.742)
    ),
}

_STICK_FINGERS = ("FF", "MF", "RF")
#: The stick's pinch: tips of fingers and thumb stand on the table beside it, then close. Its place in the wrist's
#: frame (m); pitch and roll (rad); the postures (rad).
_STICK_PLACE = np.array([0.024, -0.052, 0.126])
_STICK_EULER = (0.29, 0.03)
_STRADDLE = {f"{finger}J2": 0.21 for finger in _FINGERS} | {f"{finger}J1": 0.61 for finger in _FINGERS}
_STRADDLE |= {"THJ4": 0.53, "THJ3": 1.09, "THJ2": 0.065, "THJ1": -0.05, "THJ0": -0.70}
_PINCH = {f"{finger}J2": 0.45 for finger in _STICK_FINGERS} | {f"{finger}J1": 1.15 for finger in _STICK_FINGERS}
_PINCH |= {"LFJ2": 0.25, "LFJ1": 1.12, "THJ4": 0.90, "THJ3": 1.04, "THJ2": 0.03, "THJ1": -0.04, "THJ0": -0.10}

_POINT = {
    "FFJ2": 0.25, "FFJ1": 0.1, "MFJ2": 1.3, "MFJ1": 1.3, "RFJ2": 1.3, "RFJ1": 1.3, "LFJ2": 1.3, "LFJ1": 1.3,
    "THJ4": 0.4, "THJ3": 0.3,
}  # fmt: skip
#: First and middle finger straight, against the stops of their joints: what they press or pull cannot bend them back.
#: The others are out of the way, as they are when they hold something.
_REACH = _POINT | {"FFJ2": 0.0, "FFJ1": 0.0, "MFJ2": 0.0, "MFJ1": 0.0}
_RAKE = {f"{finger}J2": 0.8 for finger in _FINGERS} | {f"{finger}J1": 0.35 for finger in _FINGERS}


def _grasp(plan: Planner) -> None:
    """Come to the object palm first, close all fingers, bring it to the target, or up; pour what is to be poured."""
    task = plan.task
    grip = GRIPS[task.config.name]
    ready, closed = plan.posture(grip.ready), plan.posture(grip.closed)
    place = np.array(grip.place)
    euler = np.array([0.0, grip.pitch, grip.roll + task.config.start.wrist_euler[2]])
    thing = task.sim.object_pos
    palm = quat_rotate(euler_to_quat(euler), np.array([0.0, -1.0, 0.0]))
    plan.move(0.9, thing - 0.08 * palm, euler, ready, place)
    plan.move(0.6, thing, euler, ready, place)
    plan.move(0.7, thing, euler, closed, place)
    plan.move(0.2, thing, euler, closed, place)
    if task.config.name in ("GraspBall", "GraspCube"):
        plan.move(1.0, np.broadcast_to(task.observation.target, thing.shape), euler, closed, place)
        return
    plan.move(1.0, thing + 0.15 * _UP, euler, closed, place)
    if task.config.name == "PourMug":
        plan.move(1.0, thing + 0.15 * _UP, np.array([0.0, grip.pitch, -0.15]), closed, place)


def _pick_stick(plan: Planner) -> None:
    """Turn with the stick, set fingertips and thumb down on both sides of it, pinch, lift."""
    task = plan.task
    straddle, pinch = plan.posture(_STRADDLE), plan.posture(_PINCH)
    axis = quat_rotate(task.sim.object_quat, np.tile(_UP, (plan.count, 1)))
    # A stick has no ends: the smaller of the two turns.
    turn = np.arctan(axis[:, 1] / axis[:, 0])
    euler = np.stack([turn, *(np.full_like(turn, angle) for angle in _STICK_EULER)], axis=-1)
    at = task.sim.object_pos - 0.003 * _UP
    plan.move(0.9, at + 0.08 * _UP, euler, straddle, _STICK_PLACE)
    plan.move(0.6, at, euler, straddle, _STICK_PLACE)
    plan.move(0.7, at, euler, pinch, _STICK_PLACE)
    plan.move(0.25, at, euler, pinch, _STICK_PLACE)
    plan.move(1.0, at + 0.15 * _UP, euler, pinch, _STICK_PLACE)


def _push_button(plan: Planner) -> None:
    """Point with the first finger, come over the button, press, let go."""
    task = plan.task
    top = _handles(task, 0.0)
    joints = plan.posture(_POINT)
    tip = plan.fingertip("ff", joints)
    euler = np.array([0.0, 0.75, 0.0])
    below = top - (_range(task) + 0.008) * _UP
    plan.move(1.3, top + 0.05 * _UP, euler, joints, tip)
    plan.move(0.8, below, euler, joints, tip)
    plan.move(0.3, below, euler, joints, tip)
    plan.move(0.6, top + 0.05 * _UP, euler, joints, tip)


def _turn_on_switch(plan: Planner) -> None:
    """Push the lever over with two fingers, nearly level so that it presses along them and does not bend them."""
    task = plan.task
    joints = plan.posture(_POINT | {"FFJ2": 0.1, "FFJ1": 0.0, "MFJ2": 0.1, "MFJ1": 0.0})
    tip = 0.5 * (plan.fingertip("ff", joints) + plan.fingertip("mf", joints))
    euler = _facing(task, 0.25)
    near = _along(task, 1)
    off, on = _handles(task, 0.0), _handles(task, 1.0)
    plan.move(1.2, off + 0.06 * near + 0.03 * _UP, euler, joints, tip)
    plan.move(0.5, off + 0.035 * near - 0.022 * _UP, euler, joints, tip)
    plan.move(0.8, on - 0.040 * near - 0.022 * _UP, euler, joints, tip)
    plan.move(0.2, on - 0.040 * near - 0.022 * _UP, euler, joints, tip)
    plan.move(0.6, off + 0.08 * near + 0.05 * _UP, euler, joints, tip)


def _open_drawer(plan: Planner) -> None:
    """Put the fingertips behind the bar from above and pull."""
    task = plan.task
    joints = plan.posture(_RAKE)
    tip = plan.fingertip("mf", joints)
    euler = _facing(task, 0.45)
    near = _along(task, 1)
    behind = _handles(task, 0.0) - 0.024 * near
    plan.move(1.2, behind + 0.06 * _UP, euler, joints, tip)
    plan.move(0.7, behind - 0.02 * _UP, euler, joints, tip)
    plan.move(1.6, behind - 0.02 * _UP + 0.19 * near, euler, joints, tip)


def _open_microwave(plan: Planner) -> None:
    """Thumb up, slide two straight fingers behind the upright bar from its left, and pull along the door's arc."""
    task = plan.task
    joints = plan.posture(_REACH)
    pad = _pads(plan, joints) - np.array([0.0, 0.0, 0.022])
    right, near = _along(task, 0), _along(task, 1)
    behind = _handles(task, 0.0) - 0.018 * near
    # The fingers are nearly along the door, so that the bar does not slide off them, and the palm is clear of it.
    euler = _facing(task, 0.0, roll=-0.5 * np.pi) + np.array([1.2, 0.0, 0.0])
    plan.move(1.0, behind - 0.09 * right + 0.05 * near, euler, joints, pad)
    plan.move(0.5, behind - 0.045 * right, euler, joints, pad)
    plan.move(0.5, behind, euler, joints, pad)
    for angle in (0.3, 0.6, 0.9, 1.15):
        there, quat = task.handle_pose(np.full((plan.count, 1), angle))
        away = quat_rotate(quat, np.tile([0.0, -0.009, 0.0], (plan.count, 1)))
        plan.move(0.55, there + away, euler + np.array([angle, 0.0, 0.0]), joints, pad)


def _open_door(plan: Planner) -> None:
    """Press the lever down with two straight fingers, take the door along by it, then push the door over the lever."""
    task = plan.task
    joints = plan.posture(_REACH)
    pad = _pads(plan, joints)
    tip = pad + np.array([0.0, 0.008, 0.0])
    over = pad - np.array([0.0, 0.0, 0.014])
    euler = _facing(task, 0.3)
    near = _along(task, 1)
    still, _ = task.handle_pose(np.zeros((plan.count, 2)))
    plan.move(1.1, still + 0.03 * near + 0.06 * _UP, euler, joints, over)
    plan.move(0.5, still + 0.025 * _UP, euler, joints, over)
    for hinge, seconds in ((0.0, 0.9), (0.2, 0.6)):
        there, _ = task.handle_pose(np.tile([hinge, 0.75], (plan.count, 1)))
        plan.move(seconds, there - 0.02 * _UP, euler - np.array([hinge, 0.0, 0.0]), joints, over)
    for hinge, seconds in ((0.32, 0.5), (0.55, 0.6), (0.85, 0.6)):
        there, quat = task.handle_pose(np.tile([hinge, 0.0], (plan.count, 1)))
        away = quat_rotate(quat, np.tile([0.0, -0.045, 0.07], (plan.count, 1)))
        plan.move(seconds, there + away, euler - np.array([hinge, 0.0, 0.0]), joints, tip)


def _pads(plan: Planner, joints: Array) -> Array:
    """Between the pads of first and middle finger at their tips (3,) m, in the wrist's frame."""
    return 0.5 * (plan.fingertip("ff", joints) + plan.fingertip("mf", joints)) - np.array([0.0, 0.008, 0.0])


def _handles(task: ComposeTask, share: float) -> Array:
    """Handles (B, 3) m with every joint at a share of its range."""
    return task.handle_pose(task.chain.lower + share * (task.chain.upper - task.chain.lower))[0]


def _range(task: ComposeTask) -> Array:
    """Range of the first joint (B, 1)."""
    return (task.chain.upper - task.chain.lower)[:, :1]


def _along(task: ComposeTask, axis: int) -> Array:
    """Unit vectors (B, 3) of an axis of the mechanisms' bases: 0 right, 1 towards the hand."""
    return quat_rotate(task.starts.place_quat, np.tile(np.eye(3)[axis], (task.num_envs, 1)))


def _facing(task: ComposeTask, pitch: float, roll: float = 0.0) -> Array:
    """Wrist rotation (B, 3) rad of a hand that faces the mechanism."""
    turn = quat_yaw_of_axis(task.starts.place_quat, 0)
    return np.stack([turn, np.full_like(turn, pitch), np.full_like(turn, roll)], axis=-1)


Script = Callable[[Planner], None]
#: Scripts by task.
SCRIPTS: dict[str, Script] = {
    **{name: _grasp for name in GRIPS},
    "PickStick": _pick_stick,
    "PushButton": _push_button,
    "TurnOnSwitch": _turn_on_switch,
    "OpenDrawer": _open_drawer,
    "OpenMicrowave": _open_microwave,
    "OpenDoor": _open_door,
}
