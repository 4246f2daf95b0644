"""Clusters on a grid against what they promise of distances, and what becomes of lone points."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.perception.grid import cell_keys, cluster, is_dense, spread, with_neighbours

GAP = 0.02


def ball(centre, count: int, rng: np.random.Generator, radius: float = 0.03) -> np.ndarray:
    directions = rng.normal(size=(count, 3))
    return np.asarray(centre) + radius * directions / np.linalg.norm(directions, axis=1)[:, None]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), apart=st.floats(0.04, 0.2), shift=st.floats(-0.3, 0.3))
def test_things_farther_apart_than_the_gap_are_two(seed: int, apart: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    # The farthest points of touching cells are twice the gap times the cell's diagonal apart.
    a = ball([shift, 0.0, 0.7], 800, rng)
    b = ball([shift + 0.06 + apart, 0.0, 0.7], 800, rng)
    order = rng.permutation(1600)
    labels = np.empty(1600, dtype=int)
    labels[order] = cluster(np.concatenate([a, b])[order], GAP)
    assert len(np.unique(labels[:800])) == 1 and labels[0] >= 0
    assert len(np.unique(labels[800:])) == 1 and labels[800] >= 0
    assert labels[0] != labels[800]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999))
def test_things_nearer_than_half_the_gap_are_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.concatenate([ball([0, 0, 0.7], 1500, rng), ball([0.065, 0, 0.7], 1500, rng)])
    assert np.unique(cluster(points, GAP)).tolist() == [0]


def test_lone_points_are_of_no_cluster_and_no_bridge() -> None:
    rng = np.random.default_rng(0)
    chain = np.column_stack([np.linspace(0.04, 0.16, 9), np.zeros(9), np.full(9, 0.7)])
    points = np.concatenate([ball([0, 0, 0.7], 800, rng), ball([0.2, 0, 0.7], 800, rng), chain, [[0.5, 0.5, 0.9]]])
    labels = cluster(points, GAP)
    assert labels[0] != labels[800]
    assert labels[-1] == -1 and (labels[1604:1606] == -1).all()
    assert cluster(np.zeros((0, 3)), GAP).shape == (0,)
    assert cluster(np.zeros((1, 3)), GAP).tolist() == [-1]


def test_dense_points_are_those_of_the_surface() -> None:
    rng = np.random.default_rng(0)
    surface, flying = ball([0, 0, 0.7], 2000, rng), ball([0, 0, 0.7], 20, rng, radius=0.05)
    dense = is_dense(np.concatenate([surface, flying]))
    assert dense[:2000].mean() > 0.98 and dense[2000:].mean() < 0.1
    assert is_dense(np.zeros((0, 3))).shape == (0,)


@given(count=st.integers(0, 5000), want=st.integers(1, 2000), seed=st.integers(0, 99))
def test_samples_are_spread_over_all_rows(count: int, want: int, seed: int) -> None:
    rows = spread(count, want, np.random.default_rng(seed))
    assert len(rows) == min(count, want)
    assert len(np.unique(rows)) == len(rows)
    assert ((rows >= 0) & (rows < count)).all()
    if count > want:
        assert np.diff(rows).max(initial=0) <= 2 * count / want + 1


def test_cells_are_the_same_in_every_call_and_know_their_neighbours() -> None:
    points = np.array([[0.001, 0.001, 0.001], [0.011, 0.001, 0.001], [0.031, 0.001, 0.001], [99.0, -99.0, 0.0]])
    keys = cell_keys(points, 0.01)
    assert len(np.unique(keys)) == 4 and np.array_equal(keys[1:], cell_keys(points[1:], 0.01))
    around = with_neighbours(keys[:1])
    assert len(around) == 27 and keys[1] in around and keys[2] not in around
