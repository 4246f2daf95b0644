"""Appendix B: finished policies on scanned objects, and the LEAP Hand on an arm, as jobs and tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the sim extra is not installed")

import trimesh
from sleight_core.errors import SleightError
from sleight_training.cli.reproduce import app
from sleight_training.reproduce.resdex.appendix import GIVE_MESHES, leap_table, scanned_table
from sleight_training.reproduce.resdex.collect import Results
from sleight_training.reproduce.resdex.jobs import jobs_of_hand, reproduction, resdex_graph, result_file
from sleight_training.reproduce.resdex.scans import find_scans
from typer.testing import CliRunner


def words(graph, job: str) -> str:
    return " ".join(graph.jobs[job].commands[0].args)


def box(file: Path, size: float = 0.05) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    trimesh.creation.box(extents=[size] * 3).export(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "scanned"
    for name in ("010_can/textured.obj", "010_can/collision.obj", "025_mug/poisson/nontextured.stl"):
        box(root / name)
    box(root / "025_mug/google_16k/nontextured.stl")
    box(root / "loose.stl")
    return root


def write(out: Path, policy: str, column: str, **data) -> None:
    path = out / result_file(policy, column)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def rates(ever: float, held: float, episodes: int) -> dict:
    return {"ever_success": ever, "held_success": held, "episodes": episodes}


def test_finished_policies_are_judged_on_scanned_objects(folder: Path, tmp_path: Path) -> None:
    preset = reproduction("cpu")
    plain, graph = resdex_graph(preset), resdex_graph(preset, scans=find_scans(folder, 0.01))
    more = set(graph.jobs) - set(plain.jobs)
    assert {"scanned_hyper_k1_s0_stage2", "scanned_hyper_k4_s2_stage2", "scanned_student_k4_s1"} <= more
    assert len(more) == 9 and all(graph.digest(name) == plain.digest(name) for name in plain.jobs)
    line = words(graph, "scanned_student_k4_s1")
    assert f"--objects scans:{folder} --mesh-scale 0.01 --episodes 150" in line and "--perception modelled" in line
    assert "--perception exact" in words(graph, "scanned_hyper_k4_s0_stage2")
    box(folder / "loose.stl", 0.06)
    other = resdex_graph(preset, scans=find_scans(folder, 0.01))
    assert other.digest("scanned_student_k4_s1") != graph.digest("scanned_student_k4_s1"), "the files have changed"


def test_the_table_of_scanned_objects(folder: Path, tmp_path: Path) -> None:
    preset = reproduction("smoke")
    text = scanned_table(preset, Results(tmp_path, []), None).markdown()
    assert f"paper 65.55; {GIVE_MESHES}" in text and "010_can" not in text
    per_object = {"010_can": rates(1.0, 0.5, 10), "025_mug": rates(0.5, 0.5, 10)}
    write(tmp_path, "student_k2_s0", "scanned", **rates(0.75, 0.5, 20), per_object=per_object)
    table = scanned_table(preset, Results(tmp_path, ["student_k2_s0"]), find_scans(folder))
    text = table.markdown()
    assert "paper 65.55; ours 75.0 (53.1 to 88.8), held 50.0" in text
    assert "| 010_can | not run | not run | ours 100.0 (72.2 to 100.0), held 50.0" in text
    assert "Left out" in table.note and "loose" in table.note and [label for label, _ in table.rows][1:] == [
        "010_can", "025_mug"
    ]  # fmt: skip


def test_the_jobs_of_the_leap_hand() -> None:
    full, cpu = resdex_graph(reproduction("full")), resdex_graph(reproduction("cpu"))
    assert "--hand leap_ur5e --arm-action joints --proposals none" in words(full, "leap_base_k4_1")
    assert "--proposals {out}/proposals/leap_train" in words(full, "leap_proposals_base_k4_1")
    assert "--start {out}/runs/leap_base_k4_0" in words(cpu, "leap_base_k4_3")
    assert "leap_proposals_base_k4_0" not in cpu.jobs, "there base policies follow no proposals"
    plain, follows = words(cpu, "leap_hyper_k4_s0_stage1"), words(cpu, "leap_proposals_hyper_k4_s0_stage1")
    assert "--experts {out}/runs/leap_base_k4_3" in plain and "--proposals none" in plain
    assert "--experts {out}/runs/leap_base_k4_3" in follows and "--proposals {out}/proposals/leap_train" in follows
    assert "--hand leap" in words(cpu, "proposals_leap_train")
    assert "--teacher {out}/runs/leap_proposals_hyper_k4_s0_stage2" in words(cpu, "leap_proposals_student_k4_s0")
    for command in cpu.jobs["eval_leap_hyper_k4_s0_stage2"].commands:
        assert "--proposals" not in command.args, "the distance D is measured with the Shadow Hand's"
    assert reproduction("cpu", (2,)).leap_k == 2


def test_the_jobs_of_one_hand() -> None:
    preset = reproduction("smoke")
    graph = resdex_graph(preset)
    leap, shadow = jobs_of_hand(preset, graph, "leap_ur5e"), jobs_of_hand(preset, graph, "shadow")
    assert len(leap) == 13 and all("leap_" in name for name in leap) and not set(leap) & set(shadow)
    assert set(graph.order) - {*leap, *shadow} == {"codes"} and "codes" in graph.select(leap)
    assert jobs_of_hand(preset, graph, "leap_ur5e", ["eval_*"]) == [name for name in leap if name.startswith("eval_")]
    with pytest.raises(SleightError, match=r"no jobs for this hand: allegro .*leap_ur5e"):
        jobs_of_hand(preset, graph, "allegro")
    with pytest.raises(SleightError, match="no such job of the hand 'leap_ur5e': ppo_"):
        jobs_of_hand(preset, graph, "leap_ur5e", ["ppo_*"])


def test_the_table_of_the_leap_hand(tmp_path: Path) -> None:
    preset = reproduction("smoke")
    write(tmp_path, "leap_hyper_k1_s0_stage2", "train", **rates(0.6, 0.4, 10), arm_touched=3)
    table = leap_table(preset, Results(tmp_path, ["leap_hyper_k1_s0_stage2"]))
    assert table is not None
    text = table.markdown()
    assert "| ResDex, as printed | paper 60.71 |" in text and "| vision student, no proposals | not run |" in text
    assert "held 40.0 (16.8 to 68.7), n 10, the arm touched in 3" in text


def test_options_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for options, said in (
        (("--meshes", str(tmp_path)), "no folder of scanned objects"),
        (("--hand", "allegro"), "no jobs for this hand"),
    ):
        found = CliRunner().invoke(app, ["resdex", "--preset", "smoke", "--out", str(tmp_path / "none"), *options])
        assert isinstance(found.exception, SleightError) and said in str(found.exception)
        assert not (tmp_path / "none").exists()
