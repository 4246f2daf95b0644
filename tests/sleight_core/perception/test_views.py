"""Views of one moment: placed, cut to a box, looked through; and cameras that no longer see the table where it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.perception.table import Table
from sleight_core.perception.views import CameraView, Scene, as_views

LOW, HIGH = (-0.35, -0.35, 0.55), (0.35, 0.35, 1.15)
PLANE = np.array([0.0, 0.0, 1.0, -0.6])
EYE = np.array([0.0, -0.5, 0.9])


def turn_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def table_points(seed: int = 0, count: int = 4000, noise: float = 0.001) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flat = rng.uniform(-0.3, 0.3, (count, 2))
    return np.column_stack([flat, 0.6 + noise * rng.normal(size=count)])


def scene(*views: CameraView) -> Scene:
    return Scene(views, LOW, HIGH, np.random.default_rng(0))


def nobody(points: np.ndarray) -> np.ndarray:
    return np.zeros(len(points), dtype=bool)


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-3, 3), kind=st.sampled_from(["<f4", "<f8", ">f4"]), wide=st.booleans(), seed=st.integers(0, 99))
def test_views_are_placed_whatever_their_layout(angle: float, kind: str, wide: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(LOW, HIGH, (50, 3))
    turn = turn_x(angle)
    raw = np.full((50, 7), np.nan, kind)
    raw[:, :3] = (truth - EYE) @ turn
    points = raw[:, :3] if wide else np.ascontiguousarray(raw[:, :3])
    placed, _ = scene(CameraView("c", points, turn, EYE)).over(PLANE, -1.0)
    np.testing.assert_allclose(placed.T, truth, atol=2e-6)


def test_not_finite_points_and_those_outside_are_left_out() -> None:
    points = np.array([[0, 0, 0.7], [np.nan, 0, 0.7], [0, np.inf, 0.7], [9, 0, 0.7], [0, 0, 0.601]], np.float32)
    for view in (CameraView("c", points), CameraView("c", points, np.eye(3), np.zeros(3))):
        over, anything = scene(view).over(PLANE, 0.006)
        assert over.shape == (3, 1) and anything
        _, anything = scene(view).over(PLANE, 0.006, skip=[0])
        assert not anything
    near, _ = scene(CameraView("c", points)).over(PLANE, 0.006, around=(np.full(3, 0.1), np.full(3, 0.2)))
    assert near.shape == (3, 0)


def test_what_is_no_cloud_is_no_view() -> None:
    assert as_views(np.zeros(3)) is None and as_views([CameraView("c", np.zeros((4, 2)))]) is None
    views = as_views(np.zeros((4, 3)))
    assert views is not None and len(views) == 1 and as_views([]) == []


def look(box: bool) -> np.ndarray:
    """The table with a wall of 10 cm before its middle, or without it; from `EYE`, in the task frame."""
    rng = np.random.default_rng(1)
    rays = np.column_stack([rng.uniform(-0.2, 0.2, 20_000), rng.uniform(-0.3, 0.3, 20_000), np.full(20_000, 0.6)]) - EYE
    at_wall = -EYE[1] / rays[:, 1]
    hit = EYE + rays * at_wall[:, None]
    on_wall = box & (np.abs(hit[:, 0]) < 0.05) & (hit[:, 2] > 0.6) & (hit[:, 2] < 0.7)
    return np.where(on_wall[:, None], hit, EYE + rays).astype(np.float32)


def test_an_empty_place_is_seen_through_and_a_hidden_one_is_not() -> None:
    rng = np.random.default_rng(2)
    surface = np.column_stack([rng.uniform(-0.045, 0.045, 300), np.zeros(300), rng.uniform(0.61, 0.695, 300)])
    normals = np.tile([0.0, -1.0, 0.0], (300, 1))

    def through(points: np.ndarray, is_hand=nobody) -> float:
        view = CameraView("c", (points - EYE).astype(np.float32), np.eye(3), EYE)
        return scene(view).seen_through(surface, normals, is_hand)

    there, gone = look(True), look(False)
    assert through(there) < 0.1
    assert through(gone) > 0.6
    # A hand before it, and one at its place, tell nothing.
    hidden = there.copy()
    hidden[hidden[:, 1] == 0.0] += (EYE - hidden[hidden[:, 1] == 0.0]) * 0.2
    assert through(hidden) < 0.1
    assert through(there, lambda points: np.abs(points[:, 1]) < 0.01) < 0.1
    # Nor does a view whose camera is not known to be anywhere, or one that is left out.
    assert scene(CameraView("c", gone)).seen_through(surface, normals, nobody) == 0.0
    view = CameraView("c", (gone - EYE).astype(np.float32), np.eye(3), EYE)
    assert scene(view).seen_through(surface, normals, nobody, [0]) == 0.0


@pytest.fixture
def table() -> Table:
    return Table(pytest.importorskip("open3d"), 0.6, 0.03)


def moved_by(points: np.ndarray, tilt: float, lift: float) -> np.ndarray:
    return (points - [0, 0, 0.6]) @ turn_x(tilt).T + [0, 0, 0.6 + lift]


@pytest.mark.parametrize(("tilt", "lift"), [(0.0, 0.015), (0.0, -0.02), (0.05, 0.0), (-0.08, 0.01)])
def test_a_camera_that_moves_is_told_from_the_others_and_taken_back(table: Table, tilt: float, lift: float) -> None:
    good = [CameraView(name, table_points(k)) for k, name in enumerate("ab")]
    for k in range(3):
        assert table.update(scene(*good, CameraView("c", table_points(2 + k)))) == []
    bad = CameraView("c", moved_by(table_points(9), tilt, lift))
    for _ in range(4):
        assert table.update(scene(*good, bad)) == [2]
    assert table.height == pytest.approx(0.6, abs=0.001)
    assert table.update(scene(*good, CameraView("c", table_points(5)))) == []


def test_one_wrong_camera_of_three_is_told_at_once(table: Table) -> None:
    views = [CameraView("a", table_points(0)), CameraView("b", moved_by(table_points(1), 0.06, 0.0))]
    assert table.update(scene(*views, CameraView("c", table_points(2)))) == [1]


def test_all_cameras_can_have_moved(table: Table) -> None:
    table.update(scene(CameraView("a", table_points(0))))
    assert table.update(scene(CameraView("a", moved_by(table_points(1), 0.0, 0.03)))) == [0]


def test_what_hides_the_table_moves_no_camera(table: Table) -> None:
    rng = np.random.default_rng(0)
    table.update(scene(CameraView("a", table_points(0))))
    hand = np.column_stack([rng.uniform(-0.1, 0.1, (6000, 2)), rng.uniform(0.61, 0.7, 6000)])
    book = np.column_stack([rng.uniform(-0.1, 0.1, (2500, 2)), rng.normal(0.63, 0.001, 2500)])
    for thing in (hand, book):
        assert table.update(scene(CameraView("a", np.concatenate([table_points(1, 3000), thing])))) == []
    assert table.update(scene(CameraView("a", np.zeros((0, 3))))) == []


def test_the_table_is_followed_slowly(table: Table) -> None:
    for k in range(40):
        table.update(scene(CameraView("a", table_points(k) + [0, 0, 0.00005 * k])))
    assert table.height == pytest.approx(0.602, abs=0.001)
