"""Estimated terms: the arithmetic of what they are twins of, on estimates alone; and the terms that estimators see."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_core.observation import TERMS, ObservationBuilder, TermSpec
from sleight_core.observation.estimated_terms import PREFIX, QUANTITIES, believed, made_of, twin, twins
from sleight_core.observation.scene_terms import FIRST_CLOUD, scene_term, sees_scene
from sleight_core.observation.spec import term_specs
from sleight_core.observation.terms import CLOUD_SIZES

from ..compose.builders import HAND
from ..compose.test_residual_terms import remembering, state

#: All twins; mechanisms in the states here have one joint.
TWINS = [name for name in TERMS if name.startswith(PREFIX) and not name.endswith("_2")]
SCENE = ["palm_pos", "wrist_velocity", "tip_positions", scene_term(64, first=True), scene_term(64)]


def watching(seed=0):
    """A state that has seen clouds, in the midst of a composition."""
    rng = np.random.default_rng(seed)
    seen = remembering(state(seed))
    seen.scene_cloud = rng.normal(size=(3, 128, 3))
    seen.memory = seen.memory | {FIRST_CLOUD: rng.normal(size=(3, 64, 3))}
    return seen


def test_there_is_a_twin_of_every_privileged_term_of_skills_and_residuals():
    privileged = {
        name
        for name, row in TERMS.items()
        if row.provenance == "privileged"
        and row.function.__module__.rpartition(".")[2] in ("compose_terms", "residual_terms")
    }
    assert {name.removeprefix(PREFIX) for name in TERMS if name.startswith(PREFIX)} == privileged
    for name in TWINS:
        mine, other = TERMS[name], TERMS[name.removeprefix(PREFIX)]
        assert mine.provenance == "perception" and other.provenance == "privileged"
        assert (mine.unit, mine.frame, mine.size(HAND)) == (other.unit, other.frame, other.size(HAND))
        assert made_of(name) and set(made_of(name)) <= set(QUANTITIES)
        assert made_of(other.name) == ()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_twin_says_of_estimates_what_the_other_says_of_the_truth_and_does_not_see_the_truth(seed):
    seen = watching(seed)
    estimates, lies = seen.privileged, state(seed + 1).privileged
    seen = replace(seen, privileged=lies, estimates=estimates)
    found = ObservationBuilder(HAND, term_specs(HAND, TWINS)).compute(seen)
    plain = ObservationBuilder(HAND, term_specs(HAND, [name.removeprefix(PREFIX) for name in TWINS]))
    assert found == pytest.approx(plain.compute(replace(seen, privileged=estimates)), abs=1e-9)
    blind = ObservationBuilder(HAND, term_specs(HAND, TWINS)).compute(replace(seen, privileged={}))
    assert np.array_equal(found, blind)
    assert believed(seen).privileged is estimates


def test_without_an_estimate_there_is_nothing_to_see():
    seen = watching()
    for name in TWINS:
        for quantity in made_of(name):
            some = {key: value for key, value in seen.privileged.items() if key != quantity}
            with pytest.raises(SleightError, match="no estimate.*" + quantity):
                ObservationBuilder(HAND, term_specs(HAND, [name])).compute(replace(seen, estimates=some))


def test_an_observation_gets_twins_for_what_is_privileged_and_nothing_else():
    specs = (
        TermSpec.of("hand_joints", HAND, clip=None),
        TermSpec.of("handle_pos", HAND, scale=2.0, clip=3.0),
        TermSpec.of("mechanism_joints_2", HAND),
    )
    found = twins(HAND, specs)
    assert [spec.name for spec in found] == ["hand_joints", "estimated_handle_pos", "estimated_mechanism_joints_2"]
    assert found[0] == specs[0] and (found[1].scale, found[1].clip) == (2.0, 3.0)
    assert all(spec.provenance != "privileged" for spec in found)
    with pytest.raises(SleightError, match="nothing estimates.*object_code"):
        twin("object_code")
    assert twin("what_nobody_knows") == "what_nobody_knows"


def test_what_estimators_see_has_its_size_and_is_sensed():
    seen = watching()
    builder = ObservationBuilder(HAND, term_specs(HAND, SCENE))
    assert builder.size == 3 + 6 + 15 + 2 * 3 * 64
    assert {spec.provenance for spec in builder.specs} == {"proprioception", "perception"}
    assert {spec.frame for spec in builder.specs} == {"task"}
    found = builder.compute(seen)
    parts = builder.slices
    assert seen.scene_cloud is not None
    assert found[:, parts[scene_term(64, first=True)]].reshape(3, 64, 3) == pytest.approx(
        np.clip(seen.memory[FIRST_CLOUD], -5, 5), abs=1e-6
    )
    assert found[:, parts[scene_term(64)]].reshape(3, 64, 3) == pytest.approx(
        np.clip(seen.scene_cloud[:, ::2], -5, 5), abs=1e-6
    )
    tips = found[:, parts["tip_positions"]].reshape(3, 5, 3)
    assert np.linalg.norm(tips - seen.wrist_pos[:, None], axis=-1).max() < 0.4


def test_the_hand_is_seen_in_the_task_frame_whichever_way_it_faces():
    seen = watching()
    builder = ObservationBuilder(HAND, term_specs(HAND, SCENE))
    turned = replace(seen, canonical_yaw=np.full(3, 1.0))
    assert np.array_equal(builder.compute(seen), builder.compute(turned))


def test_without_a_cloud_there_is_nothing_to_estimate_from():
    for changes in ({"scene_cloud": None}, {"memory": {}}):
        with pytest.raises(SleightError, match="no cloud of the scene"):
            ObservationBuilder(HAND, term_specs(HAND, SCENE)).compute(replace(watching(), **changes))
    with pytest.raises(SleightError, match="so many points"):
        scene_term(100)
    assert sees_scene([scene_term(CLOUD_SIZES[0])]) and sees_scene([scene_term(512, first=True)])
    assert not sees_scene(["object_cloud_64", "palm_pos"])


def test_torch_gives_the_same_numbers_as_numpy():
    torch = pytest.importorskip("torch", reason="the training extra is not installed")
    seen = watching()
    seen.estimates = seen.privileged

    def moved(value) -> Any:
        if isinstance(value, dict):
            return {name: moved(one) for name, one in value.items()}
        return None if value is None else torch.as_tensor(value)

    builder = ObservationBuilder(HAND, term_specs(HAND, [*SCENE, *TWINS]))
    other = replace(seen, **{name: moved(value) for name, value in seen.__dict__.items()})
    assert builder.compute(other).numpy() == pytest.approx(builder.compute(seen), abs=1e-6)
