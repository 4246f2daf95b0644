"""Bundles of composed skills: what loads, and what is refused, each with its field, both values and a remedy."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from sleight_core.bundle import BundleError, PolicySession, load_bundle
from sleight_core.cli.bundle import app
from sleight_core.compose import ComposeAction
from sleight_core.errors import SleightError
from sleight_core.observation.compose_terms import skill_terms
from sleight_description import load_hand
from typer.testing import CliRunner

from . import builders
from .builders import GRASP, HAND, PERIOD, PUSH, composition, make, pair, sampler, skill


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make(tmp_path / "toys")


def edit(bundle: Path, change) -> None:
    path = bundle / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def at(path: str, value):
    """An edit that sets one place of the manifest."""

    def change(data):
        *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        for key in way:
            data = data[key]
        data[last] = value

    return change


def refused(bundle: Path, field: str, *words: str, **options) -> None:
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle, **{"table": HAND, "period": PERIOD, **options})
    message = str(caught.value)
    assert caught.value.field == field, message
    assert caught.value.remedy
    for word in words:
        assert word in message, message


def test_a_bundle_holds_skills_pairs_and_golden_vectors_of_every_graph(bundle: Path) -> None:
    loaded = load_bundle(bundle, HAND, period=PERIOD)
    composed = loaded.manifest.composition
    assert composed == composition()
    assert set(loaded.graphs) == {"skill.GraspBall", "skill.PushButton", "residual.first", "residual.second"}
    assert any("3 vectors replayed" in check for check in loaded.checks)
    assert any("26 for 'GraspBall'" in check and "none privileged" in check for check in loaded.checks)
    assert loaded.manifest.action_size == 28 and loaded.manifest.action_labels[4] == "wrist_pose[4]"
    assert loaded.manifest.to_json().encode() == (bundle / "manifest.json").read_bytes()


def test_what_only_a_simulator_knows_is_refused_on_a_robot(tmp_path: Path) -> None:
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    path = make(tmp_path / "state", composition(skills=skills), simulation=True)
    refused(path, "composition.skills.0.observation.2.provenance", "'privileged'", "palm_to_object")
    checks = load_bundle(path, HAND, period=PERIOD, simulation=True).checks
    assert any("for simulation only, privileged are palm_to_object" in check for check in checks)


def test_it_is_not_run_as_a_single_policy(bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"composition\.kind: expected mlp.*found composed_skills"):
        PolicySession(load_bundle(bundle, HAND))


@pytest.mark.parametrize(
    ("path", "value", "field", "words"),
    [
        ("composition.pairs.0.bounds", [0.1] * 27, "composition.pairs.0.bounds", ["28 elements", "27"]),
        ("composition.pairs.0.bounds.3", -0.1, "composition.composed_skills.pairs.0.bounds.3", ["equal to 0", "-0.1"]),
        ("composition.pairs.0.mask", [True] * 28, "composition.pairs.0.mask", ["'LFJ4'", "first skill", "second"]),
        ("composition.pairs.0.mask.6", False, "composition.pairs.0.mask", ["'FFJ3'", "preserved"]),
        ("composition.pairs.0.preserved", ["pinky"], "composition.pairs.0.preserved", ["'pinky'", "'th'", "no finger"]),
        ("composition.pairs.0.transition.target", [0.0], "composition.pairs.0.transition.target", ["28", "1"]),
        ("composition.skills.0.graph", "other", "composition.skills.0.graph", ["'other'", "skill.GraspBall"]),
        ("composition.skills.0.horizon", 5, "composition.composed_skills.skills.0", ["horizon 5", "execute 4"]),
        ("composition.skills.0.execute", 3, "", []),
        ("composition.skills.0.history", 3, "graphs.0.inputs.0.shape", ["3, 26", "2, 26"]),
        ("composition.skills.0.horizon", 14, "graphs.0.inputs.1.shape", ["14, 28", "12, 28"]),
        ("composition.skills.0.observation.0.unit", "deg", "composition.skills.0.observation", ["'deg'", "'1'"]),
        (
            "composition.pairs.0.first_residual.observation.0.name",
            "smell",
            "composition.pairs.0.first_residual.observation",
            ["unknown"],
        ),
        (
            "composition.skills.1.observation.0.name",
            "last_output",
            "composition.skills.1.observation.0.name",
            ["found last_output", "train it without"],
        ),
        (
            "composition.pairs.0.second_residual.observation.0.name",
            "last_output",
            "composition.pairs.0.second_residual.observation.0.name",
            ["found last_output", "`previous_residual`"],
        ),
        ("action.0.lower.3", -1.0, "action", ["part 0"]),
        ("action.1.joint_names.0", "FFJ9", "action.1.joint_names", ["FFJ9"]),
        ("composition.pairs.0.second", "OpenDoor", "composition.composed_skills", ["OpenDoor"]),
        ("composition.wrist_gain", 0.0, "composition.composed_skills.wrist_gain", ["greater than 0"]),
        ("control.period", 0.02, "control.period", ["0.0166667", "0.02"]),
        ("hand.name", "shadow", "hand.name", ["shadow_compose", "shadow"]),
    ],
)
def test_whatever_does_not_fit_is_refused(bundle: Path, path, value, field, words) -> None:
    edit(bundle, at(path, value))
    if not field:
        load_bundle(bundle, HAND, period=PERIOD)
        return
    refused(bundle, field, *words)


def test_the_plain_shadow_hand_is_too_slow_for_it(bundle: Path) -> None:
    refused(bundle, "hand.name", "'shadow_compose'", table=load_hand("shadow"))


def test_a_graph_that_nobody_uses_is_refused(bundle: Path) -> None:
    edit(bundle, lambda data: data["composition"]["pairs"][0].update(second_residual=None))
    refused(bundle, "graphs.3.role", "residual.second")


def test_an_altered_graph_is_refused(bundle: Path) -> None:
    data = sampler(26, gain=0.5)
    (bundle / "skill.GraspBall.onnx").write_bytes(data)
    refused(bundle, "graphs.0.file.sha256", "altered")
    edit(bundle, lambda manifest: manifest["graphs"][0].update(sha256=hashlib.sha256(data).hexdigest()))
    refused(bundle, "golden.skill.GraspBall.actions", "1e-05", "actions[0]")


def test_golden_vectors_of_a_residual_may_not_be_missing(bundle: Path) -> None:
    with np.load(bundle / "golden.npz") as archive:
        arrays = {name: archive[name] for name in archive.files if name != "residual.first.residual"}
    np.savez(bundle / "golden.npz", **arrays)
    digest = hashlib.sha256((bundle / "golden.npz").read_bytes()).hexdigest()
    edit(bundle, lambda data: data["golden"].update(sha256=digest))
    refused(bundle, "golden.residual.first.residual", "3 vectors of 28", "none")


def test_a_pair_of_one_skill_or_a_skill_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two skills"):
        pair("GraspBall", "GraspBall")
    with pytest.raises(ValueError, match="occurs twice"):
        composition(skills=(skill("GraspBall"), skill("GraspBall")))
    with pytest.raises(ValueError, match="a pair occurs twice"):
        composition(pairs=(pair(), pair()))


def test_an_action_of_another_hand_is_not_read() -> None:
    with pytest.raises(SleightError, match="begins with a wrist pose"):
        ComposeAction.from_parts(HAND, ())
    assert (ComposeAction.from_parts(HAND, builders.ACTION.parts).upper == builders.ACTION.upper).all()


def test_terms_are_described_with_their_sizes() -> None:
    names = [spec.name for spec in skill_terms(HAND, {"hand_joints": 22, "mechanism_joints": 2})]
    assert names == ["hand_joints", "mechanism_joints_2"]
    with pytest.raises(SleightError, match="has 4 elements"):
        skill_terms(HAND, {"wrist_quat": 3})
    with pytest.raises(SleightError, match="so many joints"):
        skill_terms(HAND, {"mechanism_joints": 7})


def test_the_command_line_shows_and_verifies_it(tmp_path: Path) -> None:
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    path = make(tmp_path / "state", composition(skills=skills), simulation=True)
    shown = CliRunner().invoke(app, ["inspect", str(path)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "PushButton" in shown.output and "lf, th" in shown.output and "mechanism_joints_1" in shown.output
    assert "for simulation only" in CliRunner().invoke(app, ["verify", str(path), "--simulation"]).output
    assert CliRunner().invoke(app, ["verify", str(path)]).exit_code != 0
