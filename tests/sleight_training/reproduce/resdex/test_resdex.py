"""The paper's experiments as jobs, and the pages: published figures beside ours, and what has not run is told."""

from __future__ import annotations

import json
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the sim extra is not installed")

from sleight_core.errors import SleightError
from sleight_training.cli.reproduce import app, numbers
from sleight_training.reproduce.page import write_pages
from sleight_training.reproduce.resdex.collect import Results
from sleight_training.reproduce.resdex.content import resdex_content
from sleight_training.reproduce.resdex.jobs import PRESETS, SETS, policies, reproduction, resdex_graph, result_file
from sleight_training.reproduce.resdex.tables import paper_tables
from sleight_training.reproduce.runner import PROGRAM
from sleight_training.reproduce.store import JobRecord, JobStore
from typer.testing import CliRunner

PAPER_TABLES = [f"Table {i}" for i in range(1, 7)]


def words(graph, job: str, command: int = 0) -> str:
    return " ".join(graph.jobs[job].commands[command].args)


def judge(out: Path, policy: str, column: str, ever: int, episodes: int, **more) -> None:
    """Write what an evaluation writes."""
    path = out / result_file(policy, column)
    path.parent.mkdir(parents=True, exist_ok=True)
    rates = {"ever_success": ever / episodes, "held_success": (ever - 1) / episodes, "episodes": episodes}
    path.write_text(json.dumps({**rates, **more}))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_graph_of_sleight_commands(name: str) -> None:
    preset = reproduction(name)
    graph = resdex_graph(preset)
    first = {job.commands[0].args[0] for job in graph.jobs.values()}
    assert first <= {"train", "export", "eval", "objects"}
    for policy in policies(preset):
        assert {policy.name, f"export_{policy.name}", f"eval_{policy.name}"} <= set(graph.jobs)
    for job in graph.jobs.values():
        made = {path for need in job.needs for path in graph.jobs[need].outputs}
        assert set(job.inputs) <= made, f"{job.name} reads what it does not wait for"


def test_the_commands_of_the_paper() -> None:
    graph = resdex_graph(reproduction("full"))
    base = words(graph, "base_k4_2")
    assert "train base --k 4 --index 2 --choice {out}/runs/codes/chosen.json" in base and "--preset full" in base
    assert "--proposals {out}/proposals/train" in base, "r_pose points at the proposals' joints (A.2)"
    stage_1, stage_2 = words(graph, "hyper_k4_s1_stage1"), words(graph, "hyper_k4_s1_stage2")
    assert stage_1.count("--experts") == 4 and "softmax" in stage_1 and "--proposals {out}/proposals/train" in stage_1
    assert "--stage 2 --start {out}/runs/hyper_k4_s1_stage1 --proposals none" in stage_2
    assert "--moe-only" in words(graph, "moe_k3_s0") and "--normalisation l2" in words(graph, "norm_l2_k6_s0")
    assert words(graph, "full_pose_0").startswith("train base --k 6 --index 0") and "moe_k1_s0" not in graph.jobs
    last = words(graph, "eval_hyper_k4_s1_stage2", 2)
    assert "household:unseen_category" in last and "--proposals {out}/proposals/unseen_category" in last
    assert graph.jobs["student_k6_s0"].requires == ("train", "student")
    assert "--teacher {out}/runs/hyper_k6_s0_stage2" in words(graph, "student_k6_s0")
    assert sum(len(graph.jobs[f"eval_hyper_k{k}_s0_stage1"].commands) for k in range(1, 7)) == 18


def test_on_two_cores_base_policies_go_on_from_the_first() -> None:
    graph = resdex_graph(reproduction("cpu"))
    first, second = words(graph, "base_k4_0"), words(graph, "base_k4_1")
    assert "--iterations 560" in first and "--start" not in first
    assert "--iterations 400 --start {out}/runs/base_k4_0" in second and "base_k4_0" in graph.jobs["base_k4_1"].needs
    assert "--start" not in words(graph, "base_k6_1") and "--start" not in words(
        resdex_graph(reproduction("full")), "base_k4_1"
    )


