"""A run trained in the Isaac Gym engine (on its contract double) is a run like any other: resumed, and exported."""

import importlib.util
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("onnx")

from sleight_core.bundle import load_bundle  # noqa: E402
from sleight_export.run import export_run  # noqa: E402
from sleight_training.base import prepare_run, train_base  # noqa: E402

SESSION = Path(__file__).parents[1] / "sleight_sim" / "engines" / "isaacgym" / "double_session.py"


def double_session():
    spec = importlib.util.spec_from_file_location("double_session", SESSION)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["double_session"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_run_of_the_engine_is_trained_resumed_and_exported(tmp_path, monkeypatch):
    double_session().use_double(monkeypatch, tmp_path / "record.json")
    run = prepare_run(
        tmp_path / "run",
        objects="household:sphere:0",
        preset_name="smoke",
        seed=0,
        iterations=1,
        num_envs=4,
        resume=False,
        engine="isaacgym",
    )
    assert run.engine == "isaacgym"
    assert train_base(tmp_path / "run", run).iteration == 1
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["progress"]["iteration"] == 1
    export_run(tmp_path / "run", tmp_path / "bundle")
    assert load_bundle(tmp_path / "bundle").manifest.hand.name == "shadow"
