"""Importing a policy: it is refused until everything is stated and fits, and then does what its file does."""

import importlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from sleight_core.bundle import PolicySession, load_bundle
from sleight_core.errors import BundleError, IncompleteError, SleightError
from sleight_description import load_hand

pytest.importorskip("onnx")

from sleight_export.third_party.description import read_description
from sleight_export.third_party.importer import import_policy

from .builders import PUBLIC, description, foreign, save, write


def brought_in(folder: Path, model: onnx.ModelProto, content: dict, out: str = "bundle"):
    return import_policy(save(folder, model), write(folder, content), folder / out)


# --- What must be stated --------------------------------------------------------------------------------------------


def test_an_empty_description_is_told_every_field_at_once(tmp_path):
    with pytest.raises(IncompleteError) as caught:
        read_description(write(tmp_path, {}))
    fields = [problem.split(":")[0] for problem in caught.value.problems]
    assert fields == [
        "name",
        "description",
        "hand",
        "control.period",
        "control.position_margin",
        "graph.input",
        "graph.output",
        "observation",
        "action",
        "task.name",
        "task.goal",
        "task.success_radius",
        "task.hold_time",
        "task.episode_time",
        "task.object",
        "task.start.wrist_position",
        "task.start.wrist_quat",
        "task.start.joints",
        "training.algorithm",
        "training.source",
        "training.licence",
    ]
    assert all(len(problem.split(": ", 1)[1]) > 10 for problem in caught.value.problems), "each says what to write"


def leaves(content, place=()):
    """Every field of a description that must be there, as a path."""
    optional = {"success_angle", "clip", "joint_order", "scale", "limits", "clipped", "tick_source", "steps"}
    if isinstance(content, dict):
        for key, value in content.items():
            if place == ("task", "start", "joints"):
                return
            if key not in optional or (place[:1] == ("observation",) and key == "scale"):
                yield (*place, key)
            yield from leaves(value, (*place, key))
    elif isinstance(content, list) and place in (("observation",), ("action",)):
        for i, value in enumerate(content):
            yield from leaves(value, (*place, i))


@pytest.mark.parametrize("place", list(leaves(description())), ids=lambda place: ".".join(map(str, place)))
def test_leaving_one_field_out_names_it(tmp_path, place):
    content = description()
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    with pytest.raises(IncompleteError) as caught:
        read_description(write(tmp_path, content))
    wanted = ".".join(map(str, place))
    assert all(problem.startswith(wanted) for problem in caught.value.problems)


def test_joint_order_action_scale_and_limits_are_asked_for_together(tmp_path):
    content = description()
    for row in content["observation"]:
        row.pop("joint_order", None)
    for key in ("joint_order", "scale", "limits"):
        content["action"][0].pop(key)
    with pytest.raises(IncompleteError) as caught:
        brought_in(tmp_path, foreign(), content)
    text = "\n".join(caught.value.problems)
    for field in ("observation.0.joint_order", "observation.1.joint_order", "observation.4.joint_order"):
        assert field in text
    assert "isaac_lab" in text and "limits" in text and "scale" in text
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["observation"].pop(), "describes 41 elements, 'obs' of the graph has 57"),
        (lambda c: c["observation"][2].update(elements=[32, 36]), "has 3 elements on hand 'leap', .32, 36. are 4"),
        (lambda c: c["observation"][3].update(elements=[36, 42]), "should begin at 35"),
        (lambda c: c["action"][0].update(elements=[0, 15]), "describes 15 elements"),
        (lambda c: c["action"][0].update(scale=[0.5, 0.5]), "2 factors for 16 elements"),
        (lambda c: c["action"][0].update(rule="velocity"), "action.0.rule"),
        (lambda c: c["observation"][2].update(joint_order="menagerie"), "is not over joints"),
        (lambda c: c["observation"][0].update(term="joint_torque"), "no observation term 'joint_torque'"),
        (lambda c: c["observation"][2].update(term="true_object_offset"), "only a simulator knows"),
        (lambda c: c["task"]["start"]["joints"].update(thumb=1.0), r"has no joints \['thumb'\]"),
        (lambda c: c["action"][0].update(limits={"if_mcp": [0, 1]}), "must name exactly"),
        (lambda c: c.update(speed=1), "speed: there is no such field"),
        (lambda c: c["control"].update(period="fast"), "control.period"),
        (lambda c: c["control"].update(period=float("nan")), "control.period"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, said):
    content = description()
    change(content)
    with pytest.raises(IncompleteError, match=said):
        brought_in(tmp_path, foreign(), content)
    assert not (tmp_path / "bundle").exists()


def test_wider_limits_than_the_hands_are_refused(tmp_path):
    content = description()
    hand = load_hand("leap")
    content["action"][0]["limits"] = {name: [hand.joint(name).lower, 4.0] for name in hand.actuated_joint_names}
    with pytest.raises(SleightError, match="wider than the hand's"):
        brought_in(tmp_path, foreign(), content)


def test_actions_outside_their_range_need_a_word(tmp_path):
    wild = foreign(gain=3.0, bend="Identity")
    with pytest.raises(IncompleteError, match="action.0.clipped: elements reach"):
        brought_in(tmp_path, wild, description())
    content = description()
    content["action"][0]["clipped"] = True
    assert brought_in(tmp_path, wild, content).manifest.action_size == 16


@pytest.mark.parametrize("text", ["[1, 2]", "a: 1\na: 2", "name: !!python/object/apply:os.system [true]", "{", "x\0"])
def test_what_is_no_description_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(SleightError) as caught:
        read_description(path)
    assert "description" in str(caught.value) and "\n" not in str(caught.value)


