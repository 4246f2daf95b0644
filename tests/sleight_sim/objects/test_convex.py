"""Every piece has exactly V extreme vertices, and the size it was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from sleight_core.errors import SleightError
from sleight_sim.objects import convex
from sleight_sim.objects.spec import piece_mesh

LENGTH = st.floats(0.002, 0.2)
FEW = settings(max_examples=25, deadline=None)


def assert_layout(piece: np.ndarray) -> None:
    hull = ConvexHull(piece)
    assert piece.shape == (convex.PIECE_VERTICES, 3)
    assert len(hull.vertices) == convex.PIECE_VERTICES
    assert len(hull.simplices) == 2 * convex.PIECE_VERTICES - 4
    assert piece_mesh(piece).is_volume


@FEW
@given(size=st.tuples(LENGTH, LENGTH, LENGTH))
def test_box_has_its_faces_where_they_belong(size: tuple[float, float, float]) -> None:
    piece = convex.box(size)
    assert_layout(piece)
    np.testing.assert_allclose(piece.max(axis=0), np.array(size) / 2, atol=1e-12)
    np.testing.assert_allclose(piece.min(axis=0), -np.array(size) / 2, atol=1e-12)


@FEW
@given(
    centres=st.lists(st.tuples(*[st.floats(-0.1, 0.1)] * 3), min_size=1, max_size=12),
    radius=st.floats(5e-4, 0.05),
)
def test_ball_hull_is_always_strictly_convex(centres: list[tuple[float, float, float]], radius: float) -> None:
    assert_layout(convex.ball_hull(centres, radius))


@FEW
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(4, 200), flat=st.floats(0.02, 1.0))
def test_any_hull_can_be_resampled(seed: int, n: int, flat: float) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 3)) * [0.04, 0.03, 0.03 * flat]
    try:
        piece = convex.hull_piece(points)
    except SleightError as error:
        # Four random points can be as good as flat.
        assert n < 8 and "thinner" in str(error)
        return
    assert_layout(piece)
    true = ConvexHull(points)
    planes = true.equations
    assert (piece @ planes[:, :3].T + planes[:, 3]).max() < 0.04 * np.abs(points).max()


@FEW
@given(half=st.tuples(st.floats(0.01, 0.08), st.floats(0.01, 0.08), st.floats(0.01, 0.08)))
def test_ellipsoid_layout(half: tuple[float, float, float]) -> None:
    assert_layout(convex.ellipsoid(half))


def test_curved_shapes_have_the_right_size_within_one_per_cent() -> None:
    directions = convex.fibonacci_directions(4000)
    sphere = convex.ball_hull([[0.1, 0.0, 0.0]], 0.03) - [0.1, 0.0, 0.0]
    assert (sphere @ directions.T).max(axis=0).mean() == pytest.approx(0.03, rel=0.01)
    cylinder = convex.revolve([(0.04, -0.05, 32), (0.04, 0.05, 32)])
    assert np.ptp(cylinder, axis=0) == pytest.approx([0.08, 0.08, 0.1], rel=0.01)
    assert piece_mesh(cylinder).volume == pytest.approx(np.pi * 0.04**2 * 0.1, rel=0.02)


def test_resampled_box_keeps_its_faces() -> None:
    corners = convex.box([0.04, 0.06, 0.1], edge_radius=1e-6)
    assert np.ptp(convex.hull_piece(corners), axis=0) == pytest.approx([0.04, 0.06, 0.1], rel=0.01)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: convex.ball_hull([[0, 0, 0]], 0.0), "positive radii"),
        (lambda: convex.ball_hull([[0, 0, np.nan]], 0.01), "finite"),
        (lambda: convex.hull_piece(np.zeros((3, 3))), "at least four"),
        (lambda: convex.hull_piece(np.full((8, 3), np.nan)), "finite"),
        (lambda: convex.hull_piece(np.random.default_rng(0).normal(size=(9, 3)) * [1, 1, 0]), "flat"),
        (lambda: convex.hull_piece(np.random.default_rng(0).normal(size=(9, 3)) * [1, 1, 1e-6]), "thinner|flat"),
        (lambda: convex.revolve([(0.02, 0.0, 24), (0.01, 0.01, 16), (0.02, 0.02, 24)]), "inside its hull"),
    ],
)
def test_bad_pieces_are_refused(make, what: str) -> None:
    with pytest.raises(SleightError, match=what):
        make()
