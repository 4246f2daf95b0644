"""Every refusal names the field, both values, and a remedy."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from sleight_core.bundle import load_bundle
from sleight_core.errors import BundleError
from sleight_core.hand import HandTable

from .builders import ACTION, HAND, OBS, PERIOD, edit, golden, linear_policy, make, replace_golden, replace_graph

Spoil = Callable[[Path], Any]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("bundles") / "toy")


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "toy"))


def refused(
    bundle: Path, field: str, *words: str, table: HandTable | None = HAND, period: float | None = PERIOD
) -> str:
    """Load and check that the refusal names the field and the words (both values and the remedy)."""
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle, table, period=period)
    error, text = caught.value, str(caught.value)
    assert error.field == field, text
    assert error.remedy and error.remedy in text
    assert "expected" in text and "found" in text
    for word in words:
        assert word in text, f"{word!r} not in {text!r}"
    assert "\n" not in text.strip()
    return text


def test_the_original_is_accepted(original: Path) -> None:
    assert len(load_bundle(original, HAND, period=PERIOD).checks) == 6


# ---------------------------------------------------------------- the folder and the manifest


def test_nothing_there(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "path", "a bundle folder", "nothing there")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "path", "a bundle folder", "a file")


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    refused(tmp_path, "manifest.json", "a file", "none in", "sleight export")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["plain JSON", "Expecting value"]),
        ("{", ["plain JSON"]),
        ("[]", ["a JSON object", "list"]),
        ('{"schema_version": NaN}', ["plain JSON", "NaN is no number"]),
        ('{"schema_version": 1e999}', ["plain JSON", "1e999 is too large"]),
        ('{"a": 1, "a": 2}', ["plain JSON", "occurs twice", "'a'"]),
        ("[" * 200_000, ["plain JSON"]),
    ],
)
def test_a_manifest_that_is_no_plain_json(bundle: Path, text: str, words: list[str]) -> None:
    (bundle / "manifest.json").write_text(text)
    refused(bundle, "manifest.json", *words)


def test_a_manifest_that_is_no_text(bundle: Path) -> None:
    (bundle / "manifest.json").write_bytes(b"\xff\xfe\x00")
    refused(bundle, "manifest.json", "UTF-8")


def test_a_truncated_manifest(bundle: Path) -> None:
    text = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(text[: len(text) // 2])
    refused(bundle, "manifest.json", "plain JSON")


@pytest.mark.parametrize(
    ("version", "remedy"), [(2, "update Sleight"), (0, "export"), ("1", "export"), (True, "export")]
)
def test_another_schema_version(bundle: Path, version: Any, remedy: str) -> None:
    edit(bundle, lambda m: m.update(schema_version=version))
    refused(bundle, "schema_version", "expected 1", f"found {version}", remedy)


def set_at(path: str, value: Any) -> Callable[[dict], None]:
    """Set a dotted path in a manifest; an Ellipsis as value deletes it."""

    def change(manifest: dict) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        place: Any = manifest
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "field", "words"),
    [
        ("extra", 1, "extra", ["nothing of this name", "1"]),
        ("hand.colour", "red", "hand.colour", ["nothing of this name", "red"]),
        ("observation.0.weight", 2, "observation.0.weight", ["nothing of this name", "2"]),
        ("control", ..., "control", ["required", "nothing"]),
        ("control.period", "fast", "control.period", ["number", '"fast"']),
        ("control.period", "0.0166", "control.period", ["number", '"0.0166"']),
        ("control.period", 0, "control.period", ["greater than 0", "found 0"]),
        ("control.tick_source", "sun", "control.tick_source", ["'timer'", '"sun"']),
        ("observation.1.provenance", "guess", "observation.1.provenance", ["'privileged'", '"guess"']),
        ("observation", [], "observation", ["at least 1", "[]"]),
        ("name", "../evil", "name", ["pattern", "../evil"]),
        ("composition", {"kind": "magic"}, "composition", ["mlp", "magic"]),
        (
            "composition",
            {"kind": "diffusion", "horizon": 2, "execute": 3},
            "composition.diffusion",
            ["above horizon 2"],
        ),
        ("graphs.0.role", "expert", "graphs", ["role 'policy'", "expert"]),
        ("graphs.0.sha256", "12", "graphs.0.sha256", ["pattern", '"12"']),
        ("graphs.0.inputs.0.dtype", "float64", "graphs.0.inputs.0.dtype", ["'float32'", '"float64"']),
        ("hand.lower.0", 9.0, "hand", ["lower is not below upper", "FFJ3"]),
        ("hand.joint_names.0", "FFJ2", "hand", ["a name twice", "FFJ2"]),
        ("results", [{}], "results.0.objects", ["required", "nothing"]),
    ],
)
def test_fields_that_do_not_fit_the_schema(bundle: Path, path: str, value: Any, field: str, words: list[str]) -> None:
    edit(bundle, set_at(path, value))
    refused(bundle, field, *words)


# ---------------------------------------------------------------- the robot


def other_hand(**changes: Any) -> HandTable:
    return HandTable.model_validate({**HAND.model_dump(), **changes})


def changed_joint(name: str, **changes: float) -> HandTable:
    bodies = [body.model_dump() for body in HAND.bodies]
    for body in bodies:
        if body["joint"] and body["joint"]["name"] == name:
            body["joint"].update(changes)
    return other_hand(bodies=bodies)


def test_the_wrong_hand(bundle: Path) -> None:
    refused(
        bundle,
        "hand.name",
        "expected leap",
        "found shadow",
        "run the bundle on hand 'shadow'",
        table=other_hand(name="leap"),
    )


def test_another_wrist(bundle: Path) -> None:
    table = HAND.model_copy(update={"wrist_mode": "arm"})
    refused(bundle, "hand.wrist_mode", "expected arm", "found floating", table=table)


def test_another_joint_order(bundle: Path) -> None:
    fingers = {name: HAND.fingers[name] for name in reversed(HAND.fingers)}
    refused(bundle, "hand.joint_names", "THJ4", "FFJ3", table=other_hand(fingers=fingers))


def test_a_robot_with_narrower_limits(bundle: Path) -> None:
    narrow = changed_joint("THJ3", upper=1.0)
    field = f"hand.upper.{HAND.joint_names.index('THJ3')}"
    refused(bundle, field, "THJ3", "[0, 1]", "[0, 1.222]", "train one for 'shadow'", table=narrow)


def test_a_bundle_with_wider_limits(bundle: Path) -> None:
    edit(bundle, set_at("hand.lower.0", -1.0))
    refused(bundle, "hand.lower.0", "FFJ3", "[-0.349, 0.349]", "[-1, 0.349]")


def test_another_geometry(bundle: Path) -> None:
    wider = changed_joint("FFJ3", lower=-0.4)
    refused(bundle, "hand.table_digest", HAND.digest(), wider.digest(), "train again or restore it", table=wider)


def test_an_action_range_beyond_the_hands(bundle: Path) -> None:
    edit(bundle, set_at("action.1.upper.0", 2.0))
    refused(bundle, "action", "FFJ3", "2.0", "0.349")


def test_a_joint_that_no_part_owns(bundle: Path) -> None:
    def drop(manifest: dict) -> None:
        for key in ("joint_names", "lower", "upper"):
            manifest["action"][1][key].pop()

    edit(bundle, drop)
    refused(bundle, "action", "THJ0")
    refused(bundle, "action", "THJ0", "exactly once", table=None)


def test_another_period(bundle: Path) -> None:
    refused(bundle, "control.period", "50 Hz", "60 Hz", "run the robot's control at 60 Hz", period=0.02)


def test_a_privileged_term(bundle: Path) -> None:
    edit(bundle, set_at("observation.2.provenance", "privileged"))
    refused(bundle, "observation.2.provenance", "'privileged'", "object_pos", "train a policy without", table=None)


def test_a_term_that_this_version_computes_otherwise(bundle: Path) -> None:
    edit(bundle, set_at("observation.0.unit", "degree"))
    refused(bundle, "observation", "joint_pos", "'degree'", "'1'", "export")


def test_an_unknown_term(bundle: Path) -> None:
    edit(bundle, set_at("observation.0.name", "smell"))
    refused(bundle, "observation", "unknown observation term", "export")


# ---------------------------------------------------------------- the files


FILES = [("policy.onnx", "graphs.0.file"), ("golden.npz", "golden.file"), ("manifest.json", "manifest.json")]


@pytest.mark.parametrize(("file", "field"), FILES[:2])
def test_altered_truncated_and_missing_files(bundle: Path, file: str, field: str) -> None:
    whole = (bundle / file).read_bytes()
    altered = bytearray(whole)
    altered[len(altered) // 2] ^= 1
    for data in (bytes(altered), whole[:100], b"", whole + b"\0"):
        (bundle / file).write_bytes(data)
        refused(bundle, f"{field}.sha256", f"{len(data)} bytes", "intact copy")
    (bundle / file).unlink()
    refused(bundle, field, file, "none of this name", "intact copy")
    (bundle / file).mkdir()
    refused(bundle, field, file, "none of this name")


@pytest.mark.parametrize(
    "name", ["../toy/policy.onnx", "/etc/passwd", "a/../../x.onnx", "C:\\x.onnx", "", "..", "x\0y"]
)
@pytest.mark.parametrize("section", ["graphs.0", "golden"])
def test_paths_that_leave_the_bundle(bundle: Path, section: str, name: str) -> None:
    edit(bundle, set_at(f"{section}.file", name))
    refused(bundle, f"{section}.file", "a file inside the bundle", name.split("\0")[0], "do not use this bundle")


@pytest.mark.parametrize(
    ("file", "field"),
    [("policy.onnx", "graphs.0.file"), ("golden.npz", "golden.file"), ("manifest.json", "manifest.json")],
)
def test_links_that_leave_the_bundle(bundle: Path, file: str, field: str) -> None:
    outside = bundle.parent / "outside"
    shutil.move(bundle / file, outside)
    os.symlink(outside, bundle / file)
    refused(bundle, field, "a file inside the bundle", "leads to a place outside")


def test_a_link_that_runs_in_a_circle(bundle: Path) -> None:
    (bundle / "policy.onnx").unlink()
    os.symlink("policy.onnx", bundle / "policy.onnx")
    with pytest.raises(BundleError):
        load_bundle(bundle)


# ---------------------------------------------------------------- the graph


@pytest.mark.parametrize("data", [b"", b"not onnx", b"\x08\x08", b"\x80" * 20, bytes(range(256))])
def test_files_that_are_no_onnx(bundle: Path, data: bytes) -> None:
    replace_graph(bundle, data)
    refused(bundle, "graphs.0.file", "an ONNX model", "export")


def test_an_opset_that_is_too_new(bundle: Path) -> None:
    replace_graph(bundle, linear_policy(opset=18), opset=18)
    refused(bundle, "graphs.0.opset", "at most 17", "found 18", "export")


def test_an_ir_version_that_is_too_new(bundle: Path) -> None:
    replace_graph(bundle, linear_policy(ir_version=11), ir_version=11)
    refused(bundle, "graphs.0.ir_version", "at most 10", "found 11", "export")


def test_an_opset_other_than_told(bundle: Path) -> None:
    edit(bundle, set_at("graphs.0.opset", 16))
    refused(bundle, "graphs.0.opset", "expected 17", "found 16", "export")


def test_operators_of_others(bundle: Path) -> None:
    model = onnx.load_from_string(linear_policy())
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    replace_graph(bundle, model.SerializeToString())
    refused(bundle, "graphs.0.opset", "standard ONNX operators", "com.evil", "export")


def test_weights_outside_of_the_file(bundle: Path) -> None:
    model = onnx.load_from_string(linear_policy())
    onnx.save_model(
        model,
        str(bundle / "policy.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
        convert_attribute=False,
    )
    replace_graph(bundle, (bundle / "policy.onnx").read_bytes())
    refused(bundle, "graphs.0.file", "all weights inside", "lies in weights.bin", "export")


def test_a_graph_that_onnxruntime_refuses(bundle: Path) -> None:
    model = onnx.load_from_string(linear_policy())
    model.graph.node[0].op_type = "NoSuchOperator"
    replace_graph(bundle, model.SerializeToString())
    refused(bundle, "graphs.0.file", "ONNX Runtime runs", "NoSuchOperator", "export")


def test_names_other_than_told(bundle: Path) -> None:
    model = onnx.load_from_string(linear_policy())
    renamed = onnx.compose.add_prefix(model, "other_")
    replace_graph(bundle, renamed.SerializeToString())
    refused(bundle, "graphs.0.inputs.0", "other_obs", "found obs", "export")


@pytest.mark.parametrize(
    ("path", "value", "field", "words"),
    [
        ("graphs.0.inputs.0.name", "state", "graphs.0.inputs", ["['obs']", "['state']"]),
        ("graphs.0.outputs.0.name", "actions", "graphs.0.outputs", ["['action']", "['actions']"]),
        ("graphs.0.inputs.0.shape", ["batch", 3], "graphs.0.inputs.0.shape", [str(OBS), "3", "observation terms"]),
        ("graphs.0.outputs.0.shape", ["batch", 3], "graphs.0.outputs.0.shape", [str(ACTION), "3", "action parts"]),
        ("graphs.0.inputs.0.shape", [1, OBS], "graphs.0.inputs.0.shape", ["batch", "[1,"]),
        ("graphs.0.inputs.0.shape", [], "graphs.0.inputs.0.shape", ["batch", "[]"]),
    ],
)
def test_an_interface_other_than_the_terms_and_parts(
    bundle: Path, path: str, value: Any, field: str, words: list[str]
) -> None:
    edit(bundle, set_at(path, value))
    refused(bundle, field, *words, "export")


def test_a_graph_of_another_size_than_told(bundle: Path) -> None:
    replace_graph(bundle, linear_policy(obs=OBS + 1))
    refused(bundle, "graphs.0.inputs.0", str(OBS), str(OBS + 1), "as in the file")


def test_an_observation_of_another_size_than_the_graph(bundle: Path) -> None:
    edit(bundle, lambda m: m["observation"].pop())
    refused(bundle, "graphs.0.inputs.0.shape", str(OBS), str(OBS - ACTION))


# ---------------------------------------------------------------- the golden vectors


def vectors() -> dict[str, np.ndarray]:
    return golden(linear_policy())


def test_golden_answers_that_do_not_come_out(bundle: Path) -> None:
    data = vectors()
    data["action"][3, 6] += 1e-3
    data["action"][5, 2] -= 0.5
    replace_golden(bundle, data)
    text = refused(bundle, "golden.action", "within 1e-05", "wrist_twist[2] by 0.5", "hand_joints.FFJ3 by 0.001")
    assert text.index("wrist_twist") < text.index("FFJ3")


@pytest.mark.parametrize("name", ["obs", "action"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_golden_vectors_with_nan(bundle: Path, name: str, value: float) -> None:
    data = vectors()
    data[name][2, 4] = value
    replace_golden(bundle, data)
    refused(bundle, f"golden.{name}", "finite numbers", f"{value} in vector 2, element 4", "export")


def test_missing_golden_arrays(bundle: Path) -> None:
    data = vectors()
    del data["action"]
    replace_golden(bundle, data)
    refused(bundle, "golden.action", f"8 vectors of {ACTION}", "none, only ['obs']", "export")


def test_golden_vectors_of_the_wrong_number_or_size(bundle: Path) -> None:
    data = vectors()
    replace_golden(bundle, {name: array[:5] for name, array in data.items()})
    refused(bundle, "golden.obs", "8 vectors", "(5, ", "export")
    replace_golden(bundle, data | {"obs": data["obs"][:, 1:]})
    refused(bundle, "golden.obs", f"8 vectors of {OBS}", f"(8, {OBS - 1})")
    replace_golden(bundle, data | {"obs": data["obs"].astype(np.float64)})
    refused(bundle, "golden.obs", "float32", "float64")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"nonsense", {"obs": np.array([{"a": 1}], dtype=object)}])
def test_golden_files_that_are_no_plain_arrays(bundle: Path, content: Any) -> None:
    replace_golden(bundle, content)
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle, HAND)
    assert caught.value.field in ("golden.file", "golden.obs") and "export" in str(caught.value)


def test_a_bare_array_instead_of_an_archive(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((8, OBS), np.float32))
    replace_golden(bundle, (tmp_path / "x.npy").read_bytes())
    refused(bundle, "golden.file", "plain arrays", "export")


def test_damaged_files_never_give_a_traceback(bundle: Path) -> None:
    """Any single damaged byte, with its hash repaired, is loaded or refused; nothing else."""
    rng = np.random.default_rng(3)
    onnx_bytes, npz_bytes = (bundle / "policy.onnx").read_bytes(), (bundle / "golden.npz").read_bytes()
    manifest = (bundle / "manifest.json").read_text()
    for round_ in range(80):
        (bundle / "manifest.json").write_text(manifest)
        source, replace = ((onnx_bytes, replace_graph), (npz_bytes, replace_golden))[round_ % 2]
        data = bytearray(source)
        limit = len(data) if round_ % 4 < 2 else min(len(data), 300)
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(limit))] = int(rng.integers(256))
        if rng.random() < 0.2:
            del data[int(rng.integers(len(data))) :]
        replace(bundle, bytes(data))
        try:
            load_bundle(bundle)
        except BundleError as error:
            assert error.remedy and error.field


def test_external_data_is_found_wherever_it_hides() -> None:
    """In initialisers, attributes, subgraphs, sparse tensors and functions."""
    from sleight_core.bundle.onnx_check import summarise

    def external(name: str) -> onnx.TensorProto:
        tensor = numpy_helper.from_array(np.zeros(3, np.float32), name)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "../../etc/passwd"
        return tensor

    def attribute(tensor: onnx.TensorProto) -> onnx.NodeProto:
        return helper.make_node("Constant", [], ["c"], value=tensor)

    inner = helper.make_graph([attribute(external("inner"))], "inner", [], [])
    sparse = helper.make_sparse_tensor(external("values"), numpy_helper.from_array(np.arange(3), "indices"), [9])
    places: dict[str, Callable[[onnx.ModelProto], Any]] = {
        "top": lambda m: m.graph.initializer.append(external("top")),
        "attribute": lambda m: m.graph.node.append(attribute(external("attribute"))),
        "inner": lambda m: m.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner)),
        "values": lambda m: m.graph.sparse_initializer.append(sparse),
        "function": lambda m: m.functions.append(
            helper.make_function("d", "f", [], ["c"], [attribute(external("function"))], [helper.make_opsetid("", 17)])
        ),
    }
    assert summarise(linear_policy()).external == ()
    for name, put in places.items():
        model = onnx.load_from_string(linear_policy())
        put(model)
        summary = summarise(model.SerializeToString())
        assert summary.external == (name,), name
        assert summary.external_locations == ("../../etc/passwd",)
