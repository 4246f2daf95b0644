"""Runs one slow job between two quick ones: what a test kills. Arguments: results folder, seconds a step."""

import sys
from pathlib import Path

from sleight_training.reproduce.job import Command, Job, JobGraph
from sleight_training.reproduce.runner import GraphRunner
from sleight_training.reproduce.store import JobStore

PROGRAM = (sys.executable, str(Path(__file__).with_name("fake.py")))
STEPS = 8


def graph(wait: str) -> JobGraph:
    slow = Command(args=("steps", "{out}/runs/slow", str(STEPS), wait), resume_from="runs/slow/config.json")
    return JobGraph(
        [
            Job(name="first", commands=(Command(args=("write", "{out}/first.txt", "1")),), outputs=("first.txt",)),
            Job(name="slow", commands=(slow,), needs=("first",), inputs=("first.txt",), outputs=("runs/slow",)),
            Job(
                name="last",
                commands=(Command(args=("write", "{out}/last.txt", "2")),),
                needs=("slow",),
                outputs=("last.txt",),
            ),
        ]
    )


if __name__ == "__main__":
    runner = GraphRunner(graph(sys.argv[2]), JobStore(Path(sys.argv[1])), program=PROGRAM)
    try:
        well = runner.run()
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if well else 1)
