"""The two actions of a hand on an arm: the wrist's twist through the arm's Jacobian, and joint targets (ResDex B.2)."""

import numpy as np
import pytest
from pydantic import ValidationError
from sleight_core.action import ActionPart, ActionSpec
from sleight_core.errors import SleightError
from sleight_core.observation import TermSpec
from sleight_description import load_hand

TABLE = load_hand("leap_ur5e")
PERIOD = 1.0 / 60.0
READY = TABLE.posture("ready")[TABLE.actuated_index][None]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("spec", [ActionSpec.arm_pose(TABLE, PERIOD), ActionSpec.arm_joints(TABLE, 0.02)])
def test_what_is_decoded_is_encoded_again(spec):
    action = RNG.uniform(-0.9, 0.9, (20, spec.size))
    yaw, last = RNG.uniform(-0.6, 0.6, 20), np.repeat(READY, 20, axis=0)
    command = spec.decode(action, yaw, last)
    assert (command.wrist_twist == 0).all()
    assert spec.encode(command, yaw, last) == pytest.approx(action, abs=1e-7)
    assert spec.size == TermSpec.of("last_action", TABLE).size == 22


def test_fingers_are_commanded_as_without_an_arm():
    alone, hand = ActionSpec.absolute(load_hand("leap")), load_hand("leap")
    action = RNG.uniform(-1, 1, (5, 22))
    ours = ActionSpec.arm_pose(TABLE, PERIOD).decode(action, np.zeros(5), np.repeat(READY, 5, axis=0))
    theirs = alone.decode(action, np.zeros(5), np.zeros((5, 16)))
    columns = [TABLE.actuated_joint_names.index(name) for name in hand.actuated_joint_names]
    assert ours.joint_targets[:, columns] == pytest.approx(theirs.joint_targets)


def test_targets_lead_the_measured_arm_by_no_more_than_allowed():
    spec = ActionSpec.arm_joints(TABLE, 0.5, lead=0.1)
    action = np.ones((1, 22))
    measured = TABLE.posture("ready")[None]
    command = spec.decode(action, np.zeros(1), READY, measured)
    ahead = command.joint_targets[0] - measured[0, TABLE.actuated_index]
    arm = [TABLE.actuated_joint_names.index(name) for name in TABLE.arm_joints]
    assert ahead[arm] == pytest.approx(np.full(6, 0.1))
    with pytest.raises(SleightError, match="measured joints"):
        spec.decode(action, np.zeros(1), READY)


def test_an_arm_takes_no_twist_and_a_wrist_no_steps():
    with pytest.raises(SleightError, match="no twist"):
        ActionSpec.absolute(TABLE)
    with pytest.raises(SleightError, match="unknown joints|all joints of an arm"):
        ActionSpec(load_hand("leap"), ActionSpec.arm_pose(TABLE, PERIOD).parts)
    with pytest.raises(SleightError, match="arm of six"):
        ActionSpec.arm_pose(load_hand("leap_franka"), PERIOD)


def test_an_arm_of_seven_joints_takes_joint_targets():
    table = load_hand("leap_franka")
    assert ActionSpec.arm_joints(table, 0.02).size == TermSpec.of("last_action", table).size == 23


@pytest.mark.parametrize("wrong", [{"scale": (0.01,) * 5}, {"scale": (0.01,) * 5 + (-0.01,)}, {"lead": 0.0}])
def test_parts_that_make_no_sense_are_refused(wrong):
    part = ActionSpec.arm_pose(TABLE, PERIOD).parts[0]
    with pytest.raises(ValidationError):
        ActionPart.model_validate({**part.model_dump(), **wrong})
