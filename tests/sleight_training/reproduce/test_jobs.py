"""The job graph: order, digests, what is done again and what is kept, and runs that are stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from sleight_core.errors import SleightError
from sleight_training.reproduce.job import Command, Job, JobGraph
from sleight_training.reproduce.runner import GraphRunner, command_exists, last_line
from sleight_training.reproduce.store import JobStore, write_text

HERE = Path(__file__).parent
PROGRAM = (sys.executable, str(HERE / "fake.py"))
STEPS = 8


def writes(name: str, *needs: str, text: str = "x", **more) -> Job:
    command = Command(args=("write", f"{{out}}/{name}.txt", text))
    return Job(name=name, commands=(command,), needs=needs, outputs=(f"{name}.txt",), **more)


def run(out: Path, *jobs: Job, only=(), available=lambda words: True):
    """Run jobs and return what was told of them, with the graph's verdict."""
    told: dict[str, str] = {}
    runner = GraphRunner(JobGraph(jobs), JobStore(out), available=available, program=PROGRAM)
    well = runner.run(only, lambda name, event, text: told.__setitem__(name, event))
    return told, well


def test_a_graph_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(SleightError, match="same name: a"):
        JobGraph([writes("a"), writes("a")])
    with pytest.raises(SleightError, match="not there: a: b"):
        JobGraph([writes("a", "b")])
    with pytest.raises(SleightError, match="need each other"):
        JobGraph([writes("a", "b"), writes("b", "a")])
    with pytest.raises(SleightError, match="same output"):
        JobGraph([writes("a"), Job(name="b", commands=(Command(args=("x",)),), outputs=("a.txt",))])
    for path in ("../a", "/etc/passwd", "a/../../b", ""):
        with pytest.raises(ValidationError, match="not inside the results folder"):
            Job(name="a", commands=(Command(args=("x",)),), outputs=(path,))


def test_the_order_and_the_choice_of_jobs() -> None:
    graph = JobGraph([writes("c", "a", "b"), writes("a"), writes("b", "a"), writes("d")])
    assert graph.order == ["a", "b", "c", "d"]
    assert graph.select(["b"]) == ["a", "b"] and graph.select(["[bd]"]) == ["a", "b", "d"]
    with pytest.raises(SleightError, match="no such job: nothing"):
        graph.select(["nothing"])


def test_a_digest_tells_settings_and_all_that_they_build_on() -> None:
    one = JobGraph([writes("a"), writes("b", "a"), writes("c")])
    same = JobGraph([writes("a", about="other words"), writes("b", "a"), writes("c")])
    other = JobGraph([writes("a", text="y"), writes("b", "a"), writes("c")])
    assert [one.digest(n) == same.digest(n) for n in "abc"] == [True, True, True]
    assert [one.digest(n) == other.digest(n) for n in "abc"] == [False, False, True]


def test_what_is_done_is_kept_and_what_changed_is_done_again(tmp_path: Path) -> None:
    assert run(tmp_path, writes("a"), writes("b", "a")) == ({"a": "done", "b": "done"}, True)
    made = (tmp_path / "a.txt").stat().st_mtime_ns
    assert run(tmp_path, writes("a"), writes("b", "a"))[0] == {"a": "kept", "b": "kept"}
    told, _ = run(tmp_path, writes("a"), writes("b", "a", text="z"))
    assert told == {"a": "kept", "b": "done"} and (tmp_path / "b.txt").read_text() == "z"
    assert (tmp_path / "a.txt").stat().st_mtime_ns == made
    (tmp_path / "a.txt").unlink()
    assert run(tmp_path, writes("a"), writes("b", "a", text="z"))[0] == {"a": "done", "b": "kept"}
    (tmp_path / "jobs" / "a.json").write_text("{torn")
    assert run(tmp_path, writes("a"), writes("b", "a", text="z"))[0] == {"a": "done", "b": "kept"}


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    bad = Job(name="bad", commands=(Command(args=("fail", "2")),))
    lax = Job(name="lax", commands=(Command(args=("fail", "1"), accepts=(0, 1)),))
    idle = Job(name="idle", commands=(Command(args=("idle",)),), outputs=("never.txt",))
    jobs = bad, writes("after", "bad"), writes("free"), lax, idle
    told, well = run(tmp_path, *jobs)
    assert not well
    assert told == {"bad": "failed", "after": "blocked", "free": "done", "lax": "done", "idle": "failed"}
    store, graph = JobStore(tmp_path), JobGraph(jobs)
    record = store.record("bad")
    assert record is not None and record.message == "sleight: the object is torn: mug (mend it)"
    assert record.exit_status == 2 and "fail 2" in store.log("bad").read_text()
    assert store.status(graph, "bad") == "failed" and store.status(graph, "after") == "not run"
    run(tmp_path, *jobs)
    again = store.record("bad")
    assert again is not None and again.attempts == 2, "a failure is tried again"


