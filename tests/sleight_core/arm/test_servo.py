"""The guard behind every arm servo: whatever a solver, a driver or a policy says, what leaves is safe."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.arm import ArmServo, ArmStatus, ArmStep
from sleight_core.arm.servo import LONGEST_STEP, RESET_TOLERANCE
from sleight_core.errors import SleightError
from sleight_core.safety.limits import JointLimits

NAMES = ("a", "b", "c")
LIMITS = JointLimits(NAMES, np.array([-1.0, -2.0, 0.0]), np.array([1.0, 2.0, 0.5]), np.array([1.0, 2.0, 3.0]))
DT = 1 / 60


class Told(ArmServo):
    """Proposes what it is told, right or wrong."""

    def __init__(self, **options):
        super().__init__(LIMITS, **options)
        self.says: object = None
        self.sent: list[np.ndarray] = []

    def _started(self, targets):
        targets[:] = np.nan  # A careless subclass must not reach the guard's state.

    def _follow_twist(self, twist, last, measured, dt, fingers):
        last[:] = np.nan
        return ArmStep(self.says, ArmStatus.OK)  # type: ignore[arg-type]

    def _follow_joints(self, wanted, last, measured, dt, fingers):
        return self._follow_twist(wanted, last, measured, dt, fingers)

    def _sent(self, targets, dt):
        self.sent.append(targets)
        targets[:] = np.nan


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-4, 4)
vectors = (
    st.lists(numbers, min_size=3, max_size=3) | st.lists(numbers, max_size=5) | st.sampled_from(["x", None, [[1]]])
)
twists = st.lists(numbers, min_size=6, max_size=6) | vectors
times = st.sampled_from([DT, 0.001, 0.5]) | numbers


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(vectors, twists, vectors, times, st.booleans()), min_size=1, max_size=12))
def test_nothing_unsafe_leaves_whatever_comes_in(steps):
    servo = Told()
    last = servo.reset(np.array([0.9, 0.0, 0.1]))
    for says, twist, measured, dt, joints in steps:
        servo.says = says
        wanted = says if joints else twist
        out = (servo.step_joints if joints else servo.step)(wanted, measured, dt)  # type: ignore[arg-type]
        assert out.targets.shape == (3,)
        assert np.isfinite(out.targets).all()
        assert (out.targets >= LIMITS.lower).all() and (out.targets <= LIMITS.upper).all()
        allowed = LIMITS.velocity * (min(dt, LONGEST_STEP) if isinstance(dt, float) and 0 < dt <= 1 else 0.0)
        assert (np.abs(out.targets - last) <= allowed + 1e-12).all()
        assert isinstance(out.status, ArmStatus)
        if out.status is ArmStatus.INVALID:
            assert np.array_equal(out.targets, last)
        last = out.targets
        assert servo.targets is not None and np.array_equal(servo.targets, last)


def test_a_usable_proposal_passes_unchanged():
    servo = Told()
    start = servo.reset(np.zeros(3))
    servo.says = start + 0.5 * LIMITS.velocity * DT
    out = servo.step(np.zeros(6), start, DT)
    assert out.status is ArmStatus.OK
    assert np.allclose(out.targets, servo.says)


def test_what_the_guard_changes_is_said():
    servo = Told()
    start = servo.reset(np.zeros(3))
    servo.says = start + [0.0, 1.0, 0.0]
    out = servo.step(np.zeros(6), start, DT)
    assert out.status is ArmStatus.LIMITED and "'b'" in out.detail
    assert out.targets[1] == pytest.approx(2.0 * DT)


def test_targets_do_not_run_ahead_of_a_held_arm():
    servo = Told(lead=0.05)
    held = servo.reset(np.zeros(3))
    servo.says = np.array([0.0, 2.0, 0.0])
    for _ in range(100):
        out = servo.step(np.zeros(6), held, DT)
    assert out.targets[1] == pytest.approx(0.05)
    assert out.status is ArmStatus.LIMITED


@pytest.mark.parametrize(
    ("twist", "joints", "dt", "said"),
    [
        ([np.nan] * 6, [0, 0, 0], DT, "command"),
        ([0] * 5, [0, 0, 0], DT, "command"),
        ([0] * 6, [0, np.inf, 0], DT, "joint positions"),
        ([0] * 6, [0, 0], DT, "joint positions"),
        ([0] * 6, [0, 0, 0], 0.0, "time step"),
        ([0] * 6, [0, 0, 0], np.nan, "time step"),
        ([0] * 6, [0, 0, 0], 5.0, "time step"),
    ],
)
def test_unusable_input_holds_and_says_so(twist, joints, dt, said):
    servo = Told()
    start = servo.reset(np.zeros(3))
    servo.says = start + 0.001
    out = servo.step(np.array(twist, dtype=float), np.array(joints, dtype=float), dt)
    assert out.status is ArmStatus.INVALID and said in out.detail
    assert np.array_equal(out.targets, start)


def test_a_start_outside_the_limits_is_refused_and_a_small_miss_is_not():
    servo = Told()
    assert servo.targets is None
    with pytest.raises(SleightError, match="call reset"):
        servo.step(np.zeros(6), np.zeros(3), DT)
    assert servo.reset(np.array([1.0 + 0.9 * RESET_TOLERANCE, 0.0, 0.0]))[0] == 1.0
    with pytest.raises(SleightError, match="'a' is outside"):
        servo.reset(np.array([1.0 + 1.1 * RESET_TOLERANCE, 0.0, 0.0]))
    with pytest.raises(SleightError, match="finite"):
        servo.reset(np.array([np.nan, 0.0, 0.0]))
    with pytest.raises(SleightError, match="lead"):
        Told(lead=0.0)
