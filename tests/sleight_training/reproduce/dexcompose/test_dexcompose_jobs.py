"""DexCompose's experiments as jobs: each reads only what it waits for, and its commands are those of the method."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the sim extra is not installed")

from sleight_core.errors import SleightError
from sleight_training.cli.reproduce import app
from sleight_training.compose.residual.methods import METHODS, Method
from sleight_training.reproduce.dexcompose.jobs import HEURISTIC, PLAIN, STUDIED, dexcompose_graph
from sleight_training.reproduce.dexcompose.preset import FEW, PRESETS, reproduction
from sleight_training.reproduce.dexcompose.published import (
    ABLATIONS,
    HANDFUL,
    MAIN,
    MEANS,
    PAIRS,
    SELECTORS,
    STANDALONE,
    composite,
    mean_of,
)
from sleight_training.reproduce.runner import command_exists
from typer.testing import CliRunner

FIRSTS = ("GraspBall", "PourMug", "PickCan", "PickStick")
SECONDS = ("OpenDoor", "PushButton", "OpenMicrowave", "TurnOnSwitch")


def words(graph, job: str) -> str:
    (command,) = graph.jobs[job].commands
    return " ".join(command.args)


@pytest.mark.parametrize("states", ["learned", "scripted"])
@pytest.mark.parametrize("name", PRESETS)
def test_every_job_reads_what_those_before_it_made(name: str, states: str) -> None:
    graph = dexcompose_graph(reproduction(name, states=states))
    called = {command.args[:2] for job in graph.jobs.values() for command in job.commands}
    assert all(command_exists(words) for words in called), called
    for job in graph.jobs.values():
        made = {path for need in job.needs for path in graph.jobs[need].outputs}
        assert set(job.inputs) <= made, f"{job.name} reads what it does not wait for"
        text = " ".join(word for command in job.commands for word in command.args)
        read = {path for path in made if f"{{out}}/{path}" in text}
        assert read == set(job.inputs), f"{job.name}: its command and its inputs differ"
        assert all(f"{{out}}/{path}".rsplit("/", 1)[0] in text for path in job.outputs)


def test_the_paper_has_sixteen_pairs_and_their_means() -> None:
    assert tuple(product(FIRSTS, SECONDS)) == PAIRS and set(STANDALONE) == {*FIRSTS, *SECONDS}
    assert set(SELECTORS) <= set(PAIRS) and {task for pair in FEW for task in pair} == set(STANDALONE)
    for method in dict.fromkeys((*MAIN, *ABLATIONS)):
        found = mean_of(list(PAIRS), method)
        assert found is not None and found.value == pytest.approx(MEANS[method].value, abs=0.006), method
    best = composite(("PourMug", "OpenMicrowave"), Method.OURS)
    assert best is not None and (best.value, best.spread) == (62.74, 8.21)
    assert composite(PAIRS[0], Method.MASK_ONLY) is None and composite(("GraspCube", "OpenDrawer"), HANDFUL) is None


def test_the_methods_are_those_of_the_harness() -> None:
    assert {*PLAIN, *STUDIED, Method.OURS} == set(METHODS)
    assert all(METHODS[method].second == "none" for method in PLAIN)
    assert all(METHODS[method].second != "none" for method in STUDIED)


def test_the_commands_of_a_pair() -> None:
    graph = dexcompose_graph(reproduction("full"))
    mask = "--mask {out}/masks/PickCan_OpenMicrowave.json"
    ours = words(graph, "pair_PickCan_OpenMicrowave_ours")
    assert ours.startswith("compose residual second PickCan OpenMicrowave --method ours") and mask in ours
    assert "--stabiliser {out}/runs/hold_PickCan" in ours and "--skill {out}/skills/OpenMicrowave" in ours
    assert "--held {out}/held/PickCan.npz" in ours and "--preset full" in ours
    assert "--stabiliser" not in words(graph, "pair_PickCan_OpenMicrowave_no_stabiliser")
    for method in ("residual_learning", "no_allocation"):
        assert "--mask" not in words(graph, f"pair_PickCan_OpenMicrowave_{method}"), "its mask is fixed by the task"
    heuristic = words(graph, "pair_PickCan_OpenMicrowave_heuristic")
    assert "--method ours" in heuristic and "masks/PickCan_OpenMicrowave_heuristic.json" in heuristic
    hold = words(graph, "hold_PickCan")
    assert [f"--mask {{out}}/masks/PickCan_{second}.json" in hold for second in SECONDS] == [True] * 4
    assert "--mask {out}/masks/PickCan_OpenMicrowave_heuristic.json" in hold and "--mask ff,mf,rf" in hold
    judged = words(graph, "eval_PickCan_OpenMicrowave")
    assert [f"--method {method.value}" in judged for method in PLAIN] == [True] * len(PLAIN)
    assert "--seeds 8 --rollouts 32" in judged and "--residual" not in judged
    assert "--residual {out}/runs/pair_PickCan_OpenMicrowave_no_mask" in words(
        graph, "eval_PickCan_OpenMicrowave_no_mask"
    )
    bundle = words(graph, "eval_PickCan_OpenMicrowave_ours")
    assert "--bundle {out}/bundles/PickCan_OpenMicrowave" in bundle and "--skill" not in bundle
    assert "--selector heuristic" in words(graph, "mask_PickCan_OpenMicrowave_heuristic")
    assert words(graph, "export").count("--pair") == 16 and words(graph, "export").count("--skill") == 8
    assert "--stabiliser {out}/runs/hold_GraspBall" in words(graph, "export_GraspBall_OpenDoor")
    assert "--device cuda" in words(graph, "skill_OpenDoor") and "--sample-steps 20" in words(
        graph, "eval_skill_OpenDoor"
    )


def test_on_two_cores_only_some_pairs_have_every_method() -> None:
    graph = dexcompose_graph(reproduction("cpu"))
    trained = [name for name in graph.jobs if name.startswith("pair_")]
    assert len(trained) == 16 + len(FEW) * len(STUDIED) + len(SELECTORS) == 40
    assert "eval_PourMug_OpenDoor_ours" in graph.jobs and "pair_PourMug_OpenDoor_no_mask" not in graph.jobs


def test_states_come_from_the_scripts_when_that_is_asked() -> None:
    learned, scripted = (dexcompose_graph(reproduction("cpu", states=who)) for who in ("learned", "scripted"))
    assert "--skill {out}/skills/PickStick" in words(learned, "held_PickStick")
    assert learned.jobs["held_PickStick"].needs == ("eval_skill_PickStick",)
    assert "--skill scripted" in words(scripted, "held_PickStick") and not scripted.jobs["held_PickStick"].needs
    assert "--skill scripted" in words(scripted, "use_OpenDoor")
    assert "--skill {out}/skills/OpenDoor" in words(scripted, "pair_PickStick_OpenDoor_ours"), "it acts as it learnt"
    changed = {name for name in learned.jobs if learned.digest(name) != scripted.digest(name)}
    assert "skill_OpenDoor" not in changed and {"held_PourMug", "hold_PourMug", "export"} <= changed


def test_fewer_pairs() -> None:
    preset = reproduction("cpu", ["GraspBall+OpenDoor", "GraspBall + PushButton"])
    assert (preset.firsts, preset.seconds) == (("GraspBall",), ("OpenDoor", "PushButton"))
    assert preset.studied == preset.selectors == (("GraspBall", "OpenDoor"),)
    graph = dexcompose_graph(preset)
    assert "skill_PourMug" not in graph.jobs and f"eval_GraspBall_OpenDoor_{HEURISTIC}" in graph.jobs
    for pairs, said in (
        (["GraspBall"], "no pair of the paper"),
        (["OpenDoor+GraspBall"], "no pair of the paper"),
        (["GraspBall+OpenDoor"] * 2, "named twice"),
    ):
        with pytest.raises(SleightError, match=said):
            reproduction("cpu", pairs)
    with pytest.raises(SleightError, match="--states"):
        reproduction("cpu", states="guessed")
    with pytest.raises(SleightError, match="unknown preset: huge"):
        reproduction("huge")


def test_a_kept_policy_takes_the_place_of_a_training(tmp_path: Path) -> None:
    file = tmp_path / "hold_GraspBall.safetensors"
    file.write_bytes(b"weights")
    (tmp_path / "eval_GraspBall_PushButton.safetensors").write_bytes(b"no training")
    preset = reproduction("smoke")
    trained, kept = dexcompose_graph(preset), dexcompose_graph(preset, tmp_path)
    job = kept.jobs["hold_GraspBall"]
    assert words(kept, "hold_GraspBall").startswith(f"compose restore {file} --sha256 ")
    assert not job.needs and not job.inputs and job.outputs == trained.jobs["hold_GraspBall"].outputs
    after = "pair_GraspBall_PushButton_ours"
    assert kept.digest(after) != trained.digest(after) and kept.digest("use_PushButton") == trained.digest(
        "use_PushButton"
    )
    assert kept.jobs["eval_GraspBall_PushButton"] == trained.jobs["eval_GraspBall_PushButton"]


def test_the_command_lists_and_refuses(tmp_path: Path) -> None:
    out = tmp_path / "none"
    listed = CliRunner().invoke(app, ["dexcompose", "--out", str(out), "--list", "--only", "hold_PickCan"])
    assert listed.exit_code == 0, listed.output
    assert "hold_PickCan" in listed.stdout and "not run" in listed.stdout and "skill_OpenDoor" in listed.stdout
    assert "hold_GraspBall" not in listed.stdout
    for arguments, said in (
        (("--only", "nothing"), "no such job: nothing"),
        (("--preset", "huge"), "unknown preset: huge"),
        (("--pair", "GraspBall+OpenDrawer"), "no pair of the paper"),
        (("--kept", str(tmp_path / "absent")), "no such folder"),
    ):
        found = CliRunner().invoke(app, ["dexcompose", "--out", str(out), *arguments])
        assert isinstance(found.exception, SleightError) and said in str(found.exception)
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_method_runs_and_is_not_run_again(tmp_path: Path) -> None:
    """All jobs of the smoke preset as real commands: small, but the same code."""
    arguments = ("dexcompose", "--preset", "smoke", "--out", str(tmp_path))
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    data = json.loads((tmp_path / "results.json").read_text())
    assert {job["status"] for job in data["jobs"].values()} == {"done"}
    rows = data["pairs"]["GraspBall_PushButton"]
    assert set(rows) == {*(method.value for method in METHODS), HEURISTIC}
    assert all(row["episodes"] == 2 for row in rows.values())
    assert (tmp_path / "bundles" / "GraspBall_PushButton" / "manifest.json").exists()
    times = {name: job["seconds"] for name, job in data["jobs"].items()}
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    after = json.loads((tmp_path / "results.json").read_text())["jobs"]
    assert {name: job["seconds"] for name, job in after.items()} == times
