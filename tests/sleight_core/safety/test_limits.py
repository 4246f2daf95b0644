import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_core.safety import JointLimits, WristLimits, limit_joint_targets, limit_to_workspace, limit_twist
from sleight_description import load_hand

HAND = load_hand("shadow")
JOINTS = JointLimits.from_table(HAND, margin=0.02)
BOX = ((-0.5, -0.4, 0.6), (0.5, 0.4, 1.3))
WRIST = WristLimits.from_table(HAND, box=BOX)
SMALL = 1e-12


def test_limits_are_the_tables_minus_the_margin() -> None:
    assert JOINTS.names == HAND.actuated_joint_names
    np.testing.assert_allclose(JOINTS.lower, HAND.actuated_lower + 0.02)
    np.testing.assert_allclose(JOINTS.upper, HAND.actuated_upper - 0.02)
    np.testing.assert_allclose(JOINTS.velocity, HAND.actuated_velocity)
    np.testing.assert_allclose(WRIST.speed, [HAND.wrist.linear_speed] * 3 + [HAND.wrist.angular_speed] * 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: JointLimits.from_table(HAND, margin=0.3), ["THJ2", "smaller margin"]),
        (lambda: JointLimits.from_table(HAND, margin=-0.1), ["margin", "-0.1"]),
        (lambda: JointLimits.from_table(HAND, margin=float("nan")), ["margin", "nan"]),
        (lambda: JointLimits.from_table(HAND, velocity_scale=0.0), ["scale", "0.0"]),
        (lambda: JointLimits.from_table(HAND, velocity_scale=1.5), ["scale", "1.5"]),
        (lambda: WristLimits.from_table(HAND, speed_scale=2.0), ["scale", "2.0"]),
        (lambda: WristLimits.from_table(HAND, box=((0, 0, 1), (1, 1, 0))), ["box", "lower corner first"]),
    ],
)
def test_limits_without_meaning_are_refused(make, words: list[str]) -> None:
    with pytest.raises(SleightError) as caught:
        make()
    assert all(word in str(caught.value) for word in words)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), dt=st.floats(0.0, 0.1), size=st.floats(0.0, 1e6))
def test_slew_and_range_hold_for_batches(seed: int, dt: float, size: float) -> None:
    rng = np.random.default_rng(seed)
    last = JOINTS.clip(rng.uniform(-2, 2, (7, 18)))
    sent = limit_joint_targets(size * rng.standard_normal((7, 18)), last, JOINTS, dt)
    assert (np.abs(sent - last) <= JOINTS.velocity * dt + SMALL).all()
    assert (sent >= JOINTS.lower).all() and (sent <= JOINTS.upper).all()

    last = rng.uniform(-1, 1, (7, 6)) * WRIST.speed
    sent = limit_twist(size * rng.standard_normal((7, 6)), last, WRIST, dt)
    assert (np.abs(sent - last) <= WRIST.acceleration * dt + SMALL).all()
    assert (np.abs(sent) <= WRIST.speed).all()


def test_a_target_within_reach_passes_unchanged() -> None:
    last = 0.5 * (JOINTS.lower + JOINTS.upper)
    target = last + 0.9 * JOINTS.velocity / 60
    np.testing.assert_array_equal(limit_joint_targets(target, last, JOINTS, 1 / 60), JOINTS.clip(target))


def test_the_range_wins_over_the_slew_rule_when_the_last_target_was_outside() -> None:
    last = JOINTS.lower - 1.0
    sent = limit_joint_targets(last, last, JOINTS, 1 / 60)
    np.testing.assert_array_equal(sent, JOINTS.lower)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_wrist_brakes_before_the_walls_within_its_acceleration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dt = 1 / 60
    lower, upper = np.array(BOX[0]), np.array(BOX[1])
    position = rng.uniform(lower, upper)
    wanted = np.concatenate([rng.uniform(-1, 1, 3), np.zeros(3)])
    sent = np.zeros(6)
    for _ in range(400):
        before = sent
        sent = limit_twist(limit_to_workspace(wanted, position, WRIST, dt), before, WRIST, dt)
        assert (np.abs(sent - before) <= WRIST.acceleration * dt + SMALL).all()
        position = position + sent[:3] * dt
        assert (position >= lower - 1e-9).all() and (position <= upper + 1e-9).all()


def test_outside_the_box_only_the_way_back_is_open() -> None:
    position = np.array([0.9, 0.0, 1.0])
    out = limit_to_workspace(np.array([0.3, 0.1, 0.0, 0, 0, 0.2]), position, WRIST, 1 / 60)
    np.testing.assert_allclose(out, [0.0, 0.1, 0.0, 0, 0, 0.2])
    back = limit_to_workspace(np.array([-0.3, 0.0, 0.0, 0, 0, 0]), position, WRIST, 1 / 60)
    assert back[0] == -0.3
