"""No input of the second skill or of a residual moves a finger of the first, down to the motors' targets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.compose import Ownership
from sleight_core.compose.ownership import WRIST_SIZE
from sleight_sim.tasks.compose.config import task_config
from sleight_training.compose.held.library import read_library
from sleight_training.compose.residual.config import BoundConfig, RetentionConfig
from sleight_training.compose.residual.holding import Corrections, HoldingTask
from sleight_training.compose.residual.pair import make_holding_worlds

WILD = arrays(np.float64, (3, 28), elements=st.floats(allow_nan=True, allow_infinity=True, width=32))
SANE = arrays(np.float64, (3, 28), elements=st.floats(-4.0, 4.0))
MASKS = (("ff", "th"), ("rf", "lf", "th"), ("ff", "mf", "rf", "lf", "th"))


@pytest.fixture(scope="module")
def holding(pretended_file):
    held = read_library(pretended_file)
    task, worlds = make_holding_worlds(task_config("GraspBall"), held, 3, num_threads=1)
    masks = tuple(Ownership(task.table, mask) for mask in MASKS)
    made = HoldingTask(task, held, worlds, masks, bounds=BoundConfig(), retention=RetentionConfig())
    made.begin(np.arange(3))
    made.mask_of[:] = np.arange(3)  # a different mask in each environment
    return made


def motors(holding, nominal, first, second):
    """What reaches the motors, and which of them are the first skill's."""
    with np.errstate(all="ignore"):
        command = holding.command(nominal, Corrections(first, second))
        decoded = holding.task.action.decode(command)
    mine = holding.owned[:, WRIST_SIZE:][:, holding.task.table.actuated_index]
    return decoded.joint_targets, mine, decoded


@settings(max_examples=40, deadline=None)
@given(SANE, SANE, WILD, WILD)
def test_the_second_skill_cannot_move_a_preserved_finger(holding, first, nominal, wild, wilder):
    calm, mine, _ = motors(holding, nominal, first, np.zeros((3, 28)))
    mad, _, _ = motors(holding, wild, first, wilder)
    assert np.array_equal(calm[mine], mad[mine])


@settings(max_examples=40, deadline=None)
@given(SANE, SANE, WILD)
def test_the_stabiliser_cannot_move_the_wrist_or_a_released_finger(holding, nominal, second, wild):
    calm, mine, before = motors(holding, nominal, np.zeros((3, 28)), second)
    mad, _, after = motors(holding, nominal, wild, second)
    assert np.array_equal(calm[~mine], mad[~mine])
    assert np.array_equal(before.wrist_pos, after.wrist_pos)
    assert np.array_equal(before.wrist_quat, after.wrist_quat)


def test_residuals_of_zero_give_the_hold_and_the_frozen_skill_alone(holding):
    nominal = np.linspace(-0.2, 0.2, 3 * 28).reshape(3, 28)
    zero = np.zeros((3, 28))
    command = holding.command(nominal, Corrections(zero, zero))
    assert np.array_equal(command, np.where(holding.owned, holding.reference.action, nominal))


def test_an_unmasked_residual_does_move_preserved_fingers(holding):
    """The baseline without ownership (Eq. 16) differs in just this."""
    nominal, zero, ones = np.zeros((3, 28)), np.zeros((3, 28)), np.ones((3, 28))
    holding.unmasked = True
    try:
        moved = holding.command(nominal, Corrections(zero, ones)) - holding.command(nominal, Corrections(zero, zero))
    finally:
        holding.unmasked = False
    assert (np.abs(moved) > 0.01).all()
