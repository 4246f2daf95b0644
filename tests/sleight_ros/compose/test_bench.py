"""The benchmark of composed skills says what it should, without a graph; times themselves are not judged here."""

import numpy as np
import pytest
from sleight_core.bundle import load_bundle
from sleight_core.errors import SleightError
from sleight_ros.bench.composed import measure_composed
from sleight_ros.bench.policy import robot_state

from ...sleight_core.compose.builders import GRASP, HAND, PUSH, composition, make, skill


def test_it_counts_ticks_and_chunks(tmp_path):
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    bundle = load_bundle(make(tmp_path / "state", composition(skills=skills), simulation=True), HAND, simulation=True)
    figures, more = measure_composed(bundle, HAND, robot_state(22, 5, 6, np.random.default_rng(0)), runs=40)
    by_name = {figure.name: figure for figure in figures}
    assert by_name["tick with residuals, p99"].bound == 2.0 and by_name["chunks there when due"].at_least
    assert more["planned"] >= 1 and 0 <= more["late"] <= more["planned"] + 1
    # Two actions of two ticks at 60 Hz.
    assert by_name["chunk, p99"].reference_value == pytest.approx(4e3 / 60)


def test_a_bundle_without_a_pair_cannot_be_measured(tmp_path):
    bundle = load_bundle(make(tmp_path / "alone", composition(pairs=())), HAND)
    with pytest.raises(SleightError, match="composes no skills"):
        measure_composed(bundle, HAND, robot_state(22, 5, 6, np.random.default_rng(0)), runs=2)
