"""Several joint states become one, each within its own age limit, and nothing is invented."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_ros.bridges.merge import JointMerger, Source
from sleight_ros.bridges.state_map import PartialState

NAMES = ("a", "b", "c", "d")
MS = 1_000_000


def merger(**options):
    sources = {"hand": Source(0.05, ("a", "c"), **options), "arm": Source(0.02, ("b", "d"))}
    return JointMerger(NAMES, sources)


def state(names, values, speeds=None, problem=""):
    velocity = None if speeds is None else np.array(speeds, dtype=float)
    return PartialState(tuple(names), np.array(values, dtype=float), velocity, problem)


def test_the_leader_makes_the_state_out_of_the_newest_of_all():
    two = merger()
    assert two.take("hand", 0.0, 10 * MS, state("ac", [1, 3], [0, 0])) is None, "the arm has said nothing"
    assert two.take("arm", 0.01, 5 * MS, state("bd", [2, 4], [0.2, 0.4])) is None, "the arm does not lead"
    merged = two.take("hand", 0.015, 20 * MS, state("ca", [33, 11], [3.0, 1.0]))
    assert merged is not None and merged.names == NAMES
    assert merged.position.tolist() == [11, 2, 33, 4] and merged.velocity.tolist() == [1.0, 0.2, 3.0, 0.4]
    assert merged.stamp == 5 * MS, "the oldest: a source that stands still must be seen"


def test_a_source_beyond_its_age_limit_ends_the_states():
    two = merger()
    two.take("arm", 0.0, 0, state("bd", [2, 4], [0, 0]))
    assert two.take("hand", 0.019, 0, state("ac", [1, 3], [0, 0])) is not None
    assert two.take("hand", 0.021, 0, state("ac", [1, 3], [0, 0])) is None
    assert "limit 20 ms" in two.complaints(0.021)["arm"]


def test_a_message_that_cannot_be_read_ends_the_states_until_one_can():
    two = merger()
    two.take("arm", 0.0, 0, state("bd", [2, 4], [0, 0]))
    assert two.take("hand", 0.001, 0, state("ac", [1, 3], [0, 0])) is not None
    two.take("arm", 0.002, 0, state((), [], problem="joint named twice: b"))
    assert two.take("hand", 0.003, 0, state("ac", [1, 3], [0, 0])) is None
    assert two.complaints(0.003)["arm"] == "joint named twice: b"
    two.take("arm", 0.004, 0, state("bd", [2, 4], [0, 0]))
    assert two.take("hand", 0.005, 0, state("ac", [1, 3], [0, 0])) is not None


def test_what_is_missing_or_not_finite_is_passed_on_for_the_filter_to_judge():
    two = merger()
    two.take("arm", 0.0, 0, state("d", [np.nan]))
    merged = two.take("hand", 0.001, 0, state("acb", [1, 3, 99], [0, 0, 0]))
    assert merged is not None and merged.names == ("a", "c", "d"), "b is the arm's to say"
    assert np.isnan(merged.position[2]) and np.isnan(merged.velocity[2])


def test_velocities_are_worked_out_where_a_driver_has_none():
    two = merger(differentiate=True)
    two.take("arm", 0.0, 0, state("bd", [0, 0], [0, 0]))
    first = two.take("hand", 0.0, 100 * MS, state("ac", [1.0, 2.0]))
    assert first is not None and first.velocity.tolist() == [0, 0, 0, 0]
    second = two.take("hand", 0.01, 110 * MS, state("ac", [1.1, 1.9]))
    assert second is not None and second.velocity == pytest.approx([10.0, 0.0, -10.0, 0.0])
    for stamp in (110 * MS, 90 * MS, 990 * MS):
        again = two.take("hand", 0.011, stamp, state("ac", [1.5, 1.5]))
        assert again is not None and again.velocity.tolist() == [0, 0, 0, 0], "no time in between that means anything"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["hand", "arm"]), st.floats(0.0, 0.1), st.booleans(), st.floats(allow_nan=True)),
        max_size=40,
    )
)
def test_a_merged_state_is_never_older_than_its_sources_may_be(messages):
    two, now = merger(), 0.0
    came = {}
    for source, pause, good, value in messages:
        now += pause
        names = {"hand": "ac", "arm": "bd"}[source]
        merged = two.take(source, now, int(now * 1e9), state(names, [value, value], problem="" if good else "bad"))
        came[source] = (now, good)
        if merged is not None:
            assert source == "hand" and all(was_good for _, was_good in came.values()) and set(came) == {"hand", "arm"}
            assert now - came["arm"][0] <= 0.02 and merged.names == NAMES
