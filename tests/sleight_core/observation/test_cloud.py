"""The object's cloud as an observation term: size, frame, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_core.observation import TERMS, ObservationBuilder, TermSpec
from sleight_core.observation.spec import term_specs
from sleight_core.observation.terms import CLOUD_SIZES, cloud_points, cloud_term
from sleight_core.rotations import rotate_z

from .test_terms import TABLE, random_state


def builder(points):
    return ObservationBuilder(TABLE, term_specs(TABLE, [cloud_term(points)]))


@pytest.mark.parametrize("points", CLOUD_SIZES)
def test_a_cloud_is_perception_in_metres_of_a_fixed_size(points):
    spec = TermSpec.of(cloud_term(points), TABLE)
    assert (spec.size, spec.unit, spec.frame, spec.provenance) == (3 * points, "m", "canonical", "perception")
    assert builder(points).compute(random_state(np.random.default_rng(0))).shape == (3, 3 * points)
    assert cloud_points(name for name in ("joint_pos", cloud_term(points))) == points
    assert TERMS[cloud_term(points)].function.__doc__


@settings(max_examples=25, deadline=None)
@given(have=st.integers(1, 700), points=st.sampled_from(CLOUD_SIZES), seed=st.integers(0, 1000))
def test_every_point_is_one_of_the_perceived_ones_turned_into_the_canonical_frame(have, points, seed):
    state = random_state(np.random.default_rng(seed))
    state = replace(state, object_cloud=np.random.default_rng(seed).normal(size=(3, have, 3)))
    seen = builder(points).compute(state).reshape(3, points, 3)
    turned = rotate_z(state.object_cloud, -state.canonical_yaw[:, None])
    rows = [i * have // points for i in range(points)]
    assert seen == pytest.approx(turned[:, rows], abs=1e-6)
    assert len(set(rows)) == min(have, points), "all of a small cloud, as much as fits of a large one"


def test_refusals():
    state = random_state(np.random.default_rng(0))
    with pytest.raises(SleightError, match=r"no cloud of the object.*feed"):
        builder(128).compute(replace(state, object_cloud=None))
    with pytest.raises(SleightError, match="no points"):
        builder(128).compute(replace(state, object_cloud=np.zeros((3, 0, 3))))
    with pytest.raises(SleightError, match="100"):
        cloud_term(100)
    assert cloud_points(["joint_pos"]) == 0


def test_torch_gives_the_same_numbers_as_numpy():
    torch = pytest.importorskip("torch", reason="the training extra is not installed")
    state = random_state(np.random.default_rng(3))
    other = type(state)(**{k: torch.as_tensor(v) for k, v in state.__dict__.items() if not isinstance(v, dict)})
    assert builder(128).compute(other).numpy() == pytest.approx(builder(128).compute(state), abs=1e-6)
