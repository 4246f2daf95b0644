"""What the filter does in each situation, one test a rule."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_core.safety import JointLimits, ReasonCode, SafetyConfig, SafetyFilter, SafetyState, WristLimits

from .robot import HAND, PERIOD, Rig, sent

ACTUATED = list(HAND.actuated_joint_names)
IDLE, BLENDING, ACTIVE, HOLD, STOPPED = SafetyState


def test_nothing_is_sent_before_arming_or_before_a_joint_state() -> None:
    rig = Rig()
    out = rig.step()
    assert (out.state, out.reason, out.positions) == (IDLE, ReasonCode.NOT_ARMED, None)
    rig = Rig()
    rig.filter.arm()
    out = rig.step(without="joint_state")
    assert (out.state, out.reason, out.positions) == (IDLE, ReasonCode.NO_JOINT_STATE, None)
    assert out.ages["joint_state"] == np.inf and out.ages["command"] == 0.0


def test_armed_without_a_command_it_holds_the_measured_pose() -> None:
    rig = Rig()
    rig.filter.arm()
    out = rig.step(without="command")
    assert (out.state, out.reason) == (HOLD, ReasonCode.NO_COMMAND)
    np.testing.assert_array_equal(sent(out), rig.target)
    np.testing.assert_array_equal(out.wrist_twist, np.zeros(6))


def test_a_command_from_before_arming_is_forgotten() -> None:
    rig = Rig()
    rig.step()
    rig.filter.arm()
    assert rig.step(without="command").reason == ReasonCode.NO_COMMAND


def test_a_near_command_passes_unchanged_at_once() -> None:
    rig = Rig()
    rig.target += 0.01
    rig.filter.arm()
    out = rig.step()
    assert (out.state, out.reason, out.limited, out.sequence) == (ACTIVE, ReasonCode.OK, False, 1)
    np.testing.assert_array_equal(sent(out), rig.target)
    assert out.detail == ""


def test_a_far_command_blends_from_the_measured_pose_over_the_blend_time() -> None:
    rig = Rig(blend_time=0.5)
    measured, rig.target = rig.target, 0.5 * (rig.target + JointLimits.from_table(HAND).upper)
    rig.twist[:] = [0.2, 0, 0, 0, 0, 0]
    rig.filter.arm()
    outs = [rig.step() for _ in range(30)]
    assert outs[0].reason == ReasonCode.START_BLEND
    assert [out.state for out in outs[:29]] == [BLENDING] * 29
    assert np.abs(sent(outs[0]) - measured).max() < 0.01
    middle = sent(outs[14])
    np.testing.assert_allclose(middle, 0.5 * (measured + rig.target), atol=1e-9)
    assert outs[14].wrist_twist[0] == pytest.approx(0.1)
    out = rig.step()
    assert out.state == ACTIVE
    np.testing.assert_allclose(sent(out), rig.target)
    assert out.wrist_twist[0] == pytest.approx(0.2)


def test_targets_beyond_the_limits_are_clamped_and_named() -> None:
    rig = Rig().armed()
    rig.target[ACTUATED.index("THJ3")] = HAND.joint("THJ3").upper + 0.9
    out = rig.run(2.0)
    assert (out.state, out.reason, out.limited) == (ACTIVE, ReasonCode.POSITION_LIMITED, True)
    assert out.detail.startswith("THJ3")
    assert sent(out)[ACTUATED.index("THJ3")] == HAND.joint("THJ3").upper - 0.01


def test_a_jump_is_slewed() -> None:
    rig = Rig().armed()
    j = ACTUATED.index("FFJ2")
    before = rig.target[j]
    rig.target[j] += 0.5
    out = rig.step()
    assert out.reason == ReasonCode.RATE_LIMITED and out.detail.startswith("FFJ2")
    assert sent(out)[j] - before == pytest.approx(HAND.joint("FFJ2").velocity * PERIOD)


def test_the_wrist_is_limited_in_acceleration_and_speed() -> None:
    rig = Rig().armed()
    rig.twist[2] = 3.0
    out = rig.step()
    assert out.reason == ReasonCode.WRIST_LIMITED and "linear z" in out.detail
    assert out.wrist_twist[2] == pytest.approx(HAND.wrist.linear_acceleration * PERIOD)
    assert rig.run(1.0).wrist_twist[2] == pytest.approx(HAND.wrist.linear_speed)


def test_the_wrist_stays_in_its_workspace() -> None:
    wrist_limits = WristLimits.from_table(HAND, box=((-0.5, -0.5, 0.6), (0.5, 0.5, 1.2)))
    rig = Rig()
    rig.filter = SafetyFilter(HAND, rig.filter.config, wrist_limits=wrist_limits)
    rig.twist[2] = -0.3
    rig.filter.arm()
    rig.now += PERIOD
    rig.joint_state()
    rig.object()
    rig.command()
    assert rig.wrist(position=[0, 0, 0.6]) == ReasonCode.OK
    out = rig.tick()
    assert out.wrist_twist[2] == 0.0 and out.reason == ReasonCode.WRIST_LIMITED


@pytest.mark.parametrize(
    ("source", "limit", "reason"),
    [
        ("joint_state", 0.05, ReasonCode.STALE_JOINT_STATE),
        ("wrist", 0.05, ReasonCode.STALE_WRIST_STATE),
        ("command", 0.05, ReasonCode.STALE_COMMAND),
        ("object", 0.2, ReasonCode.STALE_OBJECT),
    ],
)
def test_a_source_that_stops_ends_in_a_hold_within_its_age_limit(source: str, limit: float, reason: ReasonCode) -> None:
    rig = Rig().armed()
    rig.twist[0] = 0.3
    rig.run(0.5)
    start = rig.now
    while (out := rig.step(without=source)).state == ACTIVE:
        assert rig.now - start <= limit + 1e-9
    assert (out.state, out.reason) == (HOLD, reason)
    assert rig.now - start <= limit + PERIOD + 1e-9
    assert out.ages[source] > limit and source in out.detail
    held = sent(rig.outputs[-2])
    out = rig.run(0.5, without=source)
    np.testing.assert_array_equal(sent(out), held)
    np.testing.assert_array_equal(out.wrist_twist, np.zeros(6))


def test_in_a_hold_the_wrist_brakes_within_its_acceleration() -> None:
    rig = Rig().armed()
    rig.twist[0] = 0.3
    rig.run(0.5)
    before = rig.outputs[-1].wrist_twist[0]
    for _ in range(20):
        out = rig.step(without="command")
        assert before - out.wrist_twist[0] <= HAND.wrist.linear_acceleration * PERIOD + 1e-9
        before = out.wrist_twist[0]
    assert before == 0.0


def test_a_hold_ends_by_itself_after_the_recovery_ticks() -> None:
    rig = Rig(recovery_ticks=5).armed()
    assert rig.run(0.3, without="command").state == HOLD
    states = [rig.step().state for _ in range(5)]
    assert states == [HOLD] * 4 + [ACTIVE]
    assert "recovering" in rig.outputs[-2].detail and rig.outputs[-2].reason == ReasonCode.STALE_COMMAND


def test_a_flickering_source_never_ends_a_hold() -> None:
    rig = Rig(recovery_ticks=5).armed()
    rig.run(0.3, without="command")
    for _ in range(20):
        rig.step()
        for _ in range(4):
            assert rig.step(without="command").state == HOLD


def test_after_a_hold_a_far_command_blends_from_the_held_pose() -> None:
    rig = Rig(recovery_ticks=2).armed()
    held = sent(rig.run(0.3, without="command"))
    j = ACTUATED.index("FFJ2")
    rig.target[j] += 0.6
    rig.step()
    out = rig.step()
    assert out.state == BLENDING
    assert np.abs(sent(out) - held).max() < 0.01


def test_a_stop_latches_until_it_is_re_armed() -> None:
    rig = Rig().armed()
    rig.filter.stop()
    held = sent(rig.outputs[-1])
    out = rig.run(1.0)
    assert (out.state, out.reason) == (STOPPED, ReasonCode.STOP_REQUESTED)
    np.testing.assert_array_equal(sent(out), held)
    assert not rig.filter.arm() and not rig.filter.armed
    assert rig.step().state == STOPPED
    rig.filter.rearm()
    assert rig.filter.armed
    assert rig.step().state == ACTIVE


def test_re_arming_blends_from_the_measured_pose() -> None:
    rig = Rig().armed()
    rig.filter.stop()
    rig.step()
    rig.filter.rearm()
    j = ACTUATED.index("FFJ2")
    rig.target[j] += 0.6
    out = rig.step()
    assert (out.state, out.reason) == (BLENDING, ReasonCode.START_BLEND)


def test_a_released_policy_ends_in_a_hold_with_its_own_reason() -> None:
    rig = Rig().armed()
    rig.filter.release()
    out = rig.step(without="command")
    assert (out.state, out.reason) == (HOLD, ReasonCode.POLICY_HOLD)
    rig.sequence = 0  # the next engagement counts from the start
    assert rig.run(0.2).state == ACTIVE


def test_reset_forgets_what_was_sent() -> None:
    rig = Rig().armed()
    rig.filter.reset()
    out = rig.step()
    assert (out.state, out.positions) == (IDLE, None) and rig.filter.last_sent is None


SPOILED_COMMANDS = [
    ({"positions": np.full(18, np.nan)}, ReasonCode.NON_FINITE_COMMAND),
    ({"positions": np.full(18, np.inf)}, ReasonCode.NON_FINITE_COMMAND),
    ({"twist": [0, 0, np.nan, 0, 0, 0]}, ReasonCode.NON_FINITE_COMMAND),
    ({"stamp": np.nan}, ReasonCode.NON_FINITE_COMMAND),
    ({"stamp": "noon"}, ReasonCode.NON_FINITE_COMMAND),
    ({"sequence": "next"}, ReasonCode.NON_FINITE_COMMAND),
    ({"positions": np.zeros(17)}, ReasonCode.WRONG_LENGTH),
    ({"positions": np.zeros((18, 1))}, ReasonCode.WRONG_LENGTH),
    ({"positions": ["a"] * 18}, ReasonCode.WRONG_LENGTH),
    ({"positions": None}, ReasonCode.WRONG_LENGTH),
    ({"names": None}, ReasonCode.WRONG_LENGTH),
    ({"names": [[]] * 18}, ReasonCode.WRONG_LENGTH),
    ({"twist": np.zeros(3)}, ReasonCode.WRONG_LENGTH),
    ({"names": [], "positions": []}, ReasonCode.MISSING_JOINT),
    ({"names": ACTUATED[1:], "positions": np.zeros(17)}, ReasonCode.MISSING_JOINT),
    ({"names": ACTUATED[:-1] + ["elbow"]}, ReasonCode.UNKNOWN_JOINT),
    ({"names": ACTUATED[:-1] + ["FFJ0"]}, ReasonCode.UNKNOWN_JOINT),
    ({"names": ACTUATED[:-1] + ACTUATED[:1]}, ReasonCode.DUPLICATE_JOINT),
    ({"positions": np.full(18, 300.0)}, ReasonCode.COMMAND_OUT_OF_LIMITS),
    ({"positions": HAND.actuated_lower - 1.01}, ReasonCode.COMMAND_OUT_OF_LIMITS),
    ({"twist": [0, 0, 200.0, 0, 0, 0]}, ReasonCode.COMMAND_OUT_OF_LIMITS),
    ({"frame": "camera"}, ReasonCode.WRONG_FRAME),
    ({"stamp": 1e9}, ReasonCode.FUTURE_STAMP),
    ({"stamp": 3.0}, ReasonCode.BACKWARD_TIME),
    ({"sequence": 1}, ReasonCode.BACKWARD_TIME),
]


@pytest.mark.parametrize(("changes", "reason"), SPOILED_COMMANDS)
def test_a_spoiled_command_counts_as_if_it_had_not_come(changes: dict, reason: ReasonCode) -> None:
    rig = Rig(task_frame="world").armed()
    good = rig.outputs[-1]
    for _ in range(10):
        rig.step(without="command")
        assert rig.command(**changes) in (reason, ReasonCode.OK)
        out = rig.tick()
        np.testing.assert_array_equal(sent(out), sent(good))
    assert out.state == HOLD


@pytest.mark.parametrize(("changes", "reason"), SPOILED_COMMANDS)
def test_the_reason_of_a_refusal_is_that_of_the_hold(changes: dict, reason: ReasonCode) -> None:
    rig = Rig(task_frame="world", recovery_ticks=1000).armed()
    for _ in range(4):
        rig.step(without="command")
        assert rig.command(**changes) == reason
        rig.tick()
    assert rig.outputs[-1].reason == reason


def short(names: list[str], drop: str) -> dict:
    keep = [i for i, name in enumerate(names) if name != drop]
    return {"names": [names[i] for i in keep], "positions": np.zeros(len(keep))}


ALL = list(HAND.joint_names)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (short(ALL, "FFJ0"), ReasonCode.MISSING_JOINT),
        ({"positions": np.full(22, np.nan)}, ReasonCode.NON_FINITE_STATE),
        ({"velocities": np.full(22, np.inf)}, ReasonCode.NON_FINITE_STATE),
        ({"velocities": np.zeros(3)}, ReasonCode.WRONG_LENGTH),
        ({"positions": np.zeros(21)}, ReasonCode.WRONG_LENGTH),
        ({"names": ALL[:-1] + ALL[:1]}, ReasonCode.DUPLICATE_JOINT),
        ({"positions": np.full(22, 2.5)}, ReasonCode.STATE_OUT_OF_LIMITS),
        ({"stamp": 99.0}, ReasonCode.BACKWARD_TIME),
        ({"stamp": np.inf}, ReasonCode.NON_FINITE_STATE),
        ({"stamp": 101.0}, ReasonCode.FROZEN_STAMP),
    ],
)
def test_a_spoiled_joint_state_ends_in_a_hold_with_its_reason(changes: dict, reason: ReasonCode) -> None:
    rig = Rig(recovery_ticks=1000)
    rig.filter.arm()
    while rig.now < 101.0 - 1e-6:
        rig.step(period=1.0 / 64.0)  # binary fractions, so that the last stamp is exactly 101
    for _ in range(5):
        rig.step(without="joint_state")
        assert rig.joint_state(**changes) == reason
        out = rig.tick()
    assert (out.state, out.reason) == (HOLD, reason)


def test_names_in_any_order_and_other_robots_joints_are_fine() -> None:
    rig = Rig().armed()
    rig.target += np.linspace(-0.02, 0.02, 18)
    for _ in range(2):
        rig.now += PERIOD
        order = np.random.default_rng(0).permutation(18)
        rig.wrist()
        rig.object()
        assert rig.command(names=[ACTUATED[i] for i in order], positions=rig.target[order]) == ReasonCode.OK
        all_order = np.random.default_rng(1).permutation(22)
        names = ["arm_1"] + [ALL[i] for i in all_order]
        q = np.concatenate([[np.nan], rig.q[all_order]])
        assert rig.joint_state(names=names, positions=q, velocities=[]) == ReasonCode.OK
        out = rig.tick()
    np.testing.assert_array_equal(sent(out), rig.target)
    assert out.state == ACTIVE


def test_a_restarted_policy_is_taken_up_again() -> None:
    rig = Rig().armed()
    rig.sequence = 0
    for _ in range(4):
        rig.step(without="command")
        assert rig.command() == ReasonCode.BACKWARD_TIME
    rig.step(without="command")
    assert rig.command() == ReasonCode.OK
    assert rig.run(0.3).state == ACTIVE


def test_several_commands_from_one_state_are_no_fault_until_it_is_old() -> None:
    rig = Rig().armed()
    stamp = rig.now
    for _ in range(2):
        rig.step(without="command")
        assert rig.command(stamp=stamp) == ReasonCode.OK
        assert rig.tick().state == ACTIVE
    for _ in range(3):
        rig.step(without="command")
        rig.command(stamp=stamp)
    out = rig.tick()
    assert (out.state, out.reason) == (HOLD, ReasonCode.STALE_COMMAND)


def test_old_data_that_arrives_late_counts_from_its_stamp() -> None:
    rig = Rig().armed()
    rig.step(without="joint_state")
    for _ in range(30):
        rig.step(without="joint_state")
        rig.joint_state(stamp=rig.now - 0.2)
    assert rig.tick().reason in (ReasonCode.STALE_JOINT_STATE, ReasonCode.BACKWARD_TIME)


def test_untrusted_stamps_only_order() -> None:
    rig = Rig(trust_stamps=False)
    rig.filter.arm()
    for i in range(60):
        rig.now += PERIOD
        for name in ("joint_state", "wrist", "object", "command"):
            assert getattr(rig, name)(stamp=5.0 + 0.01 * i) == ReasonCode.OK
        out = rig.tick()
    assert out.state == ACTIVE


def test_drivers_without_stamps_are_judged_by_arrival() -> None:
    rig = Rig()
    rig.filter.arm()
    for _ in range(10):
        rig.now += PERIOD
        for name in ("joint_state", "wrist", "object", "command"):
            assert getattr(rig, name)(stamp=None) == ReasonCode.OK
        out = rig.tick()
    assert out.state == ACTIVE


def test_perception_without_an_object_ends_in_a_hold() -> None:
    rig = Rig().armed()
    for _ in range(14):
        rig.step(without="object")
        assert rig.object(reason=ReasonCode.NO_OBJECT) == ReasonCode.NO_OBJECT
        out = rig.tick()
    assert (out.state, out.reason) == (HOLD, ReasonCode.NO_OBJECT)


def test_a_bundle_that_sees_no_object_need_not_wait_for_one() -> None:
    rig = Rig(watch_object=False)
    rig.filter.arm()
    assert rig.run(0.5, without="object").state == ACTIVE
    assert set(rig.outputs[-1].ages) == {"joint_state", "wrist", "command"}


def test_a_clock_that_jumps_back_holds_and_recovers() -> None:
    rig = Rig().armed()
    rig.twist[0] = 0.3
    rig.run(0.5)
    held = sent(rig.outputs[-1])
    rig.now = 2.0
    out = rig.tick()
    assert (out.state, out.reason) == (HOLD, ReasonCode.BACKWARD_TIME)
    np.testing.assert_array_equal(sent(out), held)
    assert rig.run(0.3).state == ACTIVE


def test_a_clock_that_jumps_ahead_allows_no_jump() -> None:
    rig = Rig().armed()
    rig.target[ACTUATED.index("FFJ2")] += 0.7
    before = sent(rig.outputs[-1])
    out = rig.step(period=3600.0)
    assert np.abs(sent(out) - before).max() <= 1.5 * 3.0 * PERIOD + 1e-9


@pytest.mark.parametrize("now", [float("nan"), float("inf"), None, "noon"])
def test_a_broken_clock_holds(now) -> None:
    rig = Rig().armed()
    rig.twist[0] = 0.3
    rig.run(0.3)
    for _ in range(20):
        out = rig.filter.tick(now)
    assert (out.state, out.reason) == (HOLD, ReasonCode.INTERNAL_ERROR)
    np.testing.assert_array_equal(out.wrist_twist, np.zeros(6))
    assert rig.filter.observe_joint_state(now, 1.0, ALL, rig.q) == ReasonCode.INTERNAL_ERROR


def test_a_bug_inside_ends_in_a_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig().armed()
    held = sent(rig.outputs[-1])
    with monkeypatch.context() as patch:
        patch.setattr(SafetyFilter, "_follow", lambda *_: 1 / 0)
        out = rig.step()
        assert (out.state, out.reason) == (HOLD, ReasonCode.INTERNAL_ERROR)
        assert "ZeroDivisionError" in out.detail
        np.testing.assert_array_equal(sent(out), held)
    assert rig.run(0.3).state == ACTIVE


@pytest.mark.parametrize(
    "changes",
    [{"period": 0.0}, {"period": float("nan")}, {"object_max_age": -1.0}, {"blend_time": -0.1}, {"recovery_ticks": 0}],
)
def test_settings_without_meaning_are_refused(changes: dict) -> None:
    with pytest.raises(SleightError, match=next(iter(changes))):
        SafetyConfig(**changes)


@pytest.mark.parametrize(
    ("hz", "command", "state"), [(60, 0.05, 0.05), (50, 0.06, 0.05), (30, 0.1, 1 / 15), (20, 0.15, 0.1)]
)
def test_age_limits_follow_the_control_period(hz: float, command: float, state: float) -> None:
    config = SafetyConfig(period=1 / hz)
    assert config.command_age_limit == pytest.approx(command)
    assert config.joint_state_age_limit == pytest.approx(state) == config.wrist_age_limit


def test_limits_of_another_hand_or_wider_ones_are_refused() -> None:
    wide = JointLimits.from_table(HAND)
    with pytest.raises(SleightError, match="not those of hand 'shadow'"):
        SafetyFilter(
            HAND, joint_limits=JointLimits(wide.names[::-1], wide.lower[::-1], wide.upper[::-1], wide.velocity)
        )
    with pytest.raises(SleightError, match="FFJ3"):
        SafetyFilter(HAND, joint_limits=JointLimits(wide.names, wide.lower - 1, wide.upper, wide.velocity))
    with pytest.raises(SleightError, match="wrist speeds"):
        SafetyFilter(HAND, wrist_limits=WristLimits(np.full(6, 9.0), np.full(6, 1.0)))
