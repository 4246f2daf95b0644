"""Runs the demo: starts the graph, plays the episodes, ends the graph, and turns the recording into a page."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sleight_core.bundle import Bundle, load_bundle
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.safety import ReasonCode, SafetyState
from sleight_description import load_hand

from sleight_ros.demo.client import DemoClient
from sleight_ros.demo.score import Episode
from sleight_ros.processes import DeadNodeError, GraphError, Processes
from sleight_ros.profiles import profile_path

#: Start of the graph: discovery takes up to some seconds, decomposing a mesh longer.
START_TIMEOUT = 60.0
#: How long a hand's driver may refuse while its bus is busy or not connected yet, s.
DRIVER_PATIENCE = 10.0
#: Time for the dropped object to come to rest before the policy is engaged, s.
SETTLE = 0.6

Report = Callable[[str, int], None]


@dataclass(frozen=True)
class Thing:
    """An object of the plan: how `sim_node` finds it, its name and its family."""

    entry: str
    name: str
    family: str


@dataclass
class DemoSettings:
    """What to run.

    Attributes:
        bundle: Folder of the policy bundle.
        out: Folder of the results.
        objects: Object sets or files, each taking its turn.
        episodes: How many episodes.
        seed: Of starts and of procedural objects.
        mesh_scale: Metres per unit of mesh files.
        profile: Parameter profile.
        hand_driver: Run `leap_driver` on the bus that the simulation emulates; see `emulates_bus`.
        viewer: Show the simulation in a window.
        video_episodes: How many episodes are filmed.
    """

    bundle: Path
    out: Path
    objects: list[str]
    episodes: int
    seed: int = 0
    mesh_scale: float = 1.0
    profile: str = "shadow_sim"
    hand_driver: bool = False
    viewer: bool = False
    video_episodes: int = 8


@dataclass
class DemoRun:
    """What a run left behind.

    Attributes:
        episodes: The episodes.
        activations: How often the bridge began anew.
        bundle, table: What was run.
        things: The objects of the plan.
        wall_time: Of the graph, s.
    """

    bundle: Bundle
    table: HandTable
    things: list[Thing]
    episodes: list[Episode] = field(default_factory=list)
    activations: int = 0
    wall_time: float = 0.0


def resolve(settings: DemoSettings) -> tuple[Bundle, list[Thing]]:
    """The bundle, verified, and the objects of the plan, in the order in which they take turns.

    Raises:
        SleightError: The bundle or an object is refused.
    """
    bundle = load_bundle(settings.bundle)
    own = bundle.manifest.task.object.set
    command = [sys.executable, "-m", "sleight_ros.simulation.catalog", *settings.objects, "--seed", str(settings.seed)]
    command += ["--mesh-scale", str(settings.mesh_scale)] + (["--own", own] if own else [])
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["the objects cannot be resolved"]
        raise SleightError(lines[-1])
    return bundle, [Thing(**row) for row in json.loads(result.stdout)]


def prepare_folder(out: Path) -> None:
    """Make the results folder and remove what an earlier demo left in it, and nothing else."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("bag", "logs", "trajectories"):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in ("index.html", "results.json", "video.mp4", "video.png"):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise SleightError("the results folder cannot be written", value=out, remedy=str(error.strerror)) from error


def run_demo(settings: DemoSettings, report: Report) -> DemoRun:
    """Play all episodes.

    Args:
        settings: What to run.
        report: Called with a line on what happens and the number of finished episodes.

    Raises:
        SleightError: A refused input, or a node that died.
    """
    profile_path(settings.profile)
    report("verifying bundle and objects", 0)
    bundle, things = resolve(settings)
    run = DemoRun(bundle, load_hand(bundle.manifest.hand.name), things)
    out = settings.out
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        graph = stack.enter_context(Processes(out / "logs"))
        start_graph(graph, settings, things)
        report(f"starting the graph (domain {graph.domain})", 0)
        client = stack.enter_context(DemoClient(graph.environment, graph.check))
        await_graph(client, graph)
        for i in range(settings.episodes):
            thing = things[i % len(things)]
            report(f"episode {i + 1}: {thing.name}", i)
            run.episodes.append(
                play_episode(
                    client,
                    thing,
                    settings.seed * 100_000 + i,
                    bundle.manifest.task.episode_time,
                    hand_driver=settings.hand_driver,
                )
            )
            run.activations += 1
        report("ending the graph", settings.episodes)
        client.activate_bridge(False)
        # The recorder first, so that the bag holds whole messages of nodes that still live.
        graph.end("recorder")
    run.wall_time = time.monotonic() - begin
    return run


