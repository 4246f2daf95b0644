"""Jobs and the graph of them: what is run, what it needs, and a digest of all that decides its result."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sleight_core.errors import SleightError

#: Stands for the results folder in arguments, so that moving the folder changes no digest.
OUT = "{out}"
#: Raised when jobs have to be redone though their settings are the same.
GENERATION = 1


class Command(BaseModel):
    """One call of `sleight`.

    Attributes:
        args: Its arguments; `{out}` stands for the results folder.
        resume_from: File in the results folder; once it is there, `--resume` is added.
        accepts: Exit statuses that count as done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    args: tuple[str, ...] = Field(min_length=1)
    resume_from: str = ""
    accepts: tuple[int, ...] = (0,)


class Job(BaseModel):
    """A unit of work.

    Attributes:
        name: Unique name, also that of its log.
        about: What it is, for people.
        commands: What is run, one after the other.
        needs: Jobs that must be done before.
        inputs: Files in the results folder that it reads.
        outputs: Files and folders in the results folder that it makes; removed before it is done anew.
        reads: SHA-256 over files elsewhere that it reads, if there are any.
        requires: A command of `sleight` that must exist, such as ("train", "student").
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    about: str = ""
    commands: tuple[Command, ...] = Field(min_length=1)
    needs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    reads: str = ""
    requires: tuple[str, ...] = ()

    @field_validator("inputs", "outputs")
    @classmethod
    def _inside(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            pure = PurePosixPath(path)
            # Outputs are removed when a job is redone: none may point out of the results folder.
            if pure.is_absolute() or ".." in pure.parts or not pure.parts:
                raise ValueError(f"'{path}' is not inside the results folder")
        return paths


class JobGraph:
    """Jobs in an order in which they can be run.

    Args:
        jobs: The jobs.

    Raises:
        SleightError: Two have one name or output, one needs what is not there, or they need each other.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        found = list(jobs)
        self.jobs = {job.name: job for job in found}
        if len(self.jobs) != len(found):
            raise SleightError("two jobs have the same name", value=_twice(job.name for job in found))
        outputs = [path for job in found for path in job.outputs]
        if len(set(outputs)) != len(outputs):
            raise SleightError("two jobs have the same output", value=_twice(outputs))
        for job in found:
            if unknown := [name for name in job.needs if name not in self.jobs]:
                raise SleightError("a job needs another that is not there", value=f"{job.name}: {unknown[0]}")
        try:
            sorter = TopologicalSorter({job.name: job.needs for job in found})
            possible = set(sorter.static_order())
        except CycleError as error:
            raise SleightError("jobs need each other", value=" <- ".join(error.args[1])) from error
        assert possible == set(self.jobs)
        self._digests: dict[str, str] = {}
        self.order = self._ordered(found)

    def digest(self, name: str) -> str:
        """Return the SHA-256 over a job's settings and those of all jobs that it builds on."""
        if name not in self._digests:
            job = self.jobs[name]
            settings = job.model_dump(exclude={"about"} if job.reads else {"about", "reads"})
            before = {need: self.digest(need) for need in sorted(job.needs)}
            text = json.dumps([GENERATION, settings, before], sort_keys=True)
            self._digests[name] = hashlib.sha256(text.encode()).hexdigest()
        return self._digests[name]

    def select(self, only: Sequence[str]) -> list[str]:
        """Return the jobs that patterns name, with all that they need, in order; all jobs without patterns.

        Raises:
            SleightError: A pattern names no job.
        """
        if not only:
            return list(self.order)
        wanted: set[str] = set()
        for pattern in only:
            matches = fnmatch.filter(self.order, pattern)
            if not matches:
                remedy = "'--list' shows the jobs; patterns such as 'hyper_k4_*' name several"
                raise SleightError("no such job", value=pattern, remedy=remedy)
            wanted.update(matches)
        todo = list(wanted)
        while todo:
            for need in self.jobs[todo.pop()].needs:
                if need not in wanted:
                    wanted.add(need)
                    todo.append(need)
        return [name for name in self.order if name in wanted]

    def _ordered(self, jobs: list[Job]) -> list[str]:
        # As given, except that what a job needs comes first: whoever writes the graph decides what is seen early.
        order: dict[str, None] = {}

        def add(name: str) -> None:
            if name not in order:
                for need in self.jobs[name].needs:
                    add(need)
                order[name] = None

        for job in jobs:
            add(job.name)
        return list(order)


def _twice(values: Iterable[str]) -> str:
    seen: set[str] = set()
    return next((value for value in values if value in seen or seen.add(value)), "")
