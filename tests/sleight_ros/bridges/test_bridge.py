"""A bridge refuses what does not fit, in words that help, and never sends half a command."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.bridges.bridge import parse_bridge

from .builders import HAND, LIMITS, WRIST, command, inside, make_bridge

NAMES = list(LIMITS.names)
JTC = {"adapter": "joint_trajectory", "verify": False}
OPEN_LOOP = {"interpolate_from_desired_state": True}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"hand": {"adapter": "joint_trajectroy"}}, "did you mean 'joint_trajectory'"),
        ({"hand": {"adapter": "joint_trajectory", "controler": "x"}}, "did you mean 'controller'"),
        ({"hand": {"controller": "x"}}, "bridge.hand.adapter' is missing"),
        ({"hand": "joint_trajectory"}, "must be a section"),
        ({"hand": {**JTC, "time_from_start": -1.0}}, "bridge.hand.time_from_start"),
        ({"hand": {**JTC, "time_from_start": float("nan")}}, "bridge.hand.time_from_start"),
        ({"hand": {**JTC, "verify_timeout": "soon"}}, "bridge.hand.verify_timeout"),
        ({"hand": {**JTC, "tendons": "cables"}}, "bridge.hand.tendons"),
        ({"wrist": {"adapter": "twist", "rotation": [1.0, 0.0, 0.0]}}, "bridge.wrist.rotation"),
    ],
)
def test_a_wrong_section_is_refused_and_names_the_parameter(section, words):
    with pytest.raises(SleightError) as error:
        parse_bridge(section)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"wrist": WRIST}, "no part of the bridge commands some joints"),
        ({"hand": JTC}, "no part of the bridge moves the wrist"),
        ({"hand": JTC, "wrist": WRIST, "other": WRIST}, "two parts of the bridge move the wrist"),
        ({"hand": JTC, "more": JTC, "wrist": WRIST}, "two parts of the bridge name no joints"),
        ({"hand": {**JTC, "joints": NAMES[:5]}, "wrist": WRIST}, NAMES[5]),
        (
            {"a": {**JTC, "joints": NAMES[:5]}, "b": {**JTC, "joints": NAMES[4:]}, "wrist": WRIST},
            "commanded by two parts",
        ),
        ({"hand": {**JTC, "joints": ["FFJ0"]}, "rest": JTC, "wrist": WRIST}, "no actuated joint"),
        ({"hand": {**JTC, "joints": ["FFJ33"]}, "rest": JTC, "wrist": WRIST}, "did you mean 'FFJ3'"),
        ({"hand": {**JTC, "joints": NAMES}, "rest": JTC, "wrist": WRIST}, "no joint is left"),
        ({"hand": {**JTC, "map": "shadow_e3m"}, "wrist": WRIST}, "did you mean 'shadow_e3m5'"),
        ({"hand": {**JTC, "names": {"FFJ9": "x"}}, "wrist": WRIST}, "did you mean"),
        ({"hand": {**JTC, "names": {"FFJ3": "FFJ2"}}, "wrist": WRIST}, "two joints have one name"),
        ({"hand": {**JTC, "tendons": "sums"}, "wrist": WRIST}, "has no tendons"),
        ({"hand": {**JTC, "fixed": {"FFJ3": 0.0}}, "wrist": WRIST}, "this joint is commanded"),
        (
            {"hand": {**JTC, "map": "shadow_e3m5", "offsets": {"FFJ2": 0.5}}, "wrist": WRIST},
            "'FFJ3' allows -0.2618 to 1.5708 rad",
        ),
    ],
)
def test_parts_that_do_not_make_a_whole_are_refused(parts, words):
    with pytest.raises(SleightError) as error:
        make_bridge(parts)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"joints": [name for name in NAMES if name != "THJ4"]}, "has no joint 'THJ4'"),
        ({"joints": [*NAMES, "WRJ1"]}, "WRJ1"),
        ({"interpolate_from_desired_state": False}, "interpolate_from_desired_state"),
    ],
)
def test_a_trajectory_controller_that_does_not_fit_is_refused(change, words, monkeypatch):
    answers = {"hand_controller": {"joints": NAMES, **OPEN_LOOP, **change}}
    parts = {"hand": {"adapter": "joint_trajectory"}, "wrist": WRIST}
    bridge, node = make_bridge(parts, answers=answers, monkeypatch=monkeypatch)
    with pytest.raises(SleightError) as error:
        bridge.configure()
    assert words in str(error.value) and not node.sent


def test_a_trajectory_controller_that_fits_is_accepted(monkeypatch):
    shuffled = NAMES[::-1]
    for change in (
        {"joints": shuffled},
        {"joints": [*shuffled, "WRJ1"], "allow_partial_joints_goal": True},
        {"joints": shuffled, "interpolate_from_desired_state": False, "open_loop_control": True},
    ):
        answers = {"hand_controller": {**OPEN_LOOP, **change}}
        parts = {"hand": {"adapter": "joint_trajectory"}, "wrist": WRIST}
        bridge, _ = make_bridge(parts, answers=answers, monkeypatch=monkeypatch)
        bridge.configure()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "does not answer"),
        ({"joints": NAMES[1:]}, "has no joint 'FFJ3'"),
        ({"joints": [*NAMES, "spare"]}, "spare"),
        ({"joints": [*NAMES[1:], NAMES[1]]}, "names a joint twice"),
        ({"joints": NAMES, "interface_name": "velocity"}, "takes no positions"),
        ({}, "has no joint"),
    ],
)
def test_a_forward_controller_that_does_not_fit_is_refused(found, words, monkeypatch):
    parts = {"hand": {"adapter": "forward_command", "controller": "forward"}, "wrist": WRIST}
    answers = {} if found is None else {"forward": found}
    bridge, _ = make_bridge(parts, answers=answers, monkeypatch=monkeypatch)
    with pytest.raises(SleightError) as error:
        bridge.configure()
    assert words in str(error.value)


@settings(deadline=None)
@given(order=st.permutations(NAMES), share=st.lists(st.floats(0.0, 1.0), min_size=18, max_size=18))
def test_a_forward_command_is_in_the_controllers_order_whatever_it_is(order, share):
    with pytest.MonkeyPatch.context() as patch:
        parts = {"hand": {"adapter": "forward_command", "controller": "forward"}, "wrist": WRIST}
        bridge, node = make_bridge(parts, answers={"forward": {"joints": order}}, monkeypatch=patch)
        bridge.configure()
    positions = inside(share)
    bridge.send(command(positions))
    sent = dict(node.sent)["forward/commands"].data
    assert dict(zip(order, sent, strict=True)) == dict(zip(NAMES, positions, strict=True))


def test_a_controller_that_goes_away_stops_the_bridge_until_it_is_activated_anew(monkeypatch):
    parts = {"hand": {"adapter": "forward_command", "controller": "forward"}, "wrist": WRIST}
    answers = {"forward": {"joints": NAMES}}
    bridge, node = make_bridge(parts, answers=answers, monkeypatch=monkeypatch)
    bridge.configure()
    node.publishers["forward/commands"].listeners = 0
    assert bridge.problem() == "", "it may come later"
    node.publishers["forward/commands"].listeners = 1
    assert bridge.problem() == ""
    node.publishers["forward/commands"].listeners = 0
    assert "gone" in bridge.problem()
    answers["forward"] = {"joints": NAMES[::-1]}
    bridge.start()
    assert bridge.problem() == ""
    bridge.send(command())
    assert list(dict(node.sent)["forward/commands"].data) == command().positions[::-1].tolist()


ADAPTERS = {
    "joint_trajectory": JTC,
    "forward_command": {"adapter": "forward_command"},
    "joint_state_command": {"adapter": "joint_state_command"},
    "shadow": {"adapter": "shadow"},
    "shadow topics": {"adapter": "shadow", "interface": "topics"},
}


def wrongs():
    """Commands that no safety filter says."""
    good = command()
    for j in (0, 7, 17):
        for value in (np.nan, np.inf, -np.inf, LIMITS.upper[j] + 0.01, LIMITS.lower[j] - 0.01, 1e9):
            row = good.positions.copy()
            row[j] = value
            yield command(row)
    yield command(good.positions[:-1])
    yield command(np.append(good.positions, 0.0))
    yield command(good.positions[None])
    yield command(names=tuple(NAMES[::-1]))
    yield command(names=tuple(NAMES[:-1]))
    yield command(names=(*NAMES[:-1], "other"))
    yield command(names=())
    for twist in (np.full(6, np.nan), np.array([0, 0, np.inf, 0, 0, 0]), np.zeros(5)):
        yield command(twist=twist)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_wrong_order_wrong_length_or_nan_never_reach_a_controller(kind, monkeypatch):
    parts = {"hand": ADAPTERS[kind], "wrist": WRIST}
    answers = {"forward_position_controller": {"joints": NAMES[::-1]}}
    bridge, node = make_bridge(parts, answers=answers, monkeypatch=monkeypatch)
    bridge.configure()
    for wrong in wrongs():
        with pytest.raises(SleightError):
            bridge.send(wrong)
    assert not node.sent
    bridge.send(command())
    assert node.sent


def test_a_part_that_fails_lets_no_other_part_send(monkeypatch):
    bridge, node = make_bridge({"hand": JTC, "wrist": WRIST}, monkeypatch=monkeypatch)
    bridge.configure()

    def fail(_):
        raise SleightError("broken")

    monkeypatch.setattr(bridge.adapters["wrist"], "encode", fail)
    with pytest.raises(SleightError, match="broken"):
        bridge.send(command())
    assert not node.sent


def test_the_default_parts_send_what_the_bridge_has_always_sent():
    parts = {"hand": {**JTC, "topic": "here/joint_trajectory"}, "wrist": {**WRIST, "topic": "there/twist"}}
    bridge, node = make_bridge(parts)
    bridge.configure()
    twist = np.array([0.1, -0.1, 0.05, 0.01, 0.02, -0.03])
    bridge.send(command(twist=twist))
    (first, trajectory), (second, stamped) = node.sent
    assert (first, second) == ("here/joint_trajectory", "there/twist")
    assert list(trajectory.joint_names) == NAMES and len(trajectory.points) == 1
    assert list(trajectory.points[0].positions) == command().positions.tolist()
    assert trajectory.header.stamp.sec == 0 and trajectory.points[0].time_from_start.nanosec == round(1e9 / 60)
    assert stamped.header.frame_id == "world" and stamped.header.stamp.sec == 7
    assert stamped.twist.linear.x == 0.1 and stamped.twist.angular.z == -0.03


def test_the_wrist_rests_at_the_end():
    bridge, node = make_bridge({"hand": JTC, "wrist": WRIST})
    bridge.configure()
    bridge.farewell(command().stamp)
    assert {topic for topic, _ in node.sent} == {"wrist_controller/twist"}
    assert all(msg.twist.linear.x == 0.0 and msg.twist.angular.z == 0.0 for _, msg in node.sent)


def test_shadow_says_twenty_numbers_and_keeps_its_own_wrist():
    parts = {
        "hand": {"adapter": "shadow", "interface": "topics", "wrist": {"WRJ1": -0.1, "WRJ2": 0.05}},
        "wrist": WRIST,
    }
    bridge, node = make_bridge(parts)
    bridge.configure()
    bridge.send(command())
    sent = {topic: msg for topic, msg in node.sent if topic.startswith("sh_")}
    assert len(sent) == 20 and sent["sh_rh_wrj1_position_controller/command"].data == -0.1
    middle = dict(zip(NAMES, command().positions, strict=True))
    assert sent["sh_rh_ffj0_position_controller/command"].data == pytest.approx(2 * middle["FFJ1"])
    assert sent["sh_rh_ffj4_position_controller/command"].data == pytest.approx(-middle["FFJ3"])
    assert "sh_rh_ffj1_position_controller/command" not in sent
    with pytest.raises(SleightError, match="did you mean 'WRJ"):
        make_bridge({"hand": {"adapter": "shadow", "wrist": {"WRJ": 0.0}}, "wrist": WRIST})[0].configure()
    with pytest.raises(SleightError, match="does not go with"):
        make_bridge({"hand": {"adapter": "shadow", "interface": "topics", "tendons": "joints"}, "wrist": WRIST})


def test_the_hand_has_the_joints_that_these_tests_think_of():
    assert len(NAMES) == 18 and set(NAMES) < set(HAND.joint_names)