def start_graph(graph: Processes, settings: DemoSettings, things: list[Thing], *, record: bool = True) -> None:
    """Start all nodes, and the recorder if asked."""
    out = settings.out
    profile = profile_path(settings.profile)
    entries = list(dict.fromkeys(thing.entry for thing in things))
    # A bus of this demo's own: another one may run beside it.
    bus = str((graph.folder / "leap_bus").resolve())
    recorder = [sys.executable, "-m", "sleight_ros.recording", str(out), "--name", "bag"]
    if record:
        graph.start("recorder", recorder, niceness=5)
    graph.node(
        "sim_node",
        "sleight_ros.nodes.sim_node",
        {
            "objects": entries,
            "mesh_scale": settings.mesh_scale,
            "seed": settings.seed,
            "log_folder": str(out / "trajectories") if record else "",
            "viewer": settings.viewer,
            **({"driver.hand.link": bus} if settings.hand_driver else {}),
        },
        profile=profile,
    )
    if settings.hand_driver:
        graph.node("leap_driver", "sleight_ros.drivers.leap_driver_node", {"port": bus}, profile=profile)
    graph.node("hand_bridge", "sleight_ros.nodes.bridge_node", profile=profile)
    graph.node("policy_node", "sleight_ros.nodes.policy_node", {"bundle": str(settings.bundle)}, profile=profile)
    graph.node("perception_node", "sleight_ros.nodes.perception_node", profile=profile, niceness=3)


def await_graph(client: DemoClient, graph: Processes) -> None:
    """Wait until every node speaks; a node that refused to start is named with its reason."""
    for what, there in (
        ("the simulation", lambda: client.sim is not None),
        ("the hand bridge", lambda: client.status is not None),
        ("the policy", lambda: client.telemetry is not None or client.serves("policy/engage")),
        ("perception", lambda: client.estimate is not None),
    ):
        name = {"the simulation": "sim_node", "the hand bridge": "hand_bridge", "the policy": "policy_node"}.get(
            what, "perception_node"
        )

        def ready(there: Callable[[], bool] = there, name: str = name) -> bool:
            graph.check_refusal(name)
            return there()

        client.wait(ready, what, START_TIMEOUT)


def play_episode(
    client: DemoClient, thing: Thing, seed: int, episode_time: float, *, hand_driver: bool = False
) -> Episode:
    """Put the object on the table, let go of everything, engage, and wait for the end.

    A hand that is put elsewhere by hand has its torque off meanwhile (`hand_driver`).
    """
    client.trigger("policy/release")
    client.activate_bridge(False)
    if hand_driver:
        client.trigger("driver/disable", patience=DRIVER_PATIENCE)
    client.reset(thing.name, seed)
    if hand_driver:
        client.trigger("driver/enable", patience=DRIVER_PATIENCE)
    client.trigger("perception/reset")
    client.activate_bridge(True)
    placed = time.time_ns() + int(SETTLE * 1e9)
    note = ""
    try:
        client.wait(lambda: client.object_seen_since(placed), "perception to see the object", 5.0)
    except DeadNodeError:
        raise
    except GraphError as error:
        # An object that is not seen is a failed episode of the whole stack, not a broken graph.
        note = error.what
    before = client.sim
    number = before.episode if before is not None else 0
    if not note:
        try:
            client.trigger("policy/engage", patience=3.0)
            client.trigger("bridge/rearm")
            client.wait(lambda: client.finished(number), "the end of the episode", 3.0 * episode_time + 5.0)
        except DeadNodeError:
            raise
        except GraphError as error:
            note = _why(client, error.what)
    state = client.sim
    done = state is not None and state.done and state.episode == number
    return Episode(
        number, thing.name, thing.family, bool(done and state is not None and state.success), done or bool(note), note
    )


def _why(client: DemoClient, words: str) -> str:
    status, telemetry = client.status, client.telemetry
    if status is not None:
        words += f"; bridge {SafetyState(status.state).name} {ReasonCode(status.reason).name} {status.detail}"
    if telemetry is not None and telemetry.reason:
        words += f"; policy: {telemetry.reason}"
    return words


def film(settings: DemoSettings, run: DemoRun) -> tuple[Path | None, str]:
    """Film some episodes, one of each family first.

    Returns:
        The video, or None; and a line about it.
    """
    chosen: list[Episode] = []
    for first in (True, False):
        for episode in run.episodes:
            seen = {e.family for e in chosen}
            if (
                len(chosen) < settings.video_episodes
                and episode not in chosen
                and not (first and episode.family in seen)
            ):
                chosen.append(episode)
    chosen.sort(key=lambda e: e.number)
    captions: dict[str, Any] = {f"episode_{e.number:03d}": [e.name, "held" if e.held else "not held"] for e in chosen}
    out = settings.out / "video.mp4"
    command = [sys.executable, "-m", "sleight_ros.simulation.video", str(settings.out / "trajectories"), str(out)]
    command += ["--mesh-scale", str(settings.mesh_scale), "--captions", json.dumps(captions), "--hand", run.table.name]
    command += ["--fps", "15", "--episodes", *(str(e.number) for e in chosen)]
    command += ["--objects", *dict.fromkeys(thing.entry for thing in run.things)]
    log = settings.out / "logs" / "video.log"
    with log.open("w") as output:
        status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    if status == 0 and out.is_file():
        return (
            out,
            f"Filmed after the fact from the simulation's own log: {len(chosen)} of {len(run.episodes)} episodes.",
        )
    words = (log.read_text(errors="replace").strip().splitlines() or [f"status {status}"])[-1]
    return None, f"No video: {words} (install libegl1 and a GL driver such as libgl1-mesa-dri)"
