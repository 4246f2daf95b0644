"""What is known of jobs, on disk: a file each, replaced atomically, and a lock on the folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from sleight_core.errors import SleightError

from sleight_training.reproduce.job import Job, JobGraph

Status = Literal["done", "running", "failed", "interrupted", "changed", "unavailable", "not run"]


class JobRecord(BaseModel):
    """What became of a job.

    Attributes:
        job: Its name.
        digest: Of its settings when it was run.
        status: "running" in the file of a job that was killed.
        commands_done: Commands that are done, from the first.
        attempts: How often it was started.
        started, finished: Unix time, s.
        seconds: Time spent on it, over all attempts.
        exit_status: Of the last command.
        message: Why it failed.
    """

    model_config = ConfigDict(extra="forbid")

    job: str
    digest: str
    status: Literal["done", "running", "failed", "interrupted"]
    commands_done: int = 0
    attempts: int = 0
    started: float = 0.0
    finished: float = 0.0
    seconds: float = 0.0
    exit_status: int | None = None
    message: str = ""


class JobStore:
    """The results folder as far as jobs are concerned.

    Args:
        out: The folder; made when first written to.
    """

    def __init__(self, out: Path) -> None:
        self.out = out

    def record(self, name: str) -> JobRecord | None:
        """Return what is known of a job; None if nothing is, or its file is damaged: it is then done anew."""
        try:
            return JobRecord.model_validate_json(self._file(name).read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError):
            return None

    def write(self, record: JobRecord) -> None:
        """Keep what is known of a job."""
        write_text(self._file(record.job), record.model_dump_json(indent=1) + "\n")

    def log(self, name: str) -> Path:
        """Return the file of a job's log."""
        return self.out / "logs" / f"{name}.log"

    def status(self, graph: JobGraph, name: str) -> Status:
        """Return where a job stands; one whose outputs are gone has not run."""
        record = self.record(name)
        if record is None:
            return "not run"
        if record.digest != graph.digest(name):
            return "changed"
        if record.status == "done" and not all((self.out / path).exists() for path in graph.jobs[name].outputs):
            return "not run"
        return record.status

    def clear(self, job: Job) -> None:
        """Remove a job's outputs and what is known of it."""
        self._file(job.name).unlink(missing_ok=True)
        for path in job.outputs:
            target = self.out / path
            if target.is_symlink() or target.is_file():
                target.unlink()
            elif target.is_dir():
                shutil.rmtree(target)

    @contextlib.contextmanager
    def lock(self, wait: float = 30.0) -> Iterator[int]:
        """Hold the folder; yields the lock's file, which a job's process inherits: it holds the folder as well.

        Args:
            wait: How long to wait for what a killed run has left behind (s).

        Raises:
            SleightError: Another run holds the folder.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.out / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            end = time.monotonic() + wait
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        remedy = "wait for the other 'sleight reproduce', or choose another --out"
                        raise SleightError(
                            "another run is at work in this folder", value=self.out, remedy=remedy
                        ) from None
                    time.sleep(0.2)
            yield handle
        finally:
            os.close(handle)

    def _file(self, name: str) -> Path:
        return self.out / "jobs" / f"{name}.json"


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as part:
        try:
            part.write(text)
            part.flush()
            os.fsync(part.fileno())
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise
    os.chmod(part.name, 0o644)
    os.replace(part.name, path)
