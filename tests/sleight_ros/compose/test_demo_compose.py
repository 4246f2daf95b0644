"""The composition demo from its command line to its figures, with skills that grasp nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sleight_core.bundle import load_bundle
from sleight_core.compose.policy import owned_names
from sleight_core.errors import SleightError
from sleight_ros.demo.compose import ComposedEpisode, ComposeSettings, figures, resolve

from ...sleight_core.compose.builders import (
    BALL,
    BUTTON,
    GRASP,
    HAND,
    PUSH,
    REST,
    composition,
    make,
    sampler,
    seeing,
    skill,
)

#: Over the ball's place, and over the button's.
OVER_BALL, OVER_BUTTON = REST.copy(), REST.copy()
OVER_BALL[:3], OVER_BUTTON[:3] = [0.0, 0.32, 0.8], [0.0, 0.2, 0.9]


def toys(folder: Path) -> Path:
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    return make(
        folder,
        composition(skills=skills),
        simulation=True,
        skill_GraspBall=sampler(32, OVER_BALL),
        skill_PushButton=sampler(33, OVER_BUTTON),
    )


def settings(tmp_path, **changes):
    data = {"bundle": tmp_path / "toys", "first": "GraspBall", "second": "PushButton", "episodes": 1, "seed": 0}
    return ComposeSettings(**{**data, "out": tmp_path / "out", **changes})


def test_figures_have_their_interval(tmp_path):
    toys(tmp_path / "toys")
    bundle = load_bundle(tmp_path / "toys", HAND, simulation=True)
    episodes = [ComposedEpisode("SUCCEEDED", "kept", True, 0.1, 20, 0), ComposedEpisode("OBJECT_LOST", "fell")]
    found = figures(settings(tmp_path), bundle, episodes)
    assert found["composite_success"] == 0.5 and found["kept"] == 1 and found["chunks"] == 20
    assert found["ci95"][0] < 0.5 < found["ci95"][1]
    json.dumps(found)


def test_what_the_bundle_does_not_compose_is_refused_before_anything_starts(tmp_path):
    toys(tmp_path / "toys")
    assert resolve(settings(tmp_path)).manifest.name == "toys"
    with pytest.raises(SleightError, match="has no skill 'OpenDoor'"):
        resolve(settings(tmp_path, second="OpenDoor"))
    with pytest.raises(SleightError, match="path"):
        resolve(settings(tmp_path, bundle=tmp_path / "nowhere"))


@pytest.mark.slow
@pytest.mark.serial
def test_a_vision_version_runs_on_clouds_of_the_scene(tmp_path):
    pytest.importorskip("open3d")
    skills = (seeing("GraspBall", GRASP, BALL, place=(0.0, 0.22, 0.0)), seeing("PushButton", PUSH, BUTTON))
    graphs: dict[str, Any] = {"skill_GraspBall": sampler(32, OVER_BALL), "skill_PushButton": sampler(33, OVER_BUTTON)}
    make(tmp_path / "toys", composition(skills=skills), **graphs)
    command = [sys.executable, "-m", "sleight_core.cli", "demo", "compose", "--episodes", "1", "--headless"]
    command += ["--bundle", str(tmp_path / "toys"), "--out", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["skills_see"] == "clouds of the scene"
    episode = found["per_episode"][0]
    # Skills that grasp nothing, but act: so clouds came, and estimates were made of them.
    assert episode["outcome"] == "TIMED_OUT" and episode["stages"] == ["first"]


@pytest.mark.slow
@pytest.mark.serial
def test_the_graph_runs_and_its_skills_change_hands(tmp_path):
    toys(tmp_path / "toys")
    command = [sys.executable, "-m", "sleight_core.cli", "demo", "compose", "--episodes", "1", "--headless"]
    command += ["--bundle", str(tmp_path / "toys"), "--out", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    episode = found["per_episode"][0]
    assert not episode["success"] and episode["outcome"] == "TIMED_OUT"
    assert episode["stages"] == ["first"]
    assert set(episode["owners"]) <= set(owned_names(HAND))
    assert "came from the simulator" in " ".join(result.stderr.split())  # a terminal wraps lines
