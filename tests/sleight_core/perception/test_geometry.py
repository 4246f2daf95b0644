"""Distances to a hand, boxes and axes of clouds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.hand.shapes import PlacedShapes
from sleight_core.perception.geometry import distance_to_shapes, minor_axis_yaw, upright_box
from sleight_core.perception.tracking import hand_frame


def shapes(kind: str, size: list[float], pos: tuple = (0, 0, 0), quat: tuple = (1, 0, 0, 0)) -> PlacedShapes:
    return PlacedShapes(kind, ("one",), np.array([pos], float), np.array([quat], float), np.array([size]))


def turned(points: np.ndarray, yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def test_distances_to_primitives() -> None:
    half = np.sqrt(0.5)
    lying = shapes("capsule", [0.01, 0.03, 0.0], (0.1, 0.0, 0.0), (half, 0.0, half, 0.0))
    points = np.array([[0.1, 0.0, 0.025], [0.16, 0.0, 0.0], [0.1, 0.0, 0.0]])
    np.testing.assert_allclose(distance_to_shapes(points, [lying]), [0.015, 0.02, -0.01], atol=1e-9)
    block = shapes("box", [0.01, 0.02, 0.03])
    points = np.array([[0.03, 0.0, 0.0], [0.013, 0.024, 0.0], [0.0, 0.0, 0.028], [9.0, 0.0, 0.0]])
    np.testing.assert_allclose(distance_to_shapes(points, [block]), [0.02, 0.005, -0.002, 0.1], atol=1e-9)
    ball = shapes("sphere", [0.02, 0.0, 0.0])
    np.testing.assert_allclose(distance_to_shapes(np.array([[0.0, 0.05, 0.0]]), [block, ball]), [0.03], atol=1e-9)
    assert distance_to_shapes(np.zeros((0, 3)), [block]).shape == (0,)
    np.testing.assert_array_equal(distance_to_shapes(points, []), 0.1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), reach=st.sampled_from([0.01, 0.03, 0.1]))
def test_many_shapes_at_once_are_the_nearest_of_each_alone(seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    groups = []
    for kind, count in (("box", 3), ("capsule", 5), ("sphere", 1)):
        quat = rng.normal(size=(count, 4))
        size = (
            rng.uniform(0.005, 0.04, (count, 3)) * {"box": [1, 1, 1], "capsule": [1, 1, 0], "sphere": [1, 0, 0]}[kind]
        )
        quat /= np.linalg.norm(quat, axis=1)[:, None]
        groups.append(PlacedShapes(kind, ("s",) * count, rng.uniform(-0.1, 0.1, (count, 3)) + [0, 0, 0.7], quat, size))
    points = rng.uniform(-0.3, 0.3, (60, 3)) + [0, 0, 0.7]
    alone = [
        distance_to_shapes(points, [PlacedShapes(g.kind, ("s",), g.pos[[i]], g.quat[[i]], g.size[[i]])], reach=reach)
        for g in groups
        for i in range(len(g.pos))
    ]
    # Squares of distances lose half the digits, which leaves micrometres.
    np.testing.assert_allclose(distance_to_shapes(points, groups, reach=reach), np.min(alone, axis=0), atol=1e-6)


def test_hand_frame_is_that_of_the_largest_shape() -> None:
    palm = shapes("box", [0.03, 0.01, 0.05], (0.0, 0.1, 0.2))
    finger = shapes("capsule", [0.01, 0.02, 0.0], (1.0, 0.0, 0.0))
    pose = hand_frame([finger, palm])
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], [0.0, 0.1, 0.2])
    np.testing.assert_allclose(pose[:3, :3], np.eye(3))
    assert hand_frame([]) is None


@settings(max_examples=40, deadline=None)
@given(yaw=st.floats(-3.1, 3.1), long=st.floats(0.05, 0.2), wide=st.floats(0.03, 0.2), seed=st.integers(0, 999))
def test_box_of_a_brick_at_any_heading(yaw: float, long: float, wide: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = np.array([long, wide, 0.06])
    points = rng.uniform(-0.5, 0.5, (3000, 3)) * size
    face = rng.integers(0, 3, 3000)
    points[np.arange(3000), face] = 0.5 * size[face] * rng.choice([-1, 1], 3000)
    centre, found, heading = upright_box(turned(points, yaw) + [0.1, -0.2, 0.7])
    np.testing.assert_allclose(centre, [0.1, -0.2, 0.7], atol=0.003)
    np.testing.assert_allclose(sorted(found[:2]), sorted(size[:2]), atol=0.012)
    assert found[2] == pytest.approx(0.06, abs=0.002)
    assert np.isfinite(heading)


def test_box_of_a_mug_has_the_axis_of_its_handle() -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, 3000)
    body = np.stack([0.04 * np.cos(angle), 0.04 * np.sin(angle), rng.uniform(0, 0.1, 3000)], axis=1)
    handle = np.stack([rng.uniform(0.04, 0.075, 400), rng.uniform(-0.005, 0.005, 400), rng.uniform(0.02, 0.08, 400)], 1)
    for yaw in np.linspace(-3, 3, 7):
        centre, size, _ = upright_box(turned(np.concatenate([body, handle]), yaw))
        expected = turned(np.array([[0.0175, 0.0, 0.05]]), yaw)[0]
        np.testing.assert_allclose(centre, expected, atol=0.003)
        np.testing.assert_allclose(size, [0.115, 0.08, 0.1], atol=0.004)


def test_minor_axis_is_across_long_things_and_none_for_round_ones() -> None:
    rng = np.random.default_rng(0)
    bar = rng.uniform(-1, 1, (2000, 3)) * [0.1, 0.02, 0.02]
    assert minor_axis_yaw(turned(bar, 0.3)) == pytest.approx(0.3 - np.pi / 2, abs=0.02)
    assert np.isnan(minor_axis_yaw(rng.normal(size=(2000, 3))))
