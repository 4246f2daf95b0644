"""The page on bridges names every adapter, source, dialect, key and profile."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from sleight_ros.bridges.bridge import ADAPTERS
from sleight_ros.bridges.states import SOURCES
from sleight_ros.profiles import profile_names
from sleight_ros.simulation.dialects.driver import DIALECTS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "bridges.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*ADAPTERS, *SOURCES, *DIALECTS, *profile_names()])
def test_everything_that_a_profile_can_name_is_documented(name):
    assert f"`{name}`" in PAGE or name == "robot_template"


@pytest.mark.parametrize("model", [section for section, _ in ADAPTERS.values()] + list(SOURCES.values()))
def test_every_key_is_documented(model):
    missing = [key for key in model.model_fields if f"`{key}`" not in PAGE]
    assert not missing
