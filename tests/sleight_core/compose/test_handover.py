"""The mask of a sequence of skills: who owns what in each stage, whatever the skills compute."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.compose.handover import HandOver
from sleight_core.compose.ownership import WRIST_SIZE, Ownership
from sleight_core.errors import SleightError

from .builders import HAND

FINGERS = HAND.finger_names
BOUNDS = np.full(28, 0.1)
WILD = arrays(np.float64, 28, elements=st.floats(allow_nan=True, allow_infinity=True))
SANE = arrays(np.float64, 28, elements=st.floats(-3.0, 3.0))


@st.composite
def handovers(draw):
    """Sequences of two to four skills; each finger is kept by one of them or by none."""
    count = draw(st.integers(1, 3))
    keeper = {finger: draw(st.integers(0, count)) for finger in FINGERS}
    keeper[draw(st.sampled_from(FINGERS))] = 0
    keeps = tuple(tuple(f for f in FINGERS if keeper[f] == k) for k in range(count))
    return HandOver(HAND, keeps)


@given(handovers())
def test_every_element_has_one_owner_in_every_stage(owners):
    for stage in (0, *owners.stages):
        owned = np.stack([owners.elements(stage, skill) for skill in range(len(owners.keeps) + 1)])
        assert (owned.sum(axis=0) == 1).all()
        assert owners.elements(stage, stage)[:WRIST_SIZE].all()


@given(handovers())
def test_a_finger_changes_owner_only_from_the_skill_that_acted_to_the_next(owners):
    assert set(owners.owners(0)) == {0}
    for stage in owners.stages:
        for finger, before, after in zip(FINGERS, owners.owners(stage - 1), owners.owners(stage), strict=True):
            kept = finger in owners.keeps[stage - 1]
            assert after == (before if kept or before != stage - 1 else stage)


@given(handovers())
def test_the_division_of_a_stage_is_all_that_is_kept_and_what_acts(owners):
    for stage in owners.stages:
        division = owners.ownership(stage)
        assert np.array_equal(division.second, owners.elements(stage, stage))
        if stage > 1:
            assert set(owners.ownership(stage - 1).preserved) <= set(division.preserved)


@given(handovers(), SANE, SANE, SANE, WILD, WILD, WILD)
def test_nothing_that_a_skill_says_moves_what_another_one_owns(owners, hold, first, nominal, wild, wilder, wildest):
    """The first skill's residual, a skill in between and the acting one, in every stage."""
    for stage in owners.stages:
        residual = owners.residual(stage, BOUNDS)
        with np.errstate(all="ignore"):
            calm = residual.compose(hold, first, nominal, np.zeros(28))
            acting_mad = residual.compose(hold, first, wild, wilder)
            first_mad = residual.compose(hold, wildest, nominal, np.zeros(28))
        assert np.array_equal(calm[~owners.elements(stage, stage)], acting_mad[~owners.elements(stage, stage)])
        assert np.array_equal(calm[~owners.elements(stage, 0)], first_mad[~owners.elements(stage, 0)])
        for between in range(1, stage):
            mine = owners.elements(stage, between)
            assert np.array_equal(acting_mad[mine], hold[mine]) and np.array_equal(first_mad[mine], hold[mine])


@given(handovers(), SANE, SANE)
def test_a_hand_over_moves_nothing_that_was_kept(owners, before, now):
    for stage in owners.stages:
        reference = owners.reference(stage, before, now)
        kept = owners.ownership(stage - 1).first if stage > 1 else np.zeros(28, bool)
        assert np.array_equal(reference, np.where(kept, before, now))


def test_two_skills_are_a_pair():
    owners = HandOver(HAND, (("th", "lf"),))
    assert np.array_equal(owners.ownership(1).first, Ownership(HAND, ("th", "lf")).first)
    assert owners.owners(1) == tuple(0 if finger in ("th", "lf") else 1 for finger in FINGERS)


def test_masks_by_stage():
    owners = HandOver.from_masks(HAND, (("th", "rf"), ("th", "rf", "mf")))
    assert owners.keeps == (("th", "rf"), ("mf",))
    assert HandOver.from_masks(HAND, (("th",), ("th",))).keeps == (("th",), ())
    with pytest.raises(SleightError, match=r"cannot be handed over later: \['rf'\]"):
        HandOver.from_masks(HAND, (("th", "rf"), ("th",)))


@pytest.mark.parametrize(
    ("keeps", "message"),
    [
        ((), "two skills or more"),
        (((), ("th",)), "keeps no finger"),
        ((("th",), ("th",)), "kept twice"),
        ((("th",), ("toe",)), "has no finger"),
    ],
)
def test_what_is_no_sequence_is_refused(keeps, message):
    with pytest.raises(SleightError, match=message):
        HandOver(HAND, keeps)
