"""Runs jobs one after the other, each command a process of its own with a log; a stopped run goes on where it was."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from sleight_core.errors import SleightError

from sleight_training.reproduce.job import OUT, Command, Job, JobGraph
from sleight_training.reproduce.store import JobRecord, JobStore

#: How a command is called: this interpreter, so that the same packages are used; -P: none of the working folder.
PROGRAM = (sys.executable, "-P", "-m", "sleight_core.cli")
#: How long a command may take to stop when it is asked to (s).
GRACE = 30.0
_PR_SET_PDEATHSIG = 1

Event = Literal["begin", "done", "kept", "failed", "blocked", "unavailable"]
#: Called with a job's name, what happened to it, and a word on it.
Report = Callable[[str, Event, str], None]


class GraphRunner:
    """Runs the jobs of a graph.

    Args:
        graph: The jobs.
        store: Their results folder.
        available: Whether a command of `sleight` exists.
        program: What comes before a command's arguments.
    """

    def __init__(
        self,
        graph: JobGraph,
        store: JobStore,
        *,
        available: Callable[[Sequence[str]], bool] = lambda words: True,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.graph, self.store = graph, store
        self.available = available
        self.program = tuple(program)

    def run(self, only: Sequence[str] = (), report: Report | None = None) -> bool:
        """Run what is not done yet; a job that fails stops only those that need it.

        Args:
            only: Patterns of job names; what these need is run as well.
            report: Told of every job.

        Returns:
            Whether no job failed.

        Raises:
            SleightError: A pattern names no job, or another run is at work in the folder.
            KeyboardInterrupt: It was stopped (also by SIGTERM); the job's process has ended before.
        """
        tell = report or (lambda name, event, text: None)
        names = self.graph.select(only)
        well = True
        with self.store.lock() as lock, _terminable():
            ended: dict[str, Event] = {}
            for name in names:
                job = self.graph.jobs[name]
                event, text = self._one(job, ended, lock, tell)
                ended[name] = event
                well &= event != "failed"
                tell(name, event, text)
        return well

    def _one(self, job: Job, ended: dict[str, Event], lock: int, tell: Report) -> tuple[Event, str]:
        if self.store.status(self.graph, job.name) == "done":
            return "kept", ""
        if waits := [need for need in job.needs if ended.get(need) not in ("done", "kept")]:
            return "blocked", f"needs {waits[0]}"
        if job.requires and not self.available(job.requires):
            return "unavailable", f"needs the command 'sleight {' '.join(job.requires)}'"
        if lacking := [path for path in job.inputs if not (self.store.out / path).exists()]:
            return "failed", f"its input is missing: {lacking[0]}"
        tell(job.name, "begin", job.about)
        record = self._begin(job)
        begin = time.monotonic()
        before = record.seconds
        try:
            self._commands(job, record, lock)
        except KeyboardInterrupt:
            record.status = "interrupted"
            raise
        finally:
            record.seconds = before + time.monotonic() - begin
            record.finished = time.time()
            self.store.write(record)
        return ("done", "") if record.status == "done" else ("failed", record.message)

    def _begin(self, job: Job) -> JobRecord:
        """Take up a job that was stopped or failed, or start one that is new or has changed."""
        digest = self.graph.digest(job.name)
        record = self.store.record(job.name)
        if record is None or record.digest != digest or record.status == "done":
            self.store.clear(job)
            record = JobRecord(job=job.name, digest=digest, status="running", started=time.time())
        record.status, record.message, record.exit_status = "running", "", None
        record.attempts += 1
        self.store.write(record)
        return record

    def _commands(self, job: Job, record: JobRecord, lock: int) -> None:
        log = self.store.log(job.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            for k, command in enumerate(job.commands):
                if k < record.commands_done:
                    continue
                record.exit_status = self._call(command, out, lock)
                if record.exit_status not in command.accepts:
                    record.status = "failed"
                    record.message = last_line(log) or f"exit status {record.exit_status}"
                    return
                record.commands_done = k + 1
                self.store.write(record)
        if lacking := [path for path in job.outputs if not (self.store.out / path).exists()]:
            record.status, record.message = "failed", f"it has not made {lacking[0]}"
            record.commands_done = 0
            return
        record.status = "done"

    def _call(self, command: Command, log: BinaryIO, lock: int) -> int:
        words = [*self.program, *(word.replace(OUT, str(self.store.out)) for word in command.args)]
        if command.resume_from and _whole(self.store.out / command.resume_from):
            words.append("--resume")
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        log.write(f"--- {stamp}  {shlex.join(words[len(self.program) :])}\n".encode())
        log.flush()
        # A session of its own: Ctrl-C reaches only us, and we see to it that the command can end in order.
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "120"},
            start_new_session=True,
            pass_fds=(lock,),
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            return process.wait()
        except BaseException:
            _stop(process)
            raise


def last_line(log: Path) -> str:
    """Return the last line of a log that says something: an error is told on the last one."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    told = [line.strip() for line in lines if line.strip() and not line.startswith("---")]
    return told[-1][:300] if told else ""


def _whole(path: Path) -> bool:
    """Whether a run can be resumed from its configuration; one that was torn while it was written is started anew."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        path.unlink(missing_ok=True)
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end as Ctrl-C does, and insist if it does not."""
    for number, wait in ((signal.SIGINT, GRACE), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait)
            return


def _die_with_parent() -> None:
    # Runs in the child between fork and exec. If we are killed outright, the command must not go on unseen.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM stop a run in order, and Ctrl-C too where a shell's background job inherits that it is ignored."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def command_exists(words: Sequence[str]) -> bool:
    """Whether `sleight WORDS...` is a command.

    Args:
        words: A command and one under it, such as ("train", "student").
    """
    import typer
    from sleight_core.cli.main import commands

    point = commands().get(words[0])
    if point is None:
        return False
    try:
        group = typer.main.get_command(point.load())
    except (ImportError, AttributeError, SleightError):
        return False
    return len(words) == 1 or words[1] in getattr(group, "commands", {})
