"""Every category makes valid, different shapes; parts have the sizes they were asked for."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from sleight_core.errors import SleightError
from sleight_sim.objects import FAMILIES, MAX_PIECES, PIECE_VERTICES, household_object
from sleight_sim.objects.catalogue import CATEGORIES, UNSEEN, parts
from sleight_sim.objects.convex import check_piece
from sleight_sim.objects.scaled import (
    MAX_LENGTH,
    MAX_WIDTH,
    MIN_HEIGHT,
    SCALES,
    catalogue_object,
    horizontal_width,
    misfit,
    scaled_object,
    unit_shape,
)
from sleight_sim.objects.spec import MAX_REST_HEIGHT

LENGTH = st.floats(0.3, 12.0)
FEW = settings(max_examples=30, deadline=None)


def test_there_are_enough_categories() -> None:
    assert len(CATEGORIES) >= 40
    assert len(UNSEEN) >= 12 and set(CATEGORIES) >= UNSEEN
    assert set(FAMILIES) <= set(CATEGORIES) - UNSEEN
    named = {"mug", "headphones", "kettle", "pistol", "toy_figure", "toy_animal", "tape_roll", "game_pad", "camera"}
    named |= {"light_bulb", "spray_bottle", "spoon", "scissors", "pliers", "wine_glass", "jar", "teapot", "watch"}
    named |= {"remote_control", "flashlight", "donut", "padlock", "shoe", "mouse", "hair_dryer", "drill"}
    assert named <= set(CATEGORIES)


@pytest.mark.parametrize("category", CATEGORIES)
def test_shapes_are_valid_and_differ(category: str) -> None:
    seen = set()
    for index in range(6):
        pieces, density = unit_shape(category, index)
        assert 1 <= len(pieces) <= MAX_PIECES
        assert pieces.shape[1:] == (PIECE_VERTICES, 3)
        for piece in pieces:
            check_piece(piece)
        flat = pieces.reshape(-1, 3)
        np.testing.assert_allclose(flat.min(axis=0), -flat.max(axis=0), atol=1e-12)
        low, high = CATEGORIES[category].fill
        assert low <= np.linalg.norm(flat, axis=1).max() <= high
        assert 300.0 <= density <= 700.0
        seen.add(tuple(np.ptp(flat, axis=0).round(4)))
    assert len(seen) == 6


@pytest.mark.parametrize("category", CATEGORIES)
def test_own_size_fits_the_hand(category: str) -> None:
    thing = catalogue_object(category, 3)
    assert misfit(thing) is None
    assert thing.extents.max() <= MAX_LENGTH
    assert 0.03 - 1e-9 <= thing.mass <= 0.8 + 1e-9
    assert (thing.stable_poses.heights <= MAX_REST_HEIGHT).all()
    assert thing.stable_poses.probabilities.sum() == pytest.approx(1.0)
    if category not in FAMILIES:
        assert household_object(category, 3).name == thing.name == f"household:{category}:3"


def test_scale_is_metres_per_unit() -> None:
    small, large = (scaled_object("teapot", 5, scale) for scale in SCALES[:2])
    np.testing.assert_allclose(large.pieces, small.pieces * 8 / 6, atol=2e-7)
    assert np.linalg.norm(small.pieces.reshape(-1, 3), axis=1).max() <= SCALES[0]
    assert small.name == "household:teapot:5@0.06"
    assert small.family == "teapot"


def test_vertices_are_in_tenths_of_micrometres() -> None:
    """Rounded before anything is computed from them, so that the rest does not depend on a sine's last bit either."""
    pieces = scaled_object("kettle", 0, 0.06).pieces
    shifts = pieces - pieces[0, 0]
    np.testing.assert_allclose(shifts, np.round(shifts * 1e7) * 1e-7, atol=1e-12)


def test_misfits_are_named() -> None:
    assert misfit(scaled_object("mug", 0, 0.12)) == "too wide"
    assert misfit(scaled_object("bar", 0, 0.15)) in ("too long", None)
    assert misfit(scaled_object("wrench", 0, 0.04)) == "too flat"
    with pytest.raises(SleightError, match="too tall"):
        scaled_object("sphere", 0, 0.2)
    assert MAX_WIDTH == 0.09 and MIN_HEIGHT == 0.012


def test_horizontal_width_is_the_least() -> None:
    angle = np.deg2rad(33.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    assert horizontal_width(parts.slab([4.0, 9.0, 1.0]) @ turn.T) == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize(("category", "index", "scale"), [("sofa", 0, 0.06), ("mug", -1, 0.06), ("mug", 0, 0.5)])
def test_wrong_shapes_are_refused(category: str, index: int, scale: float) -> None:
    with pytest.raises(SleightError):
        scaled_object(category, index, scale)


@FEW
@given(x=LENGTH, y=LENGTH, z=LENGTH, axis=st.sampled_from("xyz"))
def test_prisms_have_their_size(x: float, y: float, z: float, axis: str) -> None:
    piece = check_piece(parts.prism(parts.rectangle(x, y), 0.0, z, axis=axis))
    size = np.ptp(piece, axis=0)
    wanted = {"z": [x, y, z], "x": [z, x, y], "y": [y, z, x]}[axis]
    np.testing.assert_allclose(size, wanted, rtol=1e-9)


@FEW
@given(radius=LENGTH, top=LENGTH, length=LENGTH)
def test_cones_are_valid(radius: float, top: float, length: float) -> None:
    piece = check_piece(parts.cylinder(radius, 0.0, length, top=top))
    assert np.ptp(piece, axis=0)[:2] == pytest.approx([2 * max(radius, top)] * 2, rel=0.02)


@FEW
@given(corners=st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=9))
def test_outlines_are_strictly_convex(corners: list[tuple[float, float]]) -> None:
    shape = parts.outline(corners, 0.2)
    assert shape.shape == (32, 2)
    assert len(ConvexHull(shape).vertices) == 32


@FEW
@given(sectors=st.integers(5, 15), radius=st.floats(2.0, 6.0), rim=st.floats(2.0, 6.0))
def test_shells_are_closed_around_and_hollow(sectors: int, radius: float, rim: float) -> None:
    pieces = parts.shell([(radius, 0.0), (rim, 5.0)], 0.5, sectors)
    assert len(pieces) == sectors
    for piece in pieces:
        check_piece(piece)
    inner = min(radius, rim) * np.cos(np.pi / sectors) - 0.7
    assert min(np.linalg.norm(piece[:, :2], axis=1).min() for piece in pieces) > inner


def test_turned_parts_keep_their_size_and_place() -> None:
    piece = parts.slab([1.0, 2.0, 3.0], [1.0, 0.0, 0.0])
    quarter = parts.turned(piece, "z", 90.0, [1.0, 0.0, 0.0])
    np.testing.assert_allclose(np.ptp(quarter, axis=0), [2.0, 1.0, 3.0], atol=1e-12)
    np.testing.assert_allclose(quarter.mean(axis=0), [1.0, 0.0, 0.0], atol=1e-12)


#: SHA-256 over the vertices of shape 0 of every category at 0.06, in tenths of micrometres.
SHAPES_SHA256 = "60ceb0374ad71555fdba5a28e5c4b76be269f3accc5176ff923affc1c9d48461"


def test_shapes_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256()
    for category in CATEGORIES:
        digest.update(np.round(scaled_object(category, 0, 0.06).pieces * 1e8).astype("<i8").tobytes())
    assert digest.hexdigest() == SHAPES_SHA256
