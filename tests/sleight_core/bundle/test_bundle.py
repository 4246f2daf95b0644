"""Bundles that fit: what loading gives, running them, writing them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from sleight_core.bundle import BundleError, PolicySession, load_bundle, write_bundle
from sleight_core.bundle.manifest import Diffusion, MaskedDualResidual, MoeResidual
from sleight_core.errors import SleightError
from sleight_core.observation.spec import term_specs

from .builders import (
    ACTION,
    HAND,
    OBS,
    PERIOD,
    SPECS,
    edit,
    golden,
    info,
    linear_policy,
    make,
    replace_golden,
    replace_graph,
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("bundles") / "toy")


def test_a_loaded_bundle_knows_itself(bundle: Path) -> None:
    loaded = load_bundle(bundle, HAND, period=PERIOD)
    text = (bundle / "manifest.json").read_bytes()
    assert loaded.sha256 == hashlib.sha256(text).hexdigest()
    assert loaded.id == f"toy@{loaded.sha256[:12]}"
    assert loaded.manifest.observation == tuple(SPECS)
    assert loaded.manifest.observation_size == OBS and loaded.manifest.action_size == ACTION
    assert loaded.manifest.observation_labels[22] == "grasp_center_pos[0]"
    assert loaded.manifest.action_labels[5:7] == ["wrist_twist[5]", "hand_joints.FFJ3"]
    assert any("8 vectors replayed" in check for check in loaded.checks)


def test_the_manifest_survives_a_round_trip(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.manifest.to_json().encode() == (bundle / "manifest.json").read_bytes()


def test_the_policy_answers_as_the_reference_does(bundle: Path) -> None:
    session = PolicySession(load_bundle(bundle, HAND))
    data = golden(linear_policy(), count=50, seed=9)
    for obs, action in zip(data["obs"], data["action"], strict=True):
        for shape in ((OBS,), (1, OBS)):
            out = session.act(obs.reshape(shape))
            assert out.action.shape == (ACTION,) and out.action.dtype == np.float32
            np.testing.assert_allclose(out.action, action, atol=1e-6)
    assert out.expert_weights is None and out.residual is None and 0 < out.inference_time < 1
    assert (session.observation_size, session.action_size) == (OBS, ACTION)


def test_a_batch_is_answered_as_its_rows_are(bundle: Path) -> None:
    session = PolicySession(load_bundle(bundle))
    data = golden(linear_policy(), count=20, seed=4)
    np.testing.assert_allclose(session.act_batch(data["obs"]), data["action"], atol=1e-6)
    with pytest.raises(SleightError, match="found shape"):
        session.act_batch(data["obs"][0])
    data["obs"][7, 3] = np.nan
    with pytest.raises(SleightError, match=r"joint_pos\[3\] is nan"):
        session.act_batch(data["obs"])


def test_experts_and_residual_come_beside_the_action(tmp_path: Path) -> None:
    composition = MoeResidual(k=4, normalisation="softmax", expert_names=("a", "b", "c", "d"))
    path = make(tmp_path / "moe", composition, {"expert_weights": 4, "residual": ACTION})
    out = PolicySession(load_bundle(path, HAND)).act(np.ones(OBS))
    assert out.expert_weights is not None and out.expert_weights.shape == (4,)
    assert out.residual is not None and out.residual.shape == (ACTION,)


def test_a_mixture_without_its_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"graphs.0.outputs: expected \['action', 'expert_weights', 'residual'\]"):
        make(tmp_path / "moe", MoeResidual(k=4, normalisation="l1"))


def test_a_masked_residual_needs_a_mask_of_the_actions_size(tmp_path: Path) -> None:
    good = MaskedDualResidual(mask=(True,) * ACTION, bounds=(0.2,) * ACTION)
    session = PolicySession(load_bundle(make(tmp_path / "good", good, {"residual": ACTION})))
    assert session.act(np.zeros(OBS)).residual is not None
    with pytest.raises(BundleError, match=f"composition.mask: expected {ACTION} elements, found 3"):
        make(tmp_path / "bad", MaskedDualResidual(mask=(True,) * 3, bounds=(0.2,) * ACTION), {"residual": ACTION})


def test_a_composition_that_cannot_be_run_is_refused(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    changed = loaded.manifest.model_copy(update={"composition": Diffusion(horizon=8, execute=4)})
    object.__setattr__(loaded, "manifest", changed)
    with pytest.raises(BundleError, match="composition.kind: expected mlp.*found diffusion"):
        PolicySession(loaded)


@pytest.mark.parametrize(
    ("obs", "words"),
    [
        (np.full(OBS, np.nan), "joint_pos\\[0\\] is nan"),
        (np.r_[np.zeros(OBS - 1), np.inf], "last_action\\[23\\] is inf"),
        (np.zeros(OBS - 1), f"expected {OBS} elements, found shape"),
        (np.zeros((2, OBS)), "found shape \\(2, "),
    ],
)
def test_bad_observations_are_refused(bundle: Path, obs: np.ndarray, words: str) -> None:
    session = PolicySession(load_bundle(bundle))
    with pytest.raises(SleightError, match=words):
        session.act(obs)


def test_a_network_that_answers_nan_is_refused(tmp_path: Path) -> None:
    """A square root of the linear part: fine for the golden vectors, NaN where that part is negative."""
    model = onnx.load_from_string(linear_policy())
    model.graph.node[1].op_type = "Sqrt"
    del model.graph.node[1].input[1:]
    bias = np.full(ACTION, 0.25, np.float32)
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(bias, "bias"))
    path = make(tmp_path / "nan")
    replace_graph(path, model.SerializeToString())
    answers = np.full((4, ACTION), 0.5, np.float32)
    replace_golden(path, {"obs": np.zeros((4, OBS), np.float32), "action": answers}, count=4)
    session = PolicySession(load_bundle(path, HAND))
    with pytest.raises(SleightError, match="action is not finite: .* is nan"):
        session.act(1e4 * np.ones(OBS))


def test_extra_graphs_are_checked_like_the_policy(tmp_path: Path) -> None:
    policy, expert = linear_policy(), linear_policy(seed=5)
    data = golden(policy)
    parts = {"expert_0.action": golden(expert)["action"]}
    loaded = write_bundle(tmp_path / "b", info(), {"policy": policy, "expert_0": expert}, data | parts, table=HAND)
    assert set(loaded.graphs) == {"policy", "expert_0"}
    parts["expert_0.action"][0, 0] += 1.0
    with pytest.raises(BundleError, match="golden.expert_0.action.*wrist_twist\\[0\\] by 1"):
        write_bundle(tmp_path / "c", info(), {"policy": policy, "expert_0": expert}, data | parts)


# ---------------------------------------------------------------- writing


def test_writing_is_reproducible(tmp_path: Path) -> None:
    assert load_bundle(make(tmp_path / "a")).sha256 == load_bundle(make(tmp_path / "b")).sha256


def test_a_refused_bundle_leaves_nothing_behind(tmp_path: Path) -> None:
    data = linear_policy()
    vectors = golden(data)
    vectors["action"] += 0.1
    with pytest.raises(BundleError, match="golden.action"):
        write_bundle(tmp_path / "bad", info(), {"policy": data}, vectors)
    with pytest.raises(BundleError, match="golden.count"):
        write_bundle(
            tmp_path / "bad", info(), {"policy": data}, {"obs": vectors["obs"][:2], "action": vectors["action"]}
        )
    with pytest.raises(BundleError, match="graphs.policy"):
        write_bundle(tmp_path / "bad", info(), {"policy": b"nonsense"}, vectors)
    with pytest.raises(BundleError, match="role 'policy'"):
        write_bundle(tmp_path / "bad", info(), {"expert": data}, vectors)
    with pytest.raises(BundleError, match="at most 17"):
        write_bundle(tmp_path / "bad", info(), {"policy": linear_policy(opset=18)}, vectors)
    assert list(tmp_path.iterdir()) == []


def test_privileged_terms_are_refused_when_writing(tmp_path: Path) -> None:
    specs = term_specs(HAND, ["joint_pos", "true_object_quat"])
    size = sum(spec.size for spec in specs)
    data = linear_policy(obs=size)
    with pytest.raises(BundleError, match="observation.1.provenance.*true_object_quat"):
        write_bundle(tmp_path / "bad", info(observation=tuple(specs)), {"policy": data}, golden(data, obs=size))


def test_an_existing_bundle_is_replaced_only_on_demand(tmp_path: Path) -> None:
    path = make(tmp_path / "toy")
    (path / "results.json").write_text("{}")
    data = linear_policy(seed=3)
    with pytest.raises(SleightError, match="exists already"):
        write_bundle(path, info(), {"policy": data}, golden(data))
    before = load_bundle(path).sha256
    after = write_bundle(path, info(), {"policy": data}, golden(data), overwrite=True)
    assert after.sha256 != before
    assert load_bundle(path).sha256 == after.sha256
    assert sorted(p.name for p in path.iterdir()) == ["golden.npz", "manifest.json", "policy.onnx"]
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]


def test_what_is_no_bundle_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precious").write_text("x")
    data = linear_policy()
    with pytest.raises(SleightError, match="what is no bundle"):
        write_bundle(tmp_path / "home", info(), {"policy": data}, golden(data), overwrite=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(SleightError, match="cannot be written|what is no bundle"):
        write_bundle(tmp_path / "file", info(), {"policy": data}, golden(data), overwrite=True)


# ---------------------------------------------------------------- the command line


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    from sleight_core.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["bundle", *argv])
    out = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out.out, out.err


def test_verify_on_the_command_line(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "verify", str(bundle), "--rate", "60")
    assert (status, err) == (0, "") and "fits hand 'shadow'" in out and out.count("ok  ") == 6
    status, out, _ = run(capsys, "verify", str(bundle), "--hand", "shadow", "--json")
    assert status == 0 and json.loads(out)["id"] == load_bundle(bundle).id


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--rate", "50"], "control.period"),
        (["--hand", "leap9"], "unknown hand"),
        (["--hand", "../x"], "unknown hand"),
        (["--hand", "none.yaml"], "none.yaml"),
    ],
)
def test_refusals_are_one_line(bundle: Path, capsys: pytest.CaptureFixture[str], args: list[str], words: str) -> None:
    status, out, err = run(capsys, "verify", str(bundle), *args)
    assert (status, out) == (2, "") and err.count("\n") == 1 and words in err and "Traceback" not in err


def test_a_manifest_with_an_unknown_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path / "toy")
    edit(path, lambda m: m["hand"].update(name="claw"))
    status, _, err = run(capsys, "verify", str(path))
    assert status == 2 and "unknown hand: claw" in err and "shadow" in err


def test_inspect_on_the_command_line(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "inspect", str(bundle))
    assert status == 0 and "toy" in out and "grasp_center_pos" in out and "absolute_target" in out
    status, out, _ = run(capsys, "inspect", str(bundle), "--json")
    assert status == 0 and json.loads(out)["name"] == "toy"
    status, _, err = run(capsys, "inspect", str(bundle / "absent"))
    assert status == 2 and "a bundle folder" in err
