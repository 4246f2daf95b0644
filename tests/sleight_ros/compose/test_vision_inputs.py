"""Where the clouds of a vision version come from on board; no graph runs."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sleight_core.bundle import load_bundle
from sleight_ros import convert
from sleight_ros.bench.composed import measure_composed
from sleight_ros.bench.policy import robot_state
from sleight_ros.clouds import cloud_msg
from sleight_ros.composed_step import ComposedStep
from sleight_ros.policy_step import needed_sources

from ...sleight_core.compose.builders import (
    BALL,
    BUTTON,
    GRASP,
    HAND,
    PUSH,
    composition,
    make,
    pair,
    seeing,
    skill,
)

FRAME = "world"


def stamp(seconds):
    return convert.stamp_from_ns(int(1e18 + seconds * 1e9))


@pytest.fixture
def vision(tmp_path):
    skills = (seeing("GraspBall", GRASP, BALL), seeing("PushButton", PUSH, BUTTON))
    return load_bundle(make(tmp_path / "vision", composition(skills=skills)), HAND)


def test_a_vision_version_hears_the_scene_and_no_simulator(vision, tmp_path):
    assert needed_sources(vision.manifest) == {"scene"}
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    state_based = make(tmp_path / "state", composition(skills=skills, pairs=(pair(),)), simulation=True)
    assert needed_sources(load_bundle(state_based, HAND, simulation=True).manifest) == {"privileged"}


def test_a_missing_bad_or_old_scene_keeps_it_from_acting(vision):
    step = ComposedStep(vision, HAND, 0.1)
    try:
        inputs = step.make_inputs(None, FRAME)
        assert inputs.scene in inputs._required and inputs.object not in inputs._required
        assert "nothing on scene/cloud" in inputs.scene.complaint(0.0)
        good = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
        inputs.take_scene(cloud_msg(good, FRAME, stamp(0.0)), 0.0)
        assert inputs.scene.complaint(0.0) == "" and inputs.cloud.stamp < 0
        state = inputs.state()
        assert state.scene_cloud == pytest.approx(good[None]) and state.object_cloud is None
        for points, frame, words in (
            (good, "camera", "camera"),
            (good[:0], FRAME, "empty or not finite"),
            (np.full((4, 3), np.nan, np.float32), FRAME, "empty or not finite"),
        ):
            inputs.take_scene(cloud_msg(points, frame, stamp(0.1)), 0.1)
            assert words in inputs.scene.complaint(0.1)
            assert inputs.state().scene_cloud == pytest.approx(good[None]), "the last good one stays"
        inputs.take_scene(cloud_msg(good, FRAME, stamp(0.2)), 0.2)
        assert inputs.scene.complaint(0.2) == "" and "old" in inputs.scene.complaint(0.6)
    finally:
        step.close()


def test_its_tick_can_be_measured(vision):
    figures, _ = measure_composed(vision, HAND, robot_state(22, 5, 6, np.random.default_rng(0)), runs=10)
    assert figures[0].name == "tick with residuals, p50"
