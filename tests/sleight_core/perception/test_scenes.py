"""The scenes of `sleight bench perception`, small: clutter, noise, holes, flying pixels, moved cameras, losses."""

import numpy as np
import pytest

pytest.importorskip("open3d")
pytest.importorskip("mujoco")

from sleight_core.perception import CameraView, PerceptionConfig, PerceptionPipeline, PerceptionReason
from sleight_core.perception import pipeline as module
from sleight_sim.bench.perception import centroid_errors, frames_until_told, standing_pose
from sleight_sim.bench.scenes import CLUTTER, NOWHERE, SCENES, TabletopScene, Trouble
from sleight_sim.objects import household_object
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

THINGS = [household_object("can", 0), household_object("mug", 2), household_object("banana", 1)]
PERIOD = 1.0 / 30.0


@pytest.mark.parametrize("name", list(SCENES))
def test_the_centre_is_within_5_mm(name: str) -> None:
    assert centroid_errors(THINGS, SCENES[name], clouds=8).max() < 0.005


@pytest.mark.parametrize(("name", "held"), [("plain", False), ("plain", True), ("clutter", False), ("holes", True)])
def test_a_lost_object_is_told_within_three_clouds(name: str, held: bool) -> None:
    for thing in THINGS[:2]:
        assert frames_until_told(thing, SCENES[name], held=held) <= 3


def test_a_moved_camera_is_named_and_lowers_the_quality() -> None:
    scene = TabletopScene(THINGS[0], trouble=SCENES["moved camera"])
    scene.rest(0, 0.3, (0.0, 0.0))
    pipeline = PerceptionPipeline()
    seen = [pipeline.update(*scene.look(), k * PERIOD) for k in range(8)]
    at = scene.trouble.moved_at
    assert all(found.moved == () and found.quality == 1.0 for found in seen[:at])
    assert all(found.moved == ("left",) and found.quality < 0.7 for found in seen[at:])
    assert all(found.reason == PerceptionReason.OK for found in seen)


def test_with_its_only_camera_moved_perception_sees_nothing() -> None:
    scene = TabletopScene(THINGS[0])
    scene.cameras, scene._where = scene.cameras[:1], scene._where[:1]
    scene.rest(0, 0.3, (0.0, 0.0))
    pipeline = PerceptionPipeline()
    assert pipeline.update(*scene.look(), 0.0).reason == PerceptionReason.OK
    scene.move_camera(0, 4.0, (0.0, 0.0, 0.01))
    found = pipeline.update(*scene.look(), PERIOD)
    assert found.reason == PerceptionReason.WRONG_FRAME and found.moved == ("front",)
    assert np.isnan(found.position).all() and found.quality == 0.0


def test_among_other_things_the_expected_one_is_followed_and_nothing_else() -> None:
    scene = TabletopScene(THINGS[0], trouble=Trouble(clutter=True))
    truth = scene.rest(0, 0.3, (0.01, 0.0))
    largest = np.array([*CLUTTER[0][2], TABLE_HEIGHT])
    alone = PerceptionPipeline().update(*scene.look(), 0.0)
    assert np.linalg.norm(alone.position - largest) < 0.15, "without a hint the largest thing is it"
    pipeline = PerceptionPipeline(PerceptionConfig(expected=(0.04, 0.02, 0.65)))
    for k in range(10):
        found = pipeline.update(*scene.look(), k * PERIOD)
        assert np.linalg.norm(found.position - truth) < 0.004, k
    # Pushed along without the hand, it is followed past the others.
    for k in range(10, 30):
        scene.set_object(scene.position + [0.002, 0.001, 0.0])
        found = pipeline.update(*scene.look(), k * PERIOD)
        assert np.linalg.norm(found.position - scene.position) < 0.008, k
    scene.set_object(NOWHERE)
    for k in range(30, 36):
        found = pipeline.update(*scene.look(), k * PERIOD)
    assert found.reason == PerceptionReason.NO_CLUSTER


def test_a_followed_object_is_looked_for_near_where_it_was(monkeypatch) -> None:
    scene = TabletopScene(THINGS[0], trouble=Trouble(clutter=True))
    truth = scene.rest(0, 0.3, (0.0, 0.0))
    pipeline = PerceptionPipeline(PerceptionConfig(expected=tuple(truth)))
    looked: list[bool] = []
    real = PerceptionPipeline._points

    def spy(self, look, *, near):
        looked.append(near)
        return real(self, look, near=near)

    monkeypatch.setattr(PerceptionPipeline, "_points", spy)
    for k in range(5):
        pipeline.update(*scene.look(), k * PERIOD)
    assert looked == [False, True, True, True, True]
    looked.clear()
    scene.set_object(NOWHERE)
    pipeline.update(*scene.look(), 5 * PERIOD)
    assert looked == [True, False], "the whole workspace, once it is not there"


def test_the_work_is_bounded_for_clouds_of_any_size(monkeypatch) -> None:
    scene = TabletopScene(THINGS[0], width=276, height=207)
    truth = scene.rest(0, 0.3, (0.0, 0.0))
    views, hand = scene.look()
    assert sum(len(view.points) for view in views) > 100_000
    worked: list[int] = []
    real = module.cluster
    monkeypatch.setattr(module, "cluster", lambda points, gap: worked.append(len(points)) or real(points, gap))
    pipeline = PerceptionPipeline()
    for k in range(4):
        found = pipeline.update(views, hand, k * PERIOD)
        assert found.cloud.shape == (512, 3)
        assert np.linalg.norm(found.position - truth) < 0.003
        # The count is that of the cameras' points, not of those that were worked on.
        assert found.point_count > 3000
    assert max(worked[:1]) <= module.MOST and max(worked[1:]) <= module.MOST_NEAR
    tenfold = [CameraView(view.name, np.repeat(view.points, 3, axis=0), view.turn, view.origin) for view in views]
    assert pipeline.update(tenfold, hand, 4 * PERIOD).reason == PerceptionReason.OK
    assert worked[-1] <= module.MOST_NEAR


def test_the_object_cloud_is_spread_over_what_is_seen() -> None:
    scene = TabletopScene(THINGS[0])
    scene.rest(0, 0.3, (0.0, 0.0))
    found = PerceptionPipeline(PerceptionConfig(cloud_points=64)).update(*scene.look(), 0.0)
    apart = np.linalg.norm(found.cloud[:, None] - found.cloud[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    # 64 points drawn at random from a can's surface have neighbours within a millimetre or two.
    assert found.cloud.shape == (64, 3) and apart.min() > 0.005


def test_what_is_left_of_the_hand_is_no_object() -> None:
    scene = TabletopScene(THINGS[0])
    scene.rest(0, 0.0, (0.0, 0.0))
    scene.set_object(NOWHERE)
    scene.set_hand(np.array([0.0, 0.0, TABLE_HEIGHT + 0.12]), joints=scene.table.posture("power_grasp"))
    views, hand = scene.look()
    shifted = [type(group)(group.kind, group.names, group.pos + 0.006, group.quat, group.size) for group in hand]
    assert PerceptionPipeline().update(views, shifted, 0.0).reason in (
        PerceptionReason.NO_CLUSTER,
        PerceptionReason.TOO_FEW_POINTS,
    )


def test_a_standing_can_is_half_as_high_as_it_is_long() -> None:
    pose = standing_pose(THINGS[0])
    assert pose is not None
    assert THINGS[0].stable_poses.heights[pose] == pytest.approx(0.5 * THINGS[0].extents[2], abs=0.001)