# --- The graph ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opset", "ir_version", "batch"), [(11, 6, 1), (17, 8, "n"), (21, 11, 1)])
def test_any_version_comes_in_and_computes_the_same(tmp_path, opset, ir_version, batch):
    model = foreign(opset=opset, ir_version=min(ir_version, onnx.IR_VERSION), batch=batch, names=("s/obs:0", "out"))
    content = description()
    content["graph"] = {"input": "s/obs:0", "output": "out"}
    bundle = brought_in(tmp_path, model, content)
    section = bundle.manifest.policy
    assert section.opset <= 17 and section.ir_version <= 10
    weights = numpy_helper.to_array(model.graph.initializer[0])
    obs = bundle.golden["obs"]
    assert bundle.golden["action"] == pytest.approx(np.tanh(obs @ weights), abs=1e-6)
    assert PolicySession(bundle).act_batch(obs) == pytest.approx(bundle.golden["action"], abs=1e-5)
    assert b"/home/somebody" not in (bundle.path / "policy.onnx").read_bytes()


def test_it_verifies_as_any_bundle_and_says_where_it_comes_from(tmp_path):
    brought_in(tmp_path, foreign(), description())
    bundle = load_bundle(tmp_path / "bundle", load_hand("leap"), period=0.05)
    assert bundle.manifest.training.licence == "Apache-2.0" and "SHA-256" in bundle.manifest.training.command
    assert not [term for term in bundle.manifest.observation if term.provenance == "privileged"]
    with pytest.raises(BundleError, match="control.period"):
        load_bundle(tmp_path / "bundle", load_hand("leap"), period=1 / 60)
    with pytest.raises(BundleError, match="hand.name"):
        load_bundle(tmp_path / "bundle", load_hand("shadow"))


def external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    tensor.ClearField("raw_data")


def stranger(model):
    model.graph.node[1].domain = "evil.ops"
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))


def second_input(model):
    model.graph.input.append(helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 4]))


def double(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external, "lies in ../../etc/passwd"),
        (stranger, "ONNX's own operators only, found .*evil.ops"),
        (second_input, "policies with a state are not run"),
        (double, "float32|valid ONNX"),
        (lambda m: m.graph.ClearField("output"), "name an output|valid ONNX"),
    ],
)
def test_a_file_that_cannot_be_trusted_or_run_is_refused(tmp_path, change, said):
    model = foreign()
    change(model)
    with pytest.raises(BundleError, match=said):
        brought_in(tmp_path, model, description())
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("data", [b"", b"MZ not a model", b"\x08\x06"])
def test_what_is_no_model_is_refused(tmp_path, data):
    path = tmp_path / "policy.onnx"
    path.write_bytes(data)
    with pytest.raises(BundleError, match="ONNX model"):
        import_policy(path, write(tmp_path, description()), tmp_path / "bundle")


def test_a_graph_for_one_observation_only_is_refused(tmp_path):
    model = foreign()
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 57], np.int64), "shape"))
    model.graph.node.insert(0, helper.make_node("Reshape", ["obs", "shape"], ["flat"]))
    model.graph.node[1].input[0] = "flat"
    with pytest.raises(BundleError, match="batch axis of any size"):
        brought_in(tmp_path, model, description())


def test_an_import_that_is_only_declared_does_no_harm(tmp_path):
    bundle = brought_in(tmp_path, foreign(domains=("ai.onnx.ml",)), description())
    assert "ai.onnx.ml" not in str(onnx.load(bundle.path / "policy.onnx").opset_import)


# --- The command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sleight(monkeypatch, capsys):
    # The entry point is that of an installation; the function is the one it names.
    bundle_cli = importlib.import_module("sleight_core.cli.bundle")
    monkeypatch.setattr(bundle_cli, "_importer", lambda: import_policy)
    main = importlib.import_module("sleight_core.cli.main").main

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["bundle", *map(str, arguments)])
        return caught.value.code, *capsys.readouterr()

    return run


def test_the_command_lists_what_is_missing_and_exits_2(tmp_path, sleight):
    model = save(tmp_path, foreign())
    code, out, err = sleight(
        "import", model, "--description", write(tmp_path, {"name": "x"}), "--out", tmp_path / "bundle"
    )
    assert code == 2 and not out
    lines = err.splitlines()
    assert lines[-1].startswith("sleight: the description is not complete: 20 fields")
    assert len(lines) == 21 and all(line.startswith("  ") for line in lines[:-1])


def test_the_command_imports_inspects_and_does_not_overwrite(tmp_path, sleight):
    arguments = (
        "import",
        save(tmp_path, foreign()),
        "--description",
        write(tmp_path, description()),
        "--out",
        tmp_path / "bundle",
    )
    code, out, _ = sleight(*arguments, "--json")
    assert code == 0 and json.loads(out)["id"].startswith("leap_reorient@")
    code, _, err = sleight(*arguments)
    assert code == 2 and "exists already" in err
    assert sleight(*arguments, "--force")[0] == 0
    code, out, _ = sleight("inspect", tmp_path / "bundle")
    assert code == 0 and "Apache-2.0" in out and "object_goal_turn" in out


# --- The public policy ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not PUBLIC.is_file(), reason="the public policy's file is not here")
def test_the_public_policy_comes_in_with_the_shipped_description(tmp_path):
    bundle = import_policy(PUBLIC, write(tmp_path, description()), tmp_path / "bundle")
    assert bundle.manifest.observation_size == 57 and bundle.manifest.action_size == 16
    assert bundle.manifest.policy.opset == 11
    spread = bundle.golden["action"].std(axis=0)
    assert (spread > 0.1).all(), "the answers depend on what it sees"
    assert yaml.safe_load(json.dumps(bundle.manifest.task.model_dump()))["success_angle"] == 0.1
