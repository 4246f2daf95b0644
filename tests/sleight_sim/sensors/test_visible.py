"""The fast model of visibility: it agrees with ray-cast cameras, and its errors are what they are said to be."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from sleight_core.hand.shapes import HandShapes
from sleight_core.rotations import quat_multiply, quat_rotate, yaw_quat
from sleight_description import load_hand
from sleight_sim.engines.base import SimState
from sleight_sim.objects import household_object
from sleight_sim.sensors.compare import cloud_overlap, compare_visibility
from sleight_sim.sensors.surface import HandPoints, object_surface, sphere_directions
from sleight_sim.sensors.visible import EXACT_CLOUD, PAPER_CLOUD, CloudModel, Visibility, VisibleClouds
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.tasks.grasp.make import make_grasp_task

HAND = load_hand("shadow")
CAN = household_object("can", 0)


def scene(thing, yaw=0.0, hand_height=0.85, closed=0.0):
    """An object at rest with the hand over it, as `compare_visibility` takes it."""
    turn = yaw_quat(np.array(yaw))
    pose = np.array([0.0, 0.0, 0.6 + thing.stable_poses.heights[0]]), thing.stable_poses.quats[0]
    offset = quat_rotate(turn, np.array([0.0, 0.08, 0.0]))
    wrist = offset + [0.0, 0.0, hand_height], quat_multiply(turn, PALM_DOWN)
    joints = np.clip(np.where(HAND.upper > 1.0, closed, 0.0), HAND.lower, HAND.upper)
    return pose, wrist, joints


@pytest.mark.parametrize("family", ["can", "mug", "bowl", "hammer"])
def test_it_agrees_with_ray_cast_cameras(family):
    thing = household_object(family, 0)
    height = 0.6 + thing.stable_poses.heights[0]
    for k, (hand_height, closed) in enumerate([(0.9, 0.0), (height + 0.05, 0.3), (height + 0.04, 0.7)]):
        overlap = compare_visibility(HAND, thing, *scene(thing, 0.7 * k, hand_height, closed))
        assert overlap.modelled > 40 and overlap.cast > 40
        assert overlap.share > (0.98 if k == 0 else 0.93), (family, k, overlap)


def test_a_hand_in_the_way_is_noticed():
    pose, wrist, joints = scene(CAN, hand_height=0.69)
    away = np.array([0.0, 0.0, 2.0]), wrist[1]
    free = compare_visibility(HAND, CAN, pose, away, joints)
    covered = compare_visibility(HAND, CAN, pose, wrist, joints)
    assert covered.modelled < 0.95 * free.modelled and covered.cast < 0.95 * free.cast


def test_overlap_of_equal_far_and_empty_clouds():
    cloud = np.random.default_rng(0).normal(size=(50, 3))
    assert cloud_overlap(cloud, cloud).share == 1.0
    assert cloud_overlap(cloud, cloud + 10.0).share == 0.0
    assert cloud_overlap(cloud, cloud[:0]).share == 0.0 and cloud_overlap(cloud[:0], cloud[:0]).share == 1.0


def test_surfaces_lie_on_the_object_and_face_outwards():
    thing = household_object("mug", 0)
    surface = object_surface(thing, 96)
    assert np.abs(np.linalg.norm(surface.normals, axis=1) - 1.0).max() < 1e-5
    dense = thing.surface_points(20_000, np.random.default_rng(0))
    assert KDTree(dense).query(surface.points)[0].max() < 0.004
    for name in ("points", "normals", "open"):
        assert np.array_equal(getattr(object_surface(thing, 96), name), getattr(surface, name))
    assert 0.5 < surface.open.mean() < 1.0, "the inside of a mug is hidden from some sides"
    assert object_surface(household_object("sphere", 0), 64).open.all(), "nothing hides a convex object"


def test_directions_cover_the_sphere():
    directions = sphere_directions()
    random = np.random.default_rng(0).normal(size=(500, 3))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    assert np.rad2deg(np.arccos((random @ directions.T).max(axis=1))).max() < 13.0


def test_hand_points_are_batched_and_lie_in_the_hands_shapes():
    rng = np.random.default_rng(0)
    joints = rng.uniform(HAND.lower, HAND.upper, (3, 22))
    quat = rng.normal(size=(3, 4))
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    pos = rng.normal(size=(3, 3))
    points, shapes = HandPoints(HAND).place(joints, pos, quat), HandShapes(HAND)
    batched = shapes.place(joints, pos, quat)
    for i in range(3):
        for one, many in zip(shapes.place(joints[i], pos[i], quat[i]), batched, strict=True):
            assert many.pos[i] == pytest.approx(one.pos, abs=1e-12)
            assert many.quat[i] == pytest.approx(one.quat, abs=1e-12)
        centres = np.concatenate([shape.pos[i] for shape in batched])
        assert KDTree(centres).query(points[i])[0].max() < 0.07


def still(count, thing=CAN, wrist=(0.0, 0.0, 0.95)):
    pos = np.tile([0.0, 0.0, 0.6 + thing.stable_poses.heights[0]], (count, 1))
    return SimState(
        joint_pos=np.zeros((count, 22)),
        joint_vel=np.zeros((count, 22)),
        wrist_pos=np.tile(wrist, (count, 1)),
        wrist_quat=np.tile(PALM_DOWN, (count, 1)),
        wrist_linvel=np.zeros((count, 3)),
        wrist_angvel=np.zeros((count, 3)),
        fingertip_wrench=np.zeros((count, 5, 6)),
        object_pos=pos,
        object_quat=np.tile(thing.stable_poses.quats[0], (count, 1)),
        object_linvel=np.zeros((count, 3)),
        object_angvel=np.zeros((count, 3)),
    )


def nearest_to_surface(cloud, state, i=0, thing=CAN):
    surface = thing.surface_points(8_000, np.random.default_rng(0))
    world = quat_rotate(np.tile(state.object_quat[i], (len(surface), 1)), surface) + state.object_pos[i]
    return KDTree(world).query(cloud)[0]


def clouds_of(model, count=4, points=64, seed=0):
    clouds = VisibleClouds(model, HAND, [CAN] * count, points, seed=seed)
    return clouds, np.arange(count)


def test_exact_clouds_lie_on_the_object_and_whole_ones_all_around_it():
    for model in (EXACT_CLOUD, PAPER_CLOUD):
        clouds, ids = clouds_of(model)
        state = still(4)
        clouds.reset(ids, state)
        assert clouds.current.shape == (4, 64, 3) and clouds.current.dtype == np.float32
        assert nearest_to_surface(clouds.current[1], state).max() < 0.004
        lowest = clouds.current[..., 2].min()
        assert (lowest < 0.605) == model.whole, "the bottom is seen only by the paper's cloud"


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(0, 0.01), tilt=st.floats(0, 2.0))
def test_errors_of_the_cameras_stay_within_their_bounds(seed, shift, tilt):
    model = EXACT_CLOUD.model_copy(update={"shift": shift, "tilt": tilt})
    clouds, ids = clouds_of(model, count=2, seed=seed)
    state = still(2)
    clouds.reset(ids, state)
    # A camera's point is off by its shift, and by its tilt times the distance of about half a metre.
    bound = np.sqrt(3) * shift + np.deg2rad(tilt) * 0.65 + 0.004
    assert nearest_to_surface(clouds.current[0], state).max() < bound


def test_a_late_cloud_shows_where_the_object_was():
    model = EXACT_CLOUD.model_copy(update={"latency": 3})
    clouds, ids = clouds_of(model, count=24)
    state = still(24)
    clouds.reset(ids, state)
    heights = [clouds.current[..., 2].max(axis=1)]
    for _ in range(6):
        state = replace(state, object_pos=state.object_pos + [0.0, 0.0, 0.02])
        clouds.update(state)
        heights.append(clouds.current[..., 2].max(axis=1))
    risen = np.round((heights[-1] - heights[0]) / 0.02).astype(int)
    assert set(risen) == {3, 4, 5, 6}, "0 to 3 control steps late"


def test_a_slow_camera_and_one_that_sees_nothing_leave_the_last_cloud():
    clouds, ids = clouds_of(EXACT_CLOUD.model_copy(update={"period": 4}))
    state = still(4)
    clouds.reset(ids, state)
    changes = np.zeros(4, dtype=int)
    for _ in range(8):
        before = clouds.current.copy()
        clouds.update(state)
        changes += (clouds.current != before).any(axis=(1, 2))
    assert (changes == 2).all()
    below = replace(state, object_pos=state.object_pos - [0.0, 0.0, 1.0])
    before = clouds.current.copy()
    for _ in range(4):
        clouds.update(below)
    assert np.array_equal(clouds.current, before) and (clouds.seen_points == 0).all()


def test_dropped_points_and_missing_cameras_leave_fewer():
    counts = {}
    for name, update in (("all", {}), ("dropped", {"dropout": 0.9}), ("blind", {"blind": 0.9})):
        clouds, ids = clouds_of(EXACT_CLOUD.model_copy(update=update), count=16)
        clouds.reset(ids, still(16))
        counts[name] = clouds.seen_points.mean()
        assert np.isfinite(clouds.current).all() and (clouds.seen_points > 0).all()
    assert counts["dropped"] < 0.8 * counts["all"] and counts["blind"] < 0.9 * counts["all"]


def test_the_same_seed_gives_the_same_clouds():
    seen = []
    for seed in (0, 0, 1):
        clouds, ids = clouds_of(CloudModel(), seed=seed)
        clouds.reset(ids, still(4))
        clouds.update(still(4))
        seen.append(clouds.current.copy())
    assert np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[0], seen[2])


def test_the_task_observes_clouds_where_a_term_asks_for_them():
    terms = (("joint_pos", 1.0), ("object_cloud_128", 1.0))
    config = GraspTaskConfig(terms=terms, critic_terms=(("object_cloud_64", 1.0),), episode_steps=3)
    task = make_grasp_task(config, [CAN], 3, num_threads=1, seed=1)
    obs, critic = task.reset(random_progress=True)
    assert obs.shape == (3, 22 + 384) and critic.shape == (3, 192)
    for _ in range(4):
        result = task.step(np.zeros((3, task.num_actions)))
        cloud = result.obs[:, 22:].reshape(3, 128, 3)
        middle = cloud.mean(axis=1)
        assert np.isfinite(result.obs).all()
        assert np.abs(middle[:, 2] - task.sim.object_pos[:, 2]).max() < 0.06
    assert make_grasp_task(GraspTaskConfig(), [CAN], 1, num_threads=1).clouds is None


def test_visibility_is_the_same_whatever_else_is_in_the_batch():
    things = [CAN, household_object("mug", 0)]
    visibility, state = Visibility(HAND, things, 96), still(2)
    hand = state.joint_pos, state.wrist_pos, state.wrist_quat

    def seen(ids):
        pos, quat = state.object_pos[ids], state.object_quat[ids]
        return visibility.seen(ids, visibility.points(ids, pos, quat), pos, quat, *(part[ids] for part in hand))

    both = seen(np.array([0, 1]))
    for i in range(2):
        assert np.array_equal(seen(np.array([i]))[0], both[i])
