"""Watch a running graph: bridge, policy, experts, joints and problems, live in the terminal."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live
from sleight_core.environment import refuse_mixed_ros

if TYPE_CHECKING:
    from sleight_ros.monitor.listener import Listener

app = typer.Typer(help=__doc__, add_completion=False)

#: Pictures a second.
RATE = 8.0


@app.command()
def monitor(
    once: Annotated[bool, typer.Option(help="Print one picture and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one snapshot as JSON and end.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="How long to wait for a graph, s.")] = 10.0,
    namespace: Annotated[str, typer.Option(help="Namespace of the graph.")] = "",
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle, for the owners of joints, when it is not found by itself.")
    ] = None,
) -> None:
    """Show what the graph says of itself; exits 1 when no graph is heard. Listening disturbs nothing."""
    refuse_mixed_ros()
    from sleight_core.bundle.files import read_manifest
    from sleight_core.bundle.manifest import parse_manifest

    from sleight_ros.monitor.drawing import draw
    from sleight_ros.monitor.listener import Listener

    labels: tuple[str, ...] = ()
    if bundle is not None:
        labels = tuple(parse_manifest(read_manifest(bundle).decode("utf-8", "replace")).action_labels)
    with Listener(namespace, labels) as listener:
        if not _heard(listener, timeout, whole=once or as_json):
            where = f" in namespace '{namespace}'" if namespace else ""
            remedy = "is it running, and is ROS_DOMAIN_ID the same? 'sleight doctor' looks"
            print(f"sleight: no graph is heard{where} within {timeout:g} s ({remedy})", file=sys.stderr)
            raise typer.Exit(1)
        if as_json:
            print(json.dumps(listener.view().as_dict(), indent=2))
            return
        console = Console(width=None if sys.stdout.isatty() else 100)
        if once:
            console.print(draw(listener.view()))
            return
        with Live(draw(listener.view()), console=console, auto_refresh=False, screen=console.is_terminal) as live:
            while True:
                time.sleep(1.0 / RATE)
                live.update(draw(listener.view()), refresh=True)


def _heard(listener: Listener, timeout: float, *, whole: bool) -> bool:
    """Wait for a graph: for its first word, or until all of it has spoken; returns whether anything was heard."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if listener.complete() or (not whole and not listener.view().empty):
            return True
        time.sleep(0.05)
    return not listener.view().empty
