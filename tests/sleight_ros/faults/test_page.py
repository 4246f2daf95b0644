"""The shipped matrix is one that these tests have written, of all faults that they know."""

import re

from . import cases
from .matrix import PAGE

LISTS = (
    cases.JOINTS,
    cases.WRIST,
    cases.ESTIMATE,
    cases.POLICY_INPUTS,
    cases.DRIVER_TOLERATED,
    cases.COMMANDS,
    cases.COMMANDS_TOLERATED,
    [cases.REPEATS],
    cases.CLOUDS,
    cases.CLOUDS_TOLERATED,
)


def test_the_shipped_matrix_holds_every_fault() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \d+ \| `(\w+)` ([^|]*) \|", text, re.MULTILINE))
    known = {case.name for group in LISTS for case in group} | {f"policy_{case.name}" for case in cases.TRAPS}
    assert known <= set(rows), known - set(rows)
    assert len(rows) >= 60
    assert "**0 unsafe**" in text


def test_every_reaction_in_it_came_in_time() -> None:
    text = PAGE.read_text(encoding="utf-8")
    period = float(re.findall(r"one control period \(([\d.]+) ms\)", text)[0])
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if re.match(r"\| \d", line)]
    measured = [row for row in cells if row[6] != "-"]
    assert len(measured) >= 30
    for row in measured:
        limit, reaction, stall = float(row[5]), float(row[6].split()[0]), float(row[7] or 0)
        assert reaction <= limit + period + stall + 0.5, row
