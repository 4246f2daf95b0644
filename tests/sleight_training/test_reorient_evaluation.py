"""`sleight eval` of a bundle for cube reorientation."""

import importlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from sleight_core.errors import SleightError
from sleight_core.statistics import mean_interval
from sleight_export.third_party.importer import import_policy
from sleight_training.evaluation.reorient import evaluate_reorient

SHIPPED = Path(__file__).parents[2] / "export/sleight_export/third_party/leap_reorient.yaml"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A still policy for short episodes."""
    folder = tmp_path_factory.mktemp("still")
    content = yaml.safe_load(SHIPPED.read_text())
    content["task"]["episode_time"] = 0.5
    (folder / "policy.yaml").write_text(yaml.safe_dump(content))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["obs", "w"], ["continuous_actions"])],
        "g",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, 57])],
        [helper.make_tensor_value_info("continuous_actions", TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(np.zeros((57, 16), np.float32), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "p.onnx")
    return import_policy(folder / "p.onnx", folder / "policy.yaml", folder / "bundle").path


def test_the_result_has_what_every_evaluation_has_and_rotations(bundle, tmp_path, capsys):
    app = importlib.import_module("sleight_training.cli.evaluate").app
    typer = pytest.importorskip("typer")
    out = tmp_path / "result.json"
    arguments = ["--bundle", str(bundle), "--episodes", "3", "--seed", "5", "--perception", "exact", "--json", str(out)]
    typer.main.get_command(app).main(args=arguments, standalone_mode=False)
    result = json.loads(out.read_text())
    assert result["episodes"] == 3 and result["seed"] == 5 and len(result["bundle_sha256"]) == 64
    assert {"held_success", "ever_success", "ci95", "per_object", "command"} <= set(result)
    rotations = result["rotations"]
    assert len(rotations["each"]) == 3 and rotations["time"] == 0.5 and rotations["threshold"] == 0.1
    assert rotations["ci95"][0] <= rotations["mean"] <= rotations["ci95"][1]
    assert "consecutive rotations" in capsys.readouterr().out


def test_options_that_mean_nothing_here_are_refused(bundle):
    app = importlib.import_module("sleight_training.cli.evaluate").app
    typer = pytest.importorskip("typer")
    with pytest.raises(SleightError, match="one task"):
        arguments = ["--bundle", str(bundle), "--objects", "household:box"]
        typer.main.get_command(app).main(args=arguments, standalone_mode=False)
    with pytest.raises(SleightError, match="unknown perception"):
        evaluate_reorient(bundle, 1, perception="perfect")
    with pytest.raises(SleightError, match="at least 1"):
        evaluate_reorient(bundle, 0)


def test_a_bundle_for_another_task_is_refused():
    shadow = Path(__file__).parents[2] / "policies" / "shadow_base"
    with pytest.raises(SleightError, match="cube_reorient"):
        evaluate_reorient(shadow, 1)


def test_the_interval_of_a_mean():
    low, high = mean_interval([0, 1, 2, 3, 1, 0, 2, 4])
    assert 0.5 < low < 1.625 < high < 2.8
    assert mean_interval([2.0]) == (-np.inf, np.inf)
