"""Start the graph of a profile on this machine, without ros2 launch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sleight_core.environment import refuse_mixed_ros
from sleight_core.errors import SleightError

from sleight_ros.graph.changes import parse_changes
from sleight_ros.graph.description import HAND_DRIVERS, GraphWish, describe, emulates_bus, profile_hand
from sleight_ros.profiles import profile_path

app = typer.Typer(help=__doc__, add_completion=False)

#: Names of profiles whose robot is simulated unless told otherwise end so.
SIMULATED = "_sim"
STYLES = {"active": "green", "running": "green", "ended": "red"}
#: ROS domains beyond have no ports of their own.
LAST_DOMAIN = 232
DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"

Rows = list[tuple[str, str, str]]


@app.command()
def up(
    profile: Annotated[str, typer.Argument(help="Shipped profile or parameter file.")],
    bundle: Annotated[Path, typer.Option(help="Folder of the policy bundle.")] = Path("policies/shadow_base"),
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NODE.PARAM=VALUE", help="In place of the profile's value.")
    ] = None,
    sim: Annotated[
        bool | None, typer.Option("--sim/--no-sim", help="Simulate the robot (default for profiles named *_sim).")
    ] = None,
    objects: Annotated[list[str] | None, typer.Option("--object", help="Objects on the simulated table.")] = None,
    hand_driver: Annotated[
        str, typer.Option(help=f"One of {', '.join(HAND_DRIVERS)}; default: leap_driver for a real LEAP Hand.")
    ] = "",
    skills: Annotated[bool, typer.Option(help="Run the skill server.")] = True,
    record: Annotated[bool, typer.Option(help="Record the graph's topics.")] = True,
    namespace: Annotated[str, typer.Option(help="Moves the whole graph.")] = "",
    domain: Annotated[int | None, typer.Option(min=0, max=LAST_DOMAIN, help="Default: ROS_DOMAIN_ID, else 0.")] = None,
    enclaves: Annotated[str, typer.Option(help="Prefix of the nodes' security enclaves (SROS 2).")] = "",
    out: Annotated[Path, typer.Option(help="Folder of logs and recordings.")] = Path("results/up"),
    patience: Annotated[float, typer.Option(min=1.0, help="How long the start may take, s.")] = 120.0,
) -> None:
    """Start the nodes that a profile needs, show their states, and end them in order on Ctrl-C."""
    refuse_mixed_ros()
    from sleight_ros.graph.running import RunningGraph, check_namespace
    from sleight_ros.graph.watch import GraphWatch
    from sleight_ros.processes import GraphError, Processes

    path = profile_path(profile).resolve()
    simulate = path.stem.endswith(SIMULATED) if sim is None else sim
    owns_bus = emulates_bus(path) or (profile_hand(path) == "leap" and not simulate)
    driver = hand_driver or ("leap_driver" if owns_bus else "none")
    if not (bundle / "manifest.json").is_file():
        raise SleightError("no policy bundle there", value=bundle, remedy="give its folder with --bundle")
    nodes = describe(
        GraphWish(
            profile=path,
            bundle=str(bundle.resolve()),
            sim=simulate,
            hand_driver=driver,
            objects=objects or (),
            skills=skills,
            record=out.resolve() / "recordings" if record else None,
            enclaves=enclaves,
        )
    )
    wanted = parse_changes(changes or [], [node.name for node in nodes if node.lifecycle])
    namespace = check_namespace(namespace)
    logs = out / datetime.now().strftime("%Y%m%d_%H%M%S_logs")
    processes = Processes(logs, _domain(domain))
    _set_discovery(processes.environment, simulate)
    enclave = f"{enclaves.rstrip('/')}/sleight_up" if enclaves else ""
    console = Console(stderr=True)
    lifecycle = [node.name for node in nodes if node.lifecycle]
    try:
        with processes:
            graph = RunningGraph(processes, nodes, path, wanted, namespace)
            try:
                graph.start()
                with (
                    GraphWatch(processes.environment, lifecycle, namespace, enclave) as watch,
                    _Display(console).shown() as display,
                ):
                    graph.wait_until_active(watch, display.show, patience)
                    display.say(f"ready on domain {processes.domain}: policy/engage, then bridge/rearm; logs in {logs}")
                    graph.watch(watch, display.show)
            finally:
                graph.end()
    except KeyboardInterrupt:
        print("sleight: interrupted", file=sys.stderr)
        raise typer.Exit(130) from None
    except GraphError as error:
        # A node died: not the user's doing.
        print(f"sleight: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(1) from error


def _domain(given: int | None) -> int:
    """The ROS domain: as given, or that of the environment, or ROS's own default."""
    if given is not None:
        return given
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdigit() or int(text) > LAST_DOMAIN:
        raise SleightError("ROS_DOMAIN_ID is no domain", value=text, remedy=f"use 0 to {LAST_DOMAIN}, or --domain")
    return int(text)


def _set_discovery(environment: dict[str, str], simulate: bool) -> None:
    """Who is found: whom the user's own variables say; else this machine, or with a real robot ROS's own default.

    Args:
        environment: Of the graph, which stays on this machine; changed in place.
        simulate: Whether the robot is simulated: a real one's drivers may run on another machine.
    """
    if wanted := os.environ.get(DISCOVERY):
        environment[DISCOVERY] = wanted
    elif not simulate and os.environ.get("ROS_LOCALHOST_ONLY", "0") != "1":
        environment.pop(DISCOVERY, None)


class _Display:
    """One line a node: in place on a terminal, elsewhere a line whenever a state changes.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._states: dict[str, str] = {}
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[_Display]:
        """Keep the terminal while nodes are shown."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, refresh_per_second=4, transient=False) as self._live:
            yield self

    def say(self, text: str) -> None:
        """Print a line above the nodes."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, rows: Rows) -> None:
        """Show the nodes."""
        if self._live is not None:
            table = Table(box=None, pad_edge=False, show_header=False)
            table.add_column(no_wrap=True)
            table.add_column(no_wrap=True)
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
            for name, state, words in rows:
                table.add_row(name, Text(state, STYLES.get(state, "yellow")), Text(words))
            self._live.update(table)
        for name, state, words in rows:
            if self._states.get(name) == state:
                continue
            self._states[name] = state
            # On a terminal the table says it; what has ended must be read even when the table is gone.
            if self._live is None or state == "ended":
                suffix = f": {words}" if state == "ended" and words else ""
                self.say(f"[{time.monotonic() - self._begin:6.1f} s] {name} {state}{suffix}")