def test_other_numbers_and_seeds() -> None:
    preset = reproduction("cpu", (2,), (5, 7))
    assert (preset.ks, preset.seeds) == ((2,), (5, 7))
    graph = resdex_graph(preset)
    assert "hyper_k2_s7_stage2" in graph.jobs and "hyper_k4_s0_stage1" not in graph.jobs
    for wrong, said in (((9,), "k is one of"), ((1, 1), "named once")):
        with pytest.raises(SleightError, match=said):
            reproduction("cpu", wrong)
    with pytest.raises(SleightError, match="unknown preset: huge"):
        reproduction("huge")
    assert numbers(" 1, 4", "--k") == (1, 4) and numbers("", "--k") == ()
    with pytest.raises(SleightError, match="--k takes whole numbers: 1,x"):
        numbers("1,x", "--k")


def test_rates_over_seeds(tmp_path: Path) -> None:
    judge(tmp_path, "a", "train", 90, 100)
    judge(tmp_path, "b", "train", 80, 100, grasp_distance={"D": 100.0, "episodes": 7})
    results = Results(tmp_path, ["a", "b", "c", "torn"])
    cell = results.cell(["a", "b", "c"], "train")
    assert cell is not None and cell.ever == pytest.approx(0.85) and cell.ever_range == (0.8, 0.9)
    assert (cell.episodes, cell.found, cell.wanted) == (200, 2, 3)
    assert cell.ever_ci == pytest.approx((0.794, 0.893), abs=1e-3), "Wilson over 170 of 200"
    far = results.distance(["a", "b"], "train")
    assert far is not None and (far.mean, far.episodes, far.found) == (100.0, 7, 1)
    assert results.cell(["c"], "train") is None
    for text in ("{", "[]", '{"held_success": 2, "ever_success": 0, "episodes": 5}', '{"episodes": 3}'):
        judge(tmp_path, "torn", "train", 1, 2)
        (tmp_path / result_file("torn", "train")).write_text(text)
        assert Results(tmp_path, ["torn"]).cell(["torn"], "train") is None
    assert Results(tmp_path, []).cell(["a"], "train") is None, "a policy whose settings changed does not count"


def test_before_anything_has_run_the_paper_stands_alone(tmp_path: Path) -> None:
    tables = {table.name: table for table in paper_tables(reproduction("full"), Results(tmp_path, []))}
    assert list(tables)[:6] == PAPER_TABLES
    text = tables["Table 1"].markdown()
    assert "| ResDex (stage 2) | paper 94.6 ± 1.6; not run | paper 94.4 ± 1.7; not run |" in text
    assert "| UniDexGrasp++ | paper 87.9 | paper 84.3 | paper 83.1 |" in text
    assert "paper 176.3; not run" in tables["Table 4"].markdown()
    assert [re.findall(r"paper ([\d.]+)", row)[0] for row in tables["Table 6"].markdown().split("\n")[4:10]] == [
        "94.3", "94.5", "94.1", "94.6", "94.2", "93.9"
    ]  # fmt: skip
    assert not any(table.complete for table in tables.values())


