"""A described graph as processes of this machine: start, watch, end in order."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError

from sleight_ros.graph.description import GraphNode, ending_order
from sleight_ros.graph.watch import GraphWatch
from sleight_ros.processes import GraphError, Processes

#: How often processes and states are looked at, s.
LOOK_PERIOD = 0.1
NAMESPACE = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)

#: Called with (name, state, words) of every node, again and again.
Show = Callable[[list[tuple[str, str, str]]], None]


def check_namespace(namespace: str) -> str:
    """A namespace as ROS wants it, with a leading slash; "" for none.

    Raises:
        SleightError: It is none.
    """
    if namespace in ("", "/"):
        return ""
    if not NAMESPACE.fullmatch(namespace):
        raise SleightError("no such namespace", value=namespace, remedy="letters, digits and _, parted by /")
    return namespace if namespace.startswith("/") else f"/{namespace}"


class RunningGraph:
    """The graph's processes and what is known about them.

    Args:
        processes: Where they run.
        nodes: The description.
        profile: Parameter file of all.
        changes: Node -> parameters in place of the profile's.
        namespace: Of the graph, "" or with a leading slash.
    """

    def __init__(
        self,
        processes: Processes,
        nodes: Sequence[GraphNode],
        profile: Path,
        changes: Mapping[str, Mapping[str, Any]],
        namespace: str,
    ) -> None:
        self._processes = processes
        self._nodes = list(nodes)
        self._profile = profile
        self._changes = changes
        self._namespace = namespace
        #: Nodes that the graph goes on without, and how each ended.
        self.lost: dict[str, str] = {}

    def start(self) -> None:
        """Start all processes."""
        for node in self._nodes:
            self._processes.node(
                node.name,
                node.module,
                {**node.parameters, **self._changes.get(node.name, {})},
                profile=self._profile,
                namespace=self._namespace,
                niceness=node.niceness,
                arguments=node.arguments,
                ros_arguments=node.ros_arguments,
            )

    def end(self) -> None:
        """End all processes, the bridge first: it brakes the hand while the hand's driver still lives."""
        for name in ending_order(self._nodes):
            if name in self._processes.running:
                self._processes.end(name)

    def wait_until_active(self, watch: GraphWatch, show: Show, patience: float) -> None:
        """Wait until every lifecycle node is active.

        Args:
            watch: Asks the nodes.
            show: Gets the state of all.
            patience: Longest wait, s.

        Raises:
            SleightError: A node refuses its parameters, or does not know one that was given.
            DeadNodeError: A node died.
            GraphError: The time is over.
        """
        end = time.monotonic() + patience
        while True:
            self.check(watch)
            show(self.rows(watch))
            waiting = [node.name for node in self._nodes if node.lifecycle and watch.state(node.name) != "active"]
            unknown = [name for name in self._changes if name not in waiting and watch.parameters(name) is None]
            if not waiting and not unknown:
                break
            if time.monotonic() > end:
                names = ", ".join(waiting or unknown)
                remedy = f"see {self._processes.folder}"
                raise GraphError(f"timed out after {patience:.0f} s waiting for {names} to be active", remedy=remedy)
            time.sleep(LOOK_PERIOD)
        for name, given in self._changes.items():
            known = watch.parameters(name) or set()
            for parameter in given:
                if parameter not in known:
                    close = difflib.get_close_matches(parameter, known, n=1)
                    remedy = f"did you mean '{close[0]}'?" if close else "'sleight up' sets only declared parameters"
                    raise SleightError(f"{name} has no such parameter", value=parameter, remedy=remedy)

    def watch(self, watch: GraphWatch, show: Show) -> None:
        """Watch the active graph until somebody interrupts.

        Raises:
            DeadNodeError: A node died.
        """
        while True:
            self.check(watch)
            show(self.rows(watch))
            time.sleep(LOOK_PERIOD)

    def check(self, watch: GraphWatch) -> None:
        """Look whether all live, and none refuses.

        Raises:
            SleightError: A node refuses.
            DeadNodeError: A node died that the graph is worth nothing without.
        """
        for node in self._nodes:
            process = self._processes.running.get(node.name)
            if process is None:
                continue
            if node.lifecycle and watch.state(node.name) != "active":
                self._processes.check_refusal(node.name)
            if not node.vital and not process.alive:
                self.lost[node.name] = process.last_words(1) or f"status {process.popen.returncode}"
                self._processes.end(node.name)
        self._processes.check()

    def rows(self, watch: GraphWatch) -> list[tuple[str, str, str]]:
        """Name, state and own words of every node."""
        found = []
        for node in self._nodes:
            if node.name in self.lost:
                found.append((node.name, "ended", self.lost[node.name]))
            elif node.lifecycle:
                state = watch.state(node.name)
                found.append((node.name, state or "starting", watch.report(node.name) if state else ""))
            else:
                found.append((node.name, "running", ""))
        return found
