"""One running graph at a time, shared by all tests that want the same one, and the matrix that they fill."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("onnx")

from ..checker import assert_said
from ..rig import PERIOD, Rig
from .matrix import Matrix
from .traps import trap_bundle


@pytest.fixture(scope="session")
def matrix() -> Iterator[Matrix]:
    matrix = Matrix(PERIOD, 1.5 * PERIOD)
    yield matrix
    matrix.write()


class Graphs:
    """Keeps one graph running and replaces it when another kind is wanted."""

    def __init__(self, matrix: Matrix, folder: Callable[[str], Path]) -> None:
        self._matrix, self._folder = matrix, folder
        self._kind, self._rig = "", None

    def get(self, kind: str, make: Callable[[Path], Any]) -> Any:
        if kind != self._kind:
            self.close()
            self._rig = make(self._folder(kind)).__enter__()
            self._kind = kind
        return self._rig

    def done(self, test: pytest.Item) -> None:
        """After a test: heal the graph, or end it, so that one failure is not that of every test after it."""
        assert self._rig is not None
        if test.stash.get(FAILED, False):
            self.close()
        else:
            self._rig.heal()
            self._rig.robot.monitor.check()

    def close(self) -> None:
        """End the graph, and let what it sent be proven safe."""
        rig, self._rig, self._kind = self._rig, None, ""
        if rig is None:
            return
        rig.__exit__(None, None, None)
        monitor = rig.robot.monitor
        self._matrix.messages += monitor.messages
        self._matrix.unsafe += len(monitor.violations)
        monitor.check()
        assert_said(rig.robot.heard)


#: The graphs of this session; all nodes of a session share one domain.
SHARED: list[Graphs] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the graph after the last test of this folder: the tests that follow would hear two of them."""
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        for graphs in SHARED:
            graphs.close()


#: Set on a test that failed.
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure until the fixtures are torn down."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def graphs(matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graphs]:
    graphs = Graphs(matrix, tmp_path_factory.mktemp)
    SHARED.append(graphs)
    with contextlib.closing(graphs):
        yield graphs
    SHARED.remove(graphs)


@pytest.fixture
def rig(graphs: Graphs, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Bridge and policy around a double that estimates the object itself."""
    rig = graphs.get("blind", lambda folder: Rig(folder, make_bundle=trap_bundle))
    yield rig
    graphs.done(request.node)


@pytest.fixture
def seeing(graphs: Graphs, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The same with perception on the double's camera."""
    pytest.importorskip("open3d")
    rig = graphs.get("seeing", lambda folder: Rig(folder, perception=True))
    yield rig
    graphs.done(request.node)
