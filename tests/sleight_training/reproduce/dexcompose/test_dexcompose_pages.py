"""The pages of DexCompose: published figures beside ours, what has not run is told, and what is damaged is left out."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the sim extra is not installed")

from sleight_core.statistics import wilson_interval
from sleight_training.compose.residual.methods import METHODS, Method
from sleight_training.compose.residual.outcomes import Outcome
from sleight_training.reproduce.dexcompose.collect import Results
from sleight_training.reproduce.dexcompose.content import dexcompose_content
from sleight_training.reproduce.dexcompose.jobs import (
    HEURISTIC,
    dexcompose_graph,
    evaluation_file,
    evaluation_job,
    mask_file,
)
from sleight_training.reproduce.dexcompose.preset import reproduction
from sleight_training.reproduce.dexcompose.published import PAIRS
from sleight_training.reproduce.dexcompose.tables import paper_tables
from sleight_training.reproduce.page import write_pages
from sleight_training.reproduce.store import JobRecord, JobStore

BALL_DOOR, BALL_BUTTON = ("GraspBall", "OpenDoor"), ("GraspBall", "PushButton")


def row(method: str, success: int, retained: int, done: int, episodes: int = 256) -> dict:
    """What `sleight compose eval` writes of a method."""
    title = METHODS[Method.OURS if method == HEURISTIC else Method(method)].title
    failures = {mode.value: 0 for mode in Outcome if mode != Outcome.SUCCESS}
    failures[Outcome.DROPPED_IN_TRANSITION.value] = episodes - success
    return {
        "first": "GraspBall", "second": "OpenDoor", "method": title, "note": "", "preserved_fingers": ["rf", "lf"],
        "episodes": episodes, "success": success / episodes, "ci95": list(wilson_interval(success, episodes)),
        "retained": retained / episodes, "done": done / episodes, "preservation_first": 1.0,
        "preservation_second": None, "failures": failures, "seed_mean": success / episodes, "seed_std": 0.05,
        "per_seed": {"1000": success / episodes - 0.05, "1001": success / episodes + 0.05},
    }  # fmt: skip


def judge(out: Path, pair, *rows: tuple) -> None:
    path = out / evaluation_file(pair, rows[0][0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row(*figures) for figures in rows]))


def measure(out: Path, task: str, successes: int, episodes: int = 100) -> None:
    folder = out / "skills" / task
    folder.mkdir(parents=True)
    rows = [{"steps": steps, "episodes": episodes, "successes": successes - steps} for steps in (1, 2)]
    (folder / "results.json").write_text(json.dumps({"task": task, "steps": 1, "rows": rows}))


def test_before_anything_has_run_the_paper_stands_alone(tmp_path: Path) -> None:
    tables = {table.name: table for table in paper_tables(reproduction("full"), Results(tmp_path, []))}
    assert list(tables)[:5] == ["Table 1", "Table 2", "Table 3", "Table 4", "Figure 3"]
    text = tables["Table 1"].markdown()
    assert (
        "| GraspBall + OpenDoor | paper 0.0; not run | paper 38.9; not run | paper 66.3; not run | paper 52.2 |" in text
    )
    assert "paper 82.7 ± 8.3; not run |" in text and "13 seeds" in text and "paper 77.4 ± 2.6; not run |" in text
    assert "paper 72.1; not run | paper 82.7; not run | not run" in tables["Table 3"].markdown()
    assert "| OpenMicrowave | paper 89.9; not run |" in tables["Table 4"].markdown()
    assert "| No Task-A residual | not run | not run | not run |" in tables["Figure 3"].markdown()
    assert not any(table.complete for table in tables.values())


def test_shares_over_pairs(tmp_path: Path) -> None:
    judge(tmp_path, BALL_DOOR, ("ours", 128, 192, 200))
    judge(tmp_path, BALL_BUTTON, ("ours", 256, 256, 256))
    measure(tmp_path, "OpenDoor", 81)
    measure(tmp_path, "PushButton", 101)
    skills = ["eval_skill_OpenDoor", "eval_skill_PushButton"]
    results = Results(tmp_path, [*skills, *(evaluation_job(pair, "ours") for pair in PAIRS)])
    share = results.composite(PAIRS, Method.OURS)
    assert share is not None and share.rate == pytest.approx(0.75) and share.episodes == 512
    assert share.ci == pytest.approx(wilson_interval(384, 512)) and (share.found, share.wanted) == (2, 16)
    assert "2 of 16 pairs" in share.text() and "over seeds" not in share.text()
    one = results.composite([BALL_DOOR], Method.OURS)
    assert one is not None and one.text().startswith("ours 50.0 (43.9 to 56.1, ± 5.0 over seeds), n 256")
    first, second = results.kept_first(PAIRS, Method.OURS), results.kept_second(PAIRS, Method.OURS)
    assert first is not None and first.value == pytest.approx(448 / 512)
    assert second is not None and second.value == pytest.approx((456 / 512) / 0.9) and second.alone == 0.9
    drops = results.failures(PAIRS, Method.OURS, Outcome.DROPPED_IN_TRANSITION.value)
    assert drops is not None and drops.rate == pytest.approx(0.25)
    assert results.composite(PAIRS, Method.NO_MASK) is None and results.kept_second(PAIRS, Method.NO_MASK) is None


def test_a_skill_that_never_succeeds_alone_has_no_ratio(tmp_path: Path) -> None:
    judge(tmp_path, BALL_DOOR, ("ours", 0, 100, 0))
    measure(tmp_path, "OpenDoor", 1)
    results = Results(tmp_path, ["eval_skill_OpenDoor", evaluation_job(BALL_DOOR, "ours")])
    assert results.kept_second([BALL_DOOR], Method.OURS) is None
    assert results.kept_first([BALL_DOOR], Method.OURS) is not None


@pytest.mark.parametrize("text", ["{", "[]", "[{}]", "null", '[{"method": "DexCompose", "episodes": 0}]'])
def test_damaged_results_count_as_not_run(tmp_path: Path, text: str) -> None:
    judge(tmp_path, BALL_DOOR, ("ours", 1, 2, 3))
    (tmp_path / evaluation_file(BALL_DOOR, "ours")).write_text(text)
    assert Results(tmp_path, [evaluation_job(BALL_DOOR, "ours")]).pair(BALL_DOOR, "ours") is None


def test_the_pages_of_a_half_finished_run(tmp_path: Path) -> None:
    preset = reproduction("cpu")
    graph, store = dexcompose_graph(preset), JobStore(tmp_path)

    def done(*names: str) -> None:
        for name in names:
            store.write(JobRecord(job=name, digest=graph.digest(name), status="done"))
            for path in graph.jobs[name].outputs:
                if not (tmp_path / path).exists():
                    (tmp_path / path).mkdir(parents=True)

    judge(tmp_path, BALL_DOOR, *((method, 64 + i, 100, 90) for i, method in enumerate(("ours-zs", "frozen"))))
    judge(tmp_path, BALL_DOOR, ("ours", 192, 256, 200))
    judge(tmp_path, BALL_DOOR, (HEURISTIC, 32, 256, 200))
    judge(tmp_path, BALL_BUTTON, ("ours", 256, 256, 256))
    measure(tmp_path, "OpenDoor", 91)
    choice = {
        "preserved": ["rf", "lf", "th"], "rollouts": 64, "retention": 1.0, "retention_ci95": [0.94, 1.0],
        "clean_release": 0.5, "clean_release_ci95": [0.4, 0.6],
    }  # fmt: skip
    (tmp_path / "masks").mkdir()
    (tmp_path / mask_file(BALL_DOOR)).write_text(json.dumps(choice))
    done("eval_GraspBall_OpenDoor", "eval_GraspBall_OpenDoor_ours", "eval_GraspBall_OpenDoor_heuristic")
    done("eval_skill_OpenDoor", "mask_GraspBall_OpenDoor")
    store.write(JobRecord(job="eval_GraspBall_PushButton_ours", digest="of other settings", status="done"))
    store.write(JobRecord(job="hold_PickCan", digest=graph.digest("hold_PickCan"), status="failed", message="<no>"))

    index = write_pages(partial(dexcompose_content, preset, tmp_path), graph, store).read_text()
    assert "ours 75.0 (69.4 to 79.9, ± 5.0 over seeds), n 256" in index and "82.7 ± 8.3" in index
    assert "not run" in index and "&lt;no&gt;" in index and index.count("<img") == 3
    assert not re.search(r'(src|href)="(https?:)?//', index), "the page needs no network"
    assert "GraspBall+OpenDoor, PourMug+TurnOnSwitch, PickCan+OpenMicrowave, PickStick+PushButton only" in index
    data = json.loads((tmp_path / "results.json").read_text())
    assert data["paper"] == "DexCompose" and data["preset"]["name"] == "cpu"
    table = data["tables"]["Table 1"]["rows"]
    assert table["GraspBall + OpenDoor"]["DexCompose"]["ours"]["rate"] == pytest.approx(0.75)
    assert table["GraspBall + PushButton"]["DexCompose"]["ours"] == "not run", "judged under other settings"
    assert table["GraspBall + OpenDoor"]["Decomposed"]["ours"] == "not run", "its row is not in the file"
    assert table["Mean of all 16"]["DexCompose"]["ours"] == "not run"
    same = table["Mean of those run"]["DexCompose"]
    assert same["paper"]["value"] == pytest.approx(82.69) and same["ours"]["rate"] == pytest.approx(0.75)
    selectors = data["tables"]["Table 3"]["rows"]["GraspBall + OpenDoor"]
    assert selectors["heuristic (Eq. 17)"]["ours"]["rate"] == pytest.approx(0.125)
    assert selectors["task-aware (ours)"]["ours"]["rate"] == pytest.approx(0.75)
    assert data["tables"]["Table 4"]["rows"]["OpenDoor"]["success"]["ours"]["rate"] == pytest.approx(0.9)
    assert data["tables"]["Table 4"]["rows"]["OpenDoor"]["5 steps"]["ours"] == "not run"
    kept = data["tables"]["Figure 3"]["rows"]["Ours-ZS"]["second skill preserved"]["ours"]
    assert kept["value"] == pytest.approx((90 / 256) / 0.9)
    assert data["tables"]["Masks"]["rows"]["GraspBall + OpenDoor"]["task-aware"]["ours"]["rollouts"] == 64
    assert set(data["pairs"]["GraspBall_OpenDoor"]) == {"ours", "ours-zs", "frozen", HEURISTIC}
    text = (tmp_path / "tables.md").read_text()
    assert "### Failure modes" in text and "rf lf th: retained 100.0 (94.0 to 100.0)" in text
