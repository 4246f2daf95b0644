"""How the tests are shared out: each worker has a ROS domain of its own, and one alone has all whole graphs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("xdist")

CONFTEST = Path(__file__).with_name("conftest.py")
TEST = """
import json, os, pytest
pytestmark = pytest.mark.{mark}
@pytest.mark.parametrize("number", range({count}))
def test_it(number):
    row = {{"file": "{name}", "worker": os.environ["PYTEST_XDIST_WORKER"], "domain": os.environ["ROS_DOMAIN_ID"]}}
    with open(r"{out}", "a") as file:
        file.write(json.dumps(row) + "\\n")
"""


def test_graphs_are_shared_out_and_whole_ones_are_not(tmp_path: Path) -> None:
    out = tmp_path / "rows"
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  graph\n  whole_graph\n")
    for name, mark, count in (("a", "whole_graph", 2), ("b", "whole_graph", 3), ("c", "graph", 2), ("d", "graph", 2)):
        text = TEST.format(mark=mark, count=count, name=name, out=out)
        (tmp_path / f"test_{name}.py").write_text(text)
    options = ["-n", "2", "--dist", "loadfile", "-q", "-p", "no:dash", "-p", "no:cacheprovider"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 9
    assert len({row["worker"] for row in rows if row["file"] in "ab"}) == 1
    domains = {(row["worker"], row["domain"]) for row in rows}
    assert len({worker for worker, _ in domains}) == len({domain for _, domain in domains}) == len(domains) == 2
    assert all(81 <= int(domain) <= 100 for _, domain in domains)
