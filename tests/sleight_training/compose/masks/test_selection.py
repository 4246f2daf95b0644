"""The deterministic selectors: Eq. 17, and the task-aware default."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_training.cli.compose_residual import fingers
from sleight_training.compose.masks.diagnostics import ReleaseReport, UseReport
from sleight_training.compose.masks.selection import (
    ChosenMask,
    HeuristicSelector,
    SelectionRequest,
    TaskAwareSelector,
    choice_json,
    read_choice,
)

from .reports import FINGERS, release_report, use_report

COUNTS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=30, max_size=30)
SHARES = st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5)


@settings(deadline=None)
@given(COUNTS)
def test_the_heuristic_maximises_retention_among_masks_that_release_two(counts):
    assume(any(retained for retained, _ in counts[5:]))
    report = release_report(counts)
    choice = HeuristicSelector().select(SelectionRequest(report, "OpenDoor"))
    rates = [row.retention for row in report.candidates if len(row.released) >= 2]
    assert report.candidates[choice.index].retention == max(rates)
    assert len(choice.mask.released) >= 2 and choice.mask == report.mask(choice.index)


@settings(deadline=None)
@given(COUNTS, SHARES, SHARES)
def test_the_task_aware_choice_is_a_candidate_of_the_best_score_and_always_the_same(counts, force, motion):
    release, use, selector = release_report(counts), use_report(force, motion=motion), TaskAwareSelector()
    request, weights = SelectionRequest(release, "PushButton", use), use.weights(selector.config.motion)
    assume(any(selector.score(row, weights) for row in release.candidates))
    choice, again = selector.select(request), selector.select(request)
    assert sum(weights.values()) == pytest.approx(1.0) and min(weights.values()) >= 0.0
    scores = [selector.score(row, weights) for row in request.release.candidates]
    assert scores[choice.index] >= (1.0 - selector.config.tie) * max(scores)
    better = [i for i, score in enumerate(scores) if score > scores[choice.index]]
    kept = [len(request.release.mask(i).preserved) for i in better]
    assert all(count <= len(choice.mask.preserved) for count in kept)
    assert choice == again and choice.mask == request.release.mask(choice.index)


@settings(deadline=None)
@given(COUNTS, SHARES, st.integers(0, 29))
def test_better_rates_never_lower_a_masks_score(counts, force, i):
    selector, weights = TaskAwareSelector(), use_report(force).weights(0.2)
    better = list(counts)
    better[i] = (min(counts[i][0] + 7, 100), min(counts[i][1] + 7, 100))
    before, after = (release_report(c).candidates[i] for c in (counts, better))
    assert selector.score(after, weights) >= selector.score(before, weights)


def test_the_papers_example():
    """Thumb and index hold the ball best, but the index finger opens the door (paper, 4.3 and B.7)."""
    report = release_report({"ff+th": (97, 100), "rf+lf+th": (90, 100)})
    request = SelectionRequest(report, "OpenDoor", use_report((0.8, 0.15, 0.05, 0.0, 0.0), "OpenDoor"))
    assert str(HeuristicSelector().select(request).mask) == "ff+th"
    choice = TaskAwareSelector().select(request)
    assert str(choice.mask) == "rf+lf+th"
    assert "90.0%" in choice.reason and "OpenDoor" in choice.reason
    data = json.loads(choice_json(request, choice))
    assert data["preserved"] == ["rf", "lf", "th"] and data["retention"] == 0.9 and data["selector"] == "task-aware"


def test_the_task_aware_selector_needs_the_second_skills_use():
    report = release_report({})
    for use in (None, use_report((1, 0, 0, 0, 0), "OpenDoor")):
        with pytest.raises(SleightError, match="needs the finger use"):
            TaskAwareSelector().select(SelectionRequest(report, "PushButton", use))


def test_a_finger_that_is_used_by_nobody_weighs_nothing():
    assert use_report((0.0,) * 5).weights(0.2) == pytest.approx(dict.fromkeys(FINGERS, 0.2))
    weights = use_report((1.0, 0.0, 0.0, 0.0, 0.0), motion=(0.5, 0.5, 0.0, 0.0, 0.0)).weights(0.2)
    assert weights == pytest.approx({"ff": 1.0, "mf": 0.0, "rf": 0.0, "lf": 0.0, "th": 0.0})
    weights = use_report((0.9, 0.1, 0.0, 0.0, 0.0), motion=(0.5, 0.5, 0.5, 0.0, 0.0)).weights(0.2)
    assert weights == pytest.approx({"ff": 0.82, "mf": 0.18, "rf": 0.0, "lf": 0.0, "th": 0.0})


def test_fingers_that_nobody_needs_stay_with_the_object():
    """Everything holds, and only the first finger is needed: the other four keep their grip."""
    request = SelectionRequest(
        release_report([(100, 100)] * 30), "PushButton", use_report((1.0, 0.0, 0.0, 0.0, 0.0), motion=(0.1, *[0.6] * 4))
    )
    assert TaskAwareSelector().select(request).mask.released == ("ff",)
    assert len(HeuristicSelector().select(request).mask.released) == 2


def test_reports_are_written_and_read_and_others_refused(tmp_path):
    report, use = release_report({"ff": (50, 90)}), use_report((0.5, 0.5, 0.0, 0.0, 0.0))
    report.write(tmp_path / "release.json")
    use.write(tmp_path / "use.json")
    assert ReleaseReport.read(tmp_path / "release.json") == report
    assert UseReport.read(tmp_path / "use.json") == use
    with pytest.raises(SleightError, match="no such report"):
        UseReport.read(tmp_path / "release.json")
    with pytest.raises(SleightError, match="cannot be read"):
        UseReport.read(tmp_path / "none.json")
    data = json.loads((tmp_path / "release.json").read_text())
    for change in ({"retained": 101}, {"both": 60}, {"preserved": ["ff", "mf"]}):
        wrong = data | {"candidates": [data["candidates"][0] | change, *data["candidates"][1:]]}
        (tmp_path / "wrong.json").write_text(json.dumps(wrong))
        with pytest.raises(SleightError, match="no such report"):
            ReleaseReport.read(tmp_path / "wrong.json")


def test_where_nothing_holds_nothing_is_chosen():
    request = SelectionRequest(release_report({}), "PushButton", use_report((1.0, 0.0, 0.0, 0.0, 0.0)))
    for selector in (HeuristicSelector(), TaskAwareSelector()):
        with pytest.raises(SleightError, match="no mask"):
            selector.select(request)


def test_a_choice_is_read_back_and_others_are_refused(tmp_path):
    report = release_report({"rf+lf+th": (90, 100)})
    request = SelectionRequest(report, "OpenDoor", use_report((1, 0, 0, 0, 0), "OpenDoor"))
    path = tmp_path / "mask.json"
    path.write_text(choice_json(request, TaskAwareSelector().select(request)))
    assert read_choice(path) == ChosenMask("GraspBall", "OpenDoor", ("rf", "lf", "th"))
    assert fingers(str(path), "GraspBall") == fingers(str(path), "GraspBall", "OpenDoor") == ("rf", "lf", "th")
    assert fingers(" th, rf") == ("th", "rf") and fingers("") == ()
    with pytest.raises(SleightError, match=r"of other tasks: .*GraspBall \+ OpenDoor"):
        fingers(str(path), "GraspBall", "PushButton")
    for text in ("{", "[]", '{"first": "GraspBall", "second": "OpenDoor", "preserved": 3}', "{}"):
        path.write_text(text)
        with pytest.raises(SleightError, match="no selected mask"):
            read_choice(path)
    with pytest.raises(SleightError, match="no selected mask"):
        fingers(str(tmp_path / "absent.json"))