def test_a_job_whose_command_does_not_exist_waits_for_it(tmp_path: Path) -> None:
    jobs = writes("a", requires=("train", "student")), writes("b", "a")
    told, well = run(tmp_path, *jobs, available=lambda words: False)
    assert well and told == {"a": "unavailable", "b": "blocked"}
    assert run(tmp_path, *jobs)[0] == {"a": "done", "b": "done"}


def test_which_commands_exist() -> None:
    assert command_exists(("train", "base")) and command_exists(("eval",))
    assert not command_exists(("train", "nothing")) and not command_exists(("nothing",))


def test_two_runs_do_not_meet_in_one_folder(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    with (
        store.lock(),
        pytest.raises(SleightError, match="another run is at work"),
        JobStore(tmp_path).lock(wait=0.0),
    ):
        pass
    with store.lock(wait=0.0):
        pass


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "a.json"
    write_text(file, "one")
    write_text(file, "two")
    assert file.read_text() == "two" and list(file.parent.iterdir()) == [file]
    assert last_line(tmp_path / "absent.log") == ""


def start(out: Path, wait: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, str(HERE / "driver.py"), str(out), wait])
    end = time.monotonic() + 60
    while len(steps(out)) < 2:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    return process


def steps(out: Path) -> list[str]:
    file = out / "runs" / "slow" / "steps.txt"
    return file.read_text().splitlines() if file.exists() else []


def finish(out: Path) -> int:
    return subprocess.run([sys.executable, str(HERE / "driver.py"), str(out), "0.2"], timeout=120).returncode


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    # The pace is a setting as well; it is the same in both runs, or the job would rightly be done anew.
    process = start(tmp_path, "0.2")
    process.kill()
    process.wait()
    first = JobStore(tmp_path).record("first")
    assert finish(tmp_path) == 0
    taken = steps(tmp_path)
    assert [int(line.split()[0]) for line in taken] == list(range(STEPS)), "no step twice, none left out"
    assert taken[0].endswith("first") and taken[-1].endswith("resumed")
    assert (tmp_path / "last.txt").exists() and JobStore(tmp_path).record("first") == first
    record = JobStore(tmp_path).record("slow")
    assert record is not None and (record.status, record.attempts) == ("done", 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, "0.2")
    os.kill(process.pid, number)
    assert process.wait(60) == 130
    record = JobStore(tmp_path).record("slow")
    assert record is not None and record.status == "interrupted" and record.seconds > 0
    before = len(steps(tmp_path))
    time.sleep(0.5)
    assert len(steps(tmp_path)) == before, "its process has ended"
    if number == signal.SIGINT:
        assert finish(tmp_path) == 0 and len(steps(tmp_path)) == STEPS


def test_a_torn_configuration_starts_the_run_anew(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "slow"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"count"')
    command = Command(args=("steps", "{out}/runs/slow", "2", "0"), resume_from="runs/slow/config.json")
    told, _ = run(tmp_path, Job(name="slow", commands=(command,), outputs=("runs/slow",)))
    assert told == {"slow": "done"} and all(line.endswith("first") for line in steps(tmp_path))