def test_the_pages_of_a_half_finished_run(tmp_path: Path) -> None:
    preset = reproduction("smoke", (1, 2), (0, 1))
    graph, store = resdex_graph(preset), JobStore(tmp_path)
    weights = {"mean": [0.25, 0.75], "traces": {"household:mug:0": [[0.2, 0.8], [0.4, 0.6]]}}
    done = {"hyper_k2_s0_stage2": 9, "hyper_k2_s1_stage2": 7, "base_k6_0": 4}
    for name, ever in done.items():
        for path in graph.jobs[f"eval_{name}"].outputs:
            judge(tmp_path, name, Path(path).stem, ever, 10, expert_weights=weights, seed=0)
        store.write(JobRecord(job=f"eval_{name}", digest=graph.digest(f"eval_{name}"), status="done"))
    judge(tmp_path, "hyper_k2_s0_stage2", "shown", 1, 2, expert_weights=weights)
    judge(tmp_path, "hyper_k1_s0_stage2", "train", 10, 10)
    store.write(JobRecord(job="eval_hyper_k1_s0_stage2", digest="of other settings", status="done"))
    store.write(JobRecord(job="codes", digest=graph.digest("codes"), status="failed", message="no <disk>"))

    index = write_pages(partial(resdex_content, preset, tmp_path), graph, store).read_text()
    assert "ours 80.0 (58.4 to 91.9, seeds 70.0 to 90.0), held 70.0" in index
    assert "not run" in index and "94.6 ± 1.6" in index and "no &lt;disk&gt;" in index
    assert not re.search(r'(src|href)="(https?:)?//', index), "the page needs no network"
    assert index.count("<img") == 3, "figures 2, 5 and 6"
    data = json.loads((tmp_path / "results.json").read_text())
    assert set(PAPER_TABLES) <= set(data["tables"])
    row = data["tables"]["Table 6"]["rows"]
    assert row["ResDex (k = 2)"]["train"]["ours"]["ever"] == pytest.approx(0.8)
    assert row["ResDex (k = 1)"]["train"]["ours"] == "not run", "it was judged under other settings"
    assert data["jobs"]["eval_hyper_k1_s0_stage2"]["status"] == "changed"
    assert data["jobs"]["codes"]["message"] == "no <disk>"
    assert "### Table 6" in (tmp_path / "tables.md").read_text()
    assert sorted(SETS) == sorted(Path(path).stem for path in graph.jobs["eval_hyper_k2_s0_stage1"].outputs)


def test_the_real_commands_run_and_are_not_run_again(tmp_path: Path) -> None:
    arguments = ("resdex", "--preset", "smoke", "--out", str(tmp_path), "--only", "codes")
    first = subprocess.run([*PROGRAM, "reproduce", *arguments], capture_output=True, text=True, timeout=240)
    assert first.returncode == 0, first.stderr
    chosen = json.loads((tmp_path / "runs" / "codes" / "chosen.json").read_text())
    assert set(chosen["k"]) == {str(k) for k in range(1, 7)}
    assert "codes: done" in first.stderr and (tmp_path / "index.html").exists()
    made = JobStore(tmp_path).record("codes")
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0 and "codes: done" not in again.stderr and JobStore(tmp_path).record("codes") == made
    listed = CliRunner().invoke(app, [*arguments, "--list"])
    assert listed.exit_code == 0 and "codes" in listed.stdout and "done" in listed.stdout


@pytest.mark.parametrize(("iteration", "commands"), [(4, 1), (2, 2)])
def test_kept_weights_take_the_place_of_a_training(tmp_path: Path, iteration: int, commands: int) -> None:
    np = pytest.importorskip("numpy")
    save_file = pytest.importorskip("safetensors.numpy").save_file
    about = {"run": json.dumps({"kind": "base", "ppo": {"iterations": 4}})}
    about["progress"] = json.dumps({"iteration": iteration})
    save_file({"actor.x": np.zeros(1, np.float32)}, tmp_path / "base_k1_0.safetensors", metadata=about)
    preset = reproduction("smoke")
    trained, kept = resdex_graph(preset), resdex_graph(preset, tmp_path)
    job = kept.jobs["base_k1_0"]
    assert len(job.commands) == commands and not job.needs and job.outputs == trained.jobs["base_k1_0"].outputs
    assert words(kept, "base_k1_0").startswith(f"train restore {tmp_path}/base_k1_0.safetensors --sha256 ")
    if commands == 2:
        assert words(kept, "base_k1_0", 1) == "train base --out {out}/runs/base_k1_0 --resume"
    assert kept.digest("hyper_k1_s0_stage1") != trained.digest("hyper_k1_s0_stage1")
    assert kept.digest("base_k2_0") == trained.digest("base_k2_0")
    (tmp_path / "base_k1_0.safetensors").write_bytes(b"no weights")
    with pytest.raises(SleightError, match="kept weights cannot be read"):
        resdex_graph(preset, tmp_path)


def test_wrong_use_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for arguments, said in (
        (("--only", "nothing"), "no such job: nothing"),
        (("--preset", "huge"), "unknown preset: huge"),
        (("--k", "7"), "k is one of"),
    ):
        found = CliRunner().invoke(app, ["resdex", "--out", str(tmp_path / "none"), *arguments])
        assert isinstance(found.exception, SleightError) and said in str(found.exception)
        assert not (tmp_path / "none").exists()
