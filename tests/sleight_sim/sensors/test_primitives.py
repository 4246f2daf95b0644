"""Points of primitive shapes lie on their surfaces, evenly, with normals that point outwards."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_sim.sensors.primitives import surface_area, surface_points

GEOM = mujoco.mjtGeom
LENGTH = st.floats(0.005, 0.2)
KINDS = {
    GEOM.mjGEOM_SPHERE: lambda p, s: np.linalg.norm(p, axis=1) - s[0],
    GEOM.mjGEOM_CAPSULE: lambda p, s: (
        np.linalg.norm(p - np.stack([0 * p[:, 0], 0 * p[:, 0], np.clip(p[:, 2], -s[1], s[1])], axis=1), axis=1) - s[0]
    ),
    GEOM.mjGEOM_CYLINDER: lambda p, s: np.maximum(np.linalg.norm(p[:, :2], axis=1) - s[0], np.abs(p[:, 2]) - s[1]),
    GEOM.mjGEOM_BOX: lambda p, s: (np.abs(p) - s).max(axis=1),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(size=st.tuples(LENGTH, LENGTH, LENGTH), seed=st.integers(0, 100))
def test_points_lie_on_the_surface_and_normals_point_outwards(kind, size, seed):
    size = np.array(size)
    points, normals = surface_points(kind, size, 200, np.random.default_rng(seed))
    outside = KINDS[kind]
    assert np.abs(outside(points, size)).max() < 1e-9
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(200))
    assert (outside(points + 1e-4 * normals, size) > 0).all() and (outside(points - 1e-4 * normals, size) < 0).all()


@pytest.mark.parametrize(
    ("kind", "size", "area", "share"),
    [
        # The share of the points above half of the height, by hand.
        (GEOM.mjGEOM_SPHERE, (0.1, 0.0, 0.0), 4 * np.pi * 0.01, 0.25),
        (GEOM.mjGEOM_CAPSULE, (0.1, 0.1, 0.0), 8 * np.pi * 0.01, 0.25),
        (GEOM.mjGEOM_CYLINDER, (0.1, 0.2, 0.0), 10 * np.pi * 0.01, 0.3),
        (GEOM.mjGEOM_BOX, (0.1, 0.1, 0.1), 0.24, 1 / 6 + 1 / 6),
    ],
)
def test_they_are_spread_evenly_over_the_area(kind, size, area, share):
    assert surface_area(kind, np.array(size)) == pytest.approx(area)
    points, _ = surface_points(kind, np.array(size), 20_000, np.random.default_rng(0))
    half = 0.5 * np.abs(points[:, 2]).max()
    assert (points[:, 2] > half).mean() == pytest.approx(share, abs=0.015)


def test_other_shapes_have_no_surface():
    assert surface_area(GEOM.mjGEOM_PLANE, np.ones(3)) == 0.0
