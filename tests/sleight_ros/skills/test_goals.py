"""Goals: what they may ask, and that the numbers are those of the messages."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.skills.compositions import check_bundle, check_composition
from sleight_ros.skills.goals import Outcome, Phase, SkillSettings, compose_request, grasp_request

from ...sleight_core.compose.builders import composition, three
from ..bundles import tiny_bundle

SETTINGS = SkillSettings()


def grasp(**fields):
    return SimpleNamespace(**{"object": "", "timeout": 0.0, "lift_height": 0.0, "hold_time": 0.0, **fields})


def compose(**fields):
    names = {"first": "grasp", "second": "press", "third": ""}
    return grasp(**names | {"second_time": 0.0, "third_time": 0.0} | fields)


def test_the_numbers_are_those_of_the_messages():
    messages = pytest.importorskip("sleight_msgs.msg")
    for kind, message in ((Phase, messages.SkillState), (Outcome, messages.SkillOutcome)):
        assert {one.name: getattr(message, one.name) for one in kind} == {one.name: one.value for one in kind}


def test_zero_means_the_servers_value():
    request = grasp_request(grasp(), SETTINGS)
    assert (request.timeout, request.lift_height, request.hold_time) == (20.0, 0.1, 1.0)
    assert request.name == "grasp" and request.skills == ()
    request = grasp_request(grasp(object="mug", timeout=3.0, lift_height=0.05, hold_time=0.5), SETTINGS)
    assert (request.name, request.timeout, request.lift_height, request.hold_time) == ("grasp mug", 3.0, 0.05, 0.5)
    request = compose_request(compose(timeout=30.0), SETTINGS)
    assert request.skills == ("grasp", "press") and request.times == (10.0,)
    request = compose_request(compose(third="turn", third_time=5.0, timeout=30.0), SETTINGS)
    assert request.skills == ("grasp", "press", "turn") and request.times == (10.0, 5.0)
    assert request.name == "compose grasp and press and turn"


@given(st.sampled_from(["timeout", "lift_height", "hold_time"]), st.floats())
def test_any_number_is_taken_or_refused_in_one_line(name, value):
    try:
        request = grasp_request(grasp(**{name: value}), SETTINGS)
    except SleightError as error:
        assert "\n" not in str(error)
        assert not 0.0 <= value <= 3600.0 or name == "lift_height" or request_is_too_short(name, value)
    else:
        assert math.isfinite(getattr(request, name)) and getattr(request, name) > 0


def request_is_too_short(name, value):
    return (name == "timeout" and value < SETTINGS.hold_time) or (name == "hold_time" and value > SETTINGS.timeout)


@pytest.mark.parametrize(
    "fields",
    [
        {"first": ""},
        {"second": ""},
        {"second": "grasp"},
        {"second_time": -1.0},
        {"second_time": 30.0, "timeout": 20.0},
        {"second": "", "third": "turn"},
        {"third": "grasp"},
        {"third": "press"},
        {"third_time": 3.0},
        {"third": "turn", "third_time": math.nan},
        {"third": "turn", "third_time": 6.0, "second_time": 6.0, "hold_time": 9.0},
    ],
)
def test_a_composition_needs_two_or_three_skills_and_their_time(fields):
    with pytest.raises(SleightError):
        compose_request(compose(**fields), SETTINGS)


def test_a_bundle_that_is_no_composition_is_refused(tmp_path):
    tiny_bundle(tmp_path / "bundle")
    with pytest.raises(SleightError, match="'tiny' is no composition of skills but 'mlp'"):
        check_bundle(str(tmp_path / "bundle"), ("grasp", "press"))


def test_a_bundle_that_is_not_here_is_refused(tmp_path):
    for folder in ("", str(tmp_path / "none"), "\0"):
        with pytest.raises(SleightError, match="cannot be read here"):
            check_bundle(folder, ("grasp", "press"))
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(SleightError):
        check_bundle(str(tmp_path), ("grasp", "press"))


def test_a_composition_must_have_the_skills():
    composed = composition()
    check_composition("pair", composed, ("GraspBall", "PushButton"))
    with pytest.raises(SleightError, match="has no skill 'pour'"):
        check_composition("pair", composed, ("GraspBall", "pour"))
    with pytest.raises(SleightError, match=r"no composition of 'PushButton' and 'GraspBall' \(it has Gra"):
        check_composition("pair", composed, ("PushButton", "GraspBall"))


def test_a_third_skill_needs_its_sequence():
    composed = three()
    check_composition("toys", composed, ("GraspBall", "PushButton", "TurnOnSwitch"))
    with pytest.raises(
        SleightError, match=r"^third: bundle 'toys' has no skill 'Fly' \(it has GraspBall, PushButton, Tu"
    ):
        check_composition("toys", composed, ("GraspBall", "PushButton", "Fly"))
    with pytest.raises(
        SleightError, match=r"^second: bundle 'toys' has no composition of 'GraspBall' and 'TurnOnSwitch'"
    ):
        check_composition("toys", composed, ("GraspBall", "TurnOnSwitch", "PushButton"))
    words = r"^third: .* no sequence in which 'TurnOnSwitch' follows 'GraspBall' and 'PushButton' \(it has none\)$"
    with pytest.raises(SleightError, match=words):
        check_composition("toys", three(sequences=()), ("GraspBall", "PushButton", "TurnOnSwitch"))
