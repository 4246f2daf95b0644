"""Control at 60 Hz through the whole graph: period error, and latency across processes."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
import yaml
from sleight_core.benchmark import Figure, as_json, print_figures, write_json
from sleight_core.environment import refuse_mixed_ros

from sleight_ros.figures import histogram, percentiles
from sleight_ros.processes import GraphError

if TYPE_CHECKING:
    from sleight_core.bundle import Bundle

    from sleight_ros.demo.runner import DemoSettings

app = typer.Typer(help=__doc__, add_completion=False)

#: The figures of the issue: 99th percentiles.
MAX_PERIOD_ERROR = 0.10  # of the period
MAX_LATENCY = 10.0  # ms
#: Commands further apart than this many periods were interrupted by a reset or a hold.
STREAM_GAP = 4.0
PERIOD_EDGES = [-8, -4, -2, -1.67, -1, -0.5, -0.2, -0.05, 0.05, 0.2, 0.5, 1, 1.67, 2, 4, 8]
LATENCY_EDGES = [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30]


def measure(arrivals: dict[str, np.ndarray], period: float) -> tuple[list[Figure], dict[str, Any]]:
    """Turn what the probe noted into figures.

    Args:
        arrivals: Content of the probe's file.
        period: Control period, s.

    Returns:
        Figures, and distributions with histograms.

    Raises:
        GraphError: The policy was not followed long enough.
    """
    sent, states = arrivals["sent"], arrivals["states"]
    followed = sent[:, 0] > 0
    if followed.sum() < 60:
        raise GraphError("too few commands to measure", value=int(followed.sum()), remedy="let it run longer")
    # The k-th trajectory belongs to the k-th sent message; from when both are heard. `sent` leaves last, so its arrival
    # bounds that of the whole command.
    gaps = np.diff(sent[:, 1]) * 1e-9
    running = followed[1:] & followed[:-1] & (gaps < STREAM_GAP * period)
    errors = gaps[running] - period
    fresh = followed.copy()
    # The watchdog may send a command again; only the first answers its joint state.
    fresh[1:] &= sent[1:, 0] != sent[:-1, 0]
    latency = (sent[fresh, 1] - sent[fresh, 0]) * 1e-6
    hop = (states[:, 1] - states[:, 0]) * 1e-6
    source = np.diff(states[:, 0]) * 1e-9
    source = source[source < STREAM_GAP * period] - period
    bare = np.abs(arrivals["bare"][30:])
    p99 = {name: percentiles(np.abs(values))["p99"] for name, values in (("error", errors), ("source", source))}
    figures = [
        Figure(
            "period error of commands, p99", 1e3 * p99["error"], "ms",
            "a bare 60 Hz loop beside it", 1e3 * percentiles(bare)["p99"], 1e3 * MAX_PERIOD_ERROR * period,
        ),
        Figure(
            "period error of the simulation, p99", 1e3 * p99["source"], "ms",
            "a bare 60 Hz loop beside it", 1e3 * percentiles(bare)["p99"],
        ),
        Figure(
            "joint state to command, p99", percentiles(latency)["p99"], "ms",
            "the joint state's own way to another process", percentiles(hop)["p99"], MAX_LATENCY,
        ),
        Figure(
            "joint state to command, p50", percentiles(latency)["p50"], "ms",
            "the joint state's own way to another process", percentiles(hop)["p50"],
        ),
    ]  # fmt: skip
    more = {
        "distributions": {
            "period_error_s": percentiles(np.abs(errors)),
            "simulation_period_error_s": percentiles(np.abs(source)),
            "bare_loop_period_error_s": percentiles(bare),
            "joint_state_to_command_ms": percentiles(latency),
            "one_hop_ms": percentiles(hop),
        },
        "period_error_histogram_ms": histogram(1e3 * errors, PERIOD_EDGES),
        "joint_state_to_command_histogram_ms": histogram(latency, LATENCY_EDGES),
    }
    return figures, more


def cause(figures: list[Figure], period: float) -> str:
    """Say, when a bound is missed, whether the machine kept even a bare loop from it; "" when none is missed."""
    if all(figure.good for figure in figures):
        return ""
    bare = figures[0].reference_value
    if bare > 1e3 * MAX_PERIOD_ERROR * period:
        return f"the machine is too busy: a bare 60 Hz loop beside the graph missed the bound too ({bare:.2f} ms)"
    return "a bare 60 Hz loop beside the graph kept the bound, so the delay is the graph's own"


def print_histogram(title: str, rows: dict[str, list[float]]) -> None:
    """Print a histogram as text on stderr."""
    print(title, file=sys.stderr)
    edges, counts = rows["edges"], rows["counts"]
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        bar = "#" * round(48 * count / max(1, max(counts)))
        print(f"  {low:>6g} to {high:<6g} {int(count):>6} {bar}", file=sys.stderr)


@app.command()
def ros(
    bundle: Annotated[Path, typer.Option(help="Folder of the policy bundle.")] = Path("policies/shadow_base"),
    seconds: Annotated[float, typer.Option(min=5.0, max=3600.0, help="How long to measure.")] = 30.0,
    profile: Annotated[str, typer.Option(help="Shipped profile or parameter file.")] = "shadow_sim",
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Run simulation, cameras, perception, policy and bridge as processes, and listen from another one."""
    refuse_mixed_ros()
    from sleight_ros.demo.runner import DemoSettings

    try:
        with tempfile.TemporaryDirectory(prefix="sleight_bench_") as folder:
            settings = DemoSettings(bundle, Path(folder), ["own"], episodes=1, profile=profile)
            loaded, arrivals, count = listen(settings, seconds)
        figures, more = measure(arrivals, loaded.manifest.control.period)
    except GraphError as error:
        print(f"sleight: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(1) from error
    print_figures(figures)
    why = cause(figures, loaded.manifest.control.period)
    if why:
        print_histogram("period error of commands, ms", more["period_error_histogram_ms"])
        print_histogram("joint state to command, ms", more["joint_state_to_command_histogram_ms"])
        print(f"cause: {why}", file=sys.stderr)
    content = as_json(figures, bundle=loaded.id, episodes=count, seconds=seconds, cause=why, **more)
    if json_out is not None:
        write_json(json_out, content)
    raise typer.Exit(0 if content["passed"] else 1)


def listen(settings: DemoSettings, seconds: float) -> tuple[Bundle, dict[str, np.ndarray], int]:
    """Run the graph for a while.

    Returns:
        The bundle, what the probe noted, and the number of episodes.
    """
    from sleight_ros.demo.client import DemoClient
    from sleight_ros.demo.runner import await_graph, play_episode, resolve, start_graph
    from sleight_ros.processes import Processes
    from sleight_ros.profiles import profile_path

    bundle, things = resolve(settings)
    noted, bare = settings.out / "probe.npz", settings.out / "bare.npy"
    count = 0
    with contextlib.ExitStack() as stack:
        graph = stack.enter_context(Processes(settings.out / "logs"))
        start_graph(graph, settings, things, record=False)
        priority = str(realtime_priority(profile_path(settings.profile)))
        graph.start("probe", [sys.executable, "-m", "sleight_ros.bench.probe", str(noted), priority])
        graph.start("bare", [sys.executable, "-m", "sleight_ros.bench.bare", str(bare), priority])
        client = stack.enter_context(DemoClient(graph.environment, graph.check))
        await_graph(client, graph)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            play_episode(client, things[count % len(things)], count, bundle.manifest.task.episode_time)
            count += 1
        graph.end("probe")
        graph.end("bare")
    with np.load(noted) as data:
        return bundle, {**data, "bare": np.load(bare)}, count


def realtime_priority(profile: Path) -> int:
    """The real-time priority that a profile asks for the bridge; probe and bare loop get the same."""
    content = yaml.safe_load(profile.read_text()) or {}
    rows = [content.get(key, {}).get("ros__parameters", {}) for key in ("/**", "/**/hand_bridge")]
    return int(next((row["realtime_priority"] for row in reversed(rows) if "realtime_priority" in row), 0))
