"""The shipped composition: it loads and replays in simulation, and says what it needs where there is none."""

from pathlib import Path

import pytest
from sleight_core.bundle import BundleError, load_bundle
from sleight_core.bundle.composed import ComposedSkills

BUNDLE = Path(__file__).parents[3] / "policies" / "shadow_compose"


def test_the_shipped_composition_is_for_simulation():
    composed = load_bundle(BUNDLE, simulation=True).manifest.composition
    assert isinstance(composed, ComposedSkills)
    interactions = ("OpenDoor", "PushButton", "OpenMicrowave", "TurnOnSwitch")
    assert [pair.skills for pair in composed.pairs] == [("GraspBall", name) for name in interactions]
    for pair in composed.pairs:
        assert pair.first_residual is not None and pair.others_joints == "intended"
    with pytest.raises(BundleError, match="only a simulator knows it"):
        load_bundle(BUNDLE)
