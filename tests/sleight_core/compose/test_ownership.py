"""Who owns which element of the pose action, for any finger mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.compose import ComposeAction, Ownership
from sleight_core.compose.ownership import WRIST_SIZE, element_owners, intended_joints
from sleight_core.errors import SleightError
from sleight_description import load_hand

HAND = load_hand("shadow")
#: Every mask that leaves both skills something.
MASKS = st.lists(st.booleans(), min_size=5, max_size=5)


@settings(max_examples=60, deadline=None)
@given(MASKS, st.sampled_from(["first", "second"]))
def test_every_element_and_joint_has_one_owner(mask, wrist):
    keeps_nothing = not any(mask) and wrist == "second"
    keeps_all = all(mask) and wrist == "first"
    if keeps_nothing or keeps_all:
        with pytest.raises(SleightError, match="owns the whole action"):
            Ownership.from_mask(HAND, mask, wrist=wrist)
        return
    own = Ownership.from_mask(HAND, mask, wrist=wrist)
    assert (own.first ^ own.second).all() and own.size == 28
    assert (own.finger_mask == mask).all()
    assert set(own.preserved) | set(own.released) == set(HAND.finger_names)
    assert own.joints("first") + own.joints("second") != () and len(own.joint_owners) == 22
    for finger, row in HAND.fingers.items():
        for joint in row.joints:
            owner = "first" if finger in own.preserved else "second"
            assert own.joint_owners[joint] == owner and joint in own.joints(owner)
            assert own.mask(owner)[WRIST_SIZE + HAND.joint_names.index(joint)]
    assert (own.mask(wrist)[:WRIST_SIZE]).all()
    assert set(own.motors("first")) | set(own.motors("second")) == set(HAND.actuated_joint_names)
    assert sorted([*own.columns("first"), *own.columns("second")]) == list(range(28))


def test_the_papers_example_thumb_and_little_finger_keep_the_ball():
    own = Ownership(HAND, ("th", "lf"))
    assert own.preserved == ("lf", "th") and own.released == ("ff", "mf", "rf")
    assert own.joints("first") == HAND.fingers["lf"].joints + HAND.fingers["th"].joints
    assert "FFJ0" in own.joints("second") and "FFJ0" not in own.motors("second")
    assert not own.first[:WRIST_SIZE].any()
    owners = element_owners(HAND)
    assert owners == ComposeAction(HAND, ((0, 0, 0), (1, 1, 1))).owners
    assert [owners[i] in ("lf", "th") for i in range(28)] == own.first.tolist()


def test_wrong_divisions_are_refused():
    with pytest.raises(SleightError, match="no finger"):
        Ownership(HAND, ("pinky",))
    with pytest.raises(SleightError, match="named twice"):
        Ownership(HAND, ("th", "th"))
    with pytest.raises(SleightError, match="owns the whole action"):
        Ownership(HAND, ())
    with pytest.raises(SleightError, match="wrong length"):
        Ownership.from_mask(HAND, [True, False])
    with pytest.raises(SleightError, match="no floating wrist"):
        Ownership(load_hand("leap_ur5e"), ("thumb",))


def test_owners_cannot_be_changed_afterwards():
    own = Ownership(HAND, ("th",))
    with pytest.raises(ValueError, match="read-only"):
        own.first[0] = True
    assert np.array_equal(own.first, ~own.second)


_ANY = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(MASKS.filter(lambda mask: any(mask)), arrays(float, (2, 22), elements=_ANY), arrays(float, (2, 28)))
def test_a_skill_sees_nothing_of_joints_that_hold_for_another(mask, measured, nominal):
    own = Ownership.from_mask(HAND, mask).second
    seen = intended_joints(HAND, measured, nominal, own)
    mine = own[WRIST_SIZE:]
    assert np.array_equal(seen[:, mine], measured[:, mine], equal_nan=True)
    others = seen[:, ~mine]
    assert (others >= np.array(HAND.lower)[~mine]).all() and (others <= np.array(HAND.upper)[~mine]).all()
