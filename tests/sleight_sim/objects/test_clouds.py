"""Clouds lie on the outer surface, evenly; farthest-point sampling is what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from sleight_core.errors import SleightError
from sleight_sim.objects import ObjectSpec, household_object
from sleight_sim.objects.clouds import CLOUD_POINTS, code_clouds, farthest_points

FEW = settings(max_examples=25, deadline=None)


def distances_to_surface(thing: ObjectSpec, points: np.ndarray) -> tuple[float, float]:
    """Depth of the deepest point inside a piece, and the largest distance from every piece's surface (m)."""
    depth = np.full(len(points), np.inf)
    for mesh in thing.piece_meshes:
        planes = ((points[:, None] - mesh.triangles[None, :, 0]) * mesh.face_normals[None]).sum(axis=2).max(axis=1)
        depth = np.minimum(depth, planes)
    return float(-depth.min()), float(depth.max())


@pytest.mark.parametrize("family", ["sphere", "mug", "teapot", "headphones"])
def test_points_lie_on_the_outer_surface(family: str) -> None:
    thing = household_object(family, 0)
    points = thing.surface_points(600, np.random.default_rng(0))
    assert points.shape == (600, 3)
    inside, outside = distances_to_surface(thing, points)
    assert inside < 1e-6 and outside < 1e-9
    np.testing.assert_allclose(np.ptp(points, axis=0), thing.extents, rtol=0.1)


def test_points_are_spread_by_area() -> None:
    thing = household_object("box", 0)
    (mesh,) = thing.piece_meshes
    points = thing.surface_points(6000, np.random.default_rng(0))
    nearest = (points @ mesh.face_normals.T - (mesh.triangles[:, 0] * mesh.face_normals).sum(axis=1)).argmax(axis=1)
    sides = np.unique(mesh.face_normals.round(6), axis=0, return_inverse=True)[1].ravel()
    share = np.bincount(sides[nearest], minlength=sides.max() + 1) / len(points)
    area = np.bincount(sides, weights=mesh.area_faces) / mesh.area
    np.testing.assert_allclose(share, area, atol=0.03)


@FEW
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 4), count=st.integers(1, 60), n=st.integers(1, 60))
def test_farthest_points_are_the_farthest(seed: int, batch: int, count: int, n: int) -> None:
    clouds = np.random.default_rng(seed).normal(size=(batch, count, 3))
    if n > count:
        with pytest.raises(SleightError, match="as many points"):
            farthest_points(clouds, n)
        return
    chosen = farthest_points(clouds, n)
    assert chosen.shape == (batch, n)
    for cloud, picked in zip(clouds, chosen, strict=True):
        assert len(set(picked.tolist())) == n
        for k in range(1, n):
            gaps = np.linalg.norm(cloud[:, None] - cloud[picked[:k]][None], axis=2).min(axis=1)
            assert gaps[picked[k]] == pytest.approx(gaps.max(), rel=1e-5)
        np.testing.assert_array_equal(farthest_points(cloud, n), picked)


def test_code_clouds_are_even_and_belong_to_their_objects() -> None:
    things = [household_object(family, 1) for family in ("mug", "duck", "box")]
    clouds = code_clouds(things)
    assert clouds.shape == (3, CLOUD_POINTS, 3) and clouds.dtype == np.float32
    for thing, cloud in zip(things, clouds, strict=True):
        inside, outside = distances_to_surface(thing, cloud.astype(np.float64))
        assert inside < 1e-6 and outside < 1e-6
        gaps = KDTree(cloud).query(cloud, k=2)[0][:, 1]
        assert gaps.min() > 0.35 * gaps.mean()


def test_a_cloud_does_not_depend_on_its_neighbours() -> None:
    things = [household_object("mug", 1), household_object("can", 2)]
    both = code_clouds(things, n=64)
    np.testing.assert_array_equal(code_clouds(things[1:], n=64), both[1:])
    np.testing.assert_array_equal(code_clouds(things, n=64), both)
    assert not np.array_equal(code_clouds(things, n=64, seed=1), both)
    assert code_clouds([], n=64).shape == (0, 64, 3)
