"""Let one policy grasp through several bridges, and compare its success with that of the direct path.

Each profile is simulated with its robot's own dialect; every run has the same objects and the same starts. A profile
passes when the 95 % interval of its difference to the first profile contains zero, and no message broke its driver's
interface.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sleight_core.errors import SleightError
from sleight_core.statistics import wilson_interval

from sleight_ros.demo.client import DemoClient
from sleight_ros.demo.runner import DemoSettings, Thing, await_graph, play_episode, resolve
from sleight_ros.demo.score import Episode
from sleight_ros.graph.changes import parse_changes
from sleight_ros.graph.description import GraphWish, describe
from sleight_ros.processes import GraphError, Processes
from sleight_ros.profiles import profile_path

#: Profiles that fit a Shadow Hand's bundle; the first is the direct path.
PROFILES = (
    "shadow_sim",
    "trajectory_sim",
    "forward_command_sim",
    "joint_state_sim",
    "isaac_shadow",
    "shadow_trajectory_sim",
    "shadow_topics_sim",
    "shadow_ur5e_sim",
)
#: Nodes whose parameters can be changed.
NODES = ("sim_node", "hand_bridge", "policy_node", "perception_node")

app = typer.Typer(help=__doc__, add_completion=False)


@dataclass
class Outcome:
    """What one profile came to.

    Attributes:
        profile: Name.
        episodes: All episodes.
        messages: Dialect -> messages that the simulated driver received.
        understood: Targets that the driver understood as the bridge says that it sent them.
        violations: How many messages broke the driver's interface.
        first_violations: The first of them, in words.
    """

    profile: str
    episodes: list[Episode] = field(default_factory=list)
    messages: dict[str, int] = field(default_factory=dict)
    understood: int = 0
    violations: int = 0
    first_violations: list[str] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Episodes that ended with the object held."""
        return sum(episode.held for episode in self.episodes)


def difference(held: int, count: int, held_direct: int, count_direct: int) -> tuple[float, float, float]:
    """Difference of two success rates and its 95 % interval (Newcombe 1998, from Wilson's intervals)."""
    p, q = held / max(count, 1), held_direct / max(count_direct, 1)
    (p_low, p_high), (q_low, q_high) = wilson_interval(held, count), wilson_interval(held_direct, count_direct)
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return p - q, max(-1.0, low), min(1.0, high)


def run_profile(
    profile: str, settings: DemoSettings, things: list[Thing], episode_time: float, changes: dict[str, dict[str, Any]]
) -> Outcome:
    """Play all episodes through one profile.

    Args:
        profile: Name or file.
        settings: Bundle, results folder, number of episodes, seed.
        things: Objects, which take turns.
        episode_time: Of the task, s.
        changes: Node -> parameters in place of the profile's.

    Raises:
        SleightError: A node refused its parameters, or died.
    """
    out = settings.out / Path(profile).stem
    conduct = out / "conduct.json"
    conduct.unlink(missing_ok=True)
    parameters: dict[str, dict[str, Any]] = {
        "sim_node": {
            "objects": list(dict.fromkeys(thing.entry for thing in things)),
            "mesh_scale": settings.mesh_scale,
            "seed": settings.seed,
            "conduct_file": str(conduct.resolve()),
        },
    }
    outcome = Outcome(profile)
    with contextlib.ExitStack() as stack:
        graph = stack.enter_context(Processes(out / "logs"))
        wish = GraphWish(profile_path(profile), str(settings.bundle), skills=False)
        for node in describe(wish):
            own = {**node.parameters, **parameters.get(node.name, {}), **changes.get(node.name, {})}
            graph.node(node.name, node.module, own, profile=wish.profile, niceness=node.niceness)
        client = stack.enter_context(DemoClient(graph.environment, graph.check))
        await_graph(client, graph)
        for i in range(settings.episodes):
            thing = things[i % len(things)]
            outcome.episodes.append(play_episode(client, thing, settings.seed * 100_000 + i, episode_time))
        client.activate_bridge(False)
        graph.end("sim_node")
    found = json.loads(conduct.read_text(encoding="utf-8"))
    outcome.messages, outcome.violations = found["messages"], found["count"]
    outcome.understood = found["understood"]
    outcome.first_violations = found["violations"][:10]
    return outcome


def judge(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Rows of the results: success, its interval, the difference to the first profile, and the verdict."""
    rows, direct = [], outcomes[0]
    for outcome in outcomes:
        count = len(outcome.episodes)
        gap, low, high = difference(outcome.held, count, direct.held, len(direct.episodes))
        within = outcome is direct or low <= 0.0 <= high
        clean = outcome.violations == 0 and outcome.understood > 0
        rows.append(
            {
                "profile": outcome.profile,
                "episodes": count,
                "held": outcome.held,
                "held_success": outcome.held / max(count, 1),
                "ci95": list(wilson_interval(outcome.held, count)),
                "difference": gap,
                "difference_ci95": [low, high],
                "messages": sum(outcome.messages.values()),
                "understood": outcome.understood,
                "violations": outcome.violations,
                "first_violations": outcome.first_violations,
                "notes": [episode.note for episode in outcome.episodes if episode.note],
                "passed": bool(within and clean),
                "per_episode": [asdict(episode) for episode in outcome.episodes],
            }
        )
    return rows


def print_rows(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "profile", "held", "95 %", "to direct, 95 % (points)", "messages", "violations"):
        table.add_column(head, no_wrap=True)
    for i, row in enumerate(rows):
        (low, high), (worse, better) = row["ci95"], row["difference_ci95"]
        table.add_row(
            "[green]ok[/]" if row["passed"] else "[red]FAIL[/]",
            row["profile"],
            f"{row['held']} of {row['episodes']}",
            f"{low:.0%} to {high:.0%}",
            f"{100 * row['difference']:+.0f} ({100 * worse:+.0f} to {100 * better:+.0f})" if i else "direct",
            str(row["messages"]),
            str(row["violations"]),
        )
    console.print(table)


@app.command()
def compare(
    bundle: Annotated[Path, typer.Option(help="Folder of the policy bundle.")] = Path("policies/shadow_base"),
    profiles: Annotated[
        list[str] | None, typer.Option("--profile", help="Profiles; the first is what the others are compared with.")
    ] = None,
    objects: Annotated[list[str] | None, typer.Option("--object", help="Objects, which take turns.")] = None,
    episodes: Annotated[int, typer.Option(min=1, max=10_000, help="Grasps through each profile.")] = 40,
    seed: Annotated[int, typer.Option(min=0, max=20_000, help="Of the starts, the same for all.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of logs.")] = Path("results/bridges"),
    changes: Annotated[list[str] | None, typer.Option("--set", help="NODE.PARAMETER=VALUE for all profiles.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Grasp through several bridges and compare."""
    console = Console(stderr=True)
    names = list(profiles or PROFILES)
    for name in names:
        profile_path(name)
    settings = DemoSettings(bundle=bundle, out=out, objects=objects or ["own"], episodes=episodes, seed=seed)
    loaded, things = resolve(settings)
    wanted = parse_changes(changes or [], NODES)
    begin = time.monotonic()
    outcomes = []
    for name in names:
        console.print(f"[{time.monotonic() - begin:6.0f} s] {name}", highlight=False)
        try:
            outcomes.append(run_profile(name, settings, things, loaded.manifest.task.episode_time, wanted))
        except GraphError as error:
            print(f"sleight: {name}: {' '.join(str(error).split())}", file=sys.stderr)
            raise typer.Exit(1) from error
    rows = judge(outcomes)
    print_rows(rows, console)
    if json_out is not None:
        figures = {"bundle": loaded.id, "objects": settings.objects, "seed": seed, "profiles": rows}
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(0 if all(row["passed"] for row in rows) else 1)


if __name__ == "__main__":
    try:
        app()
    except SleightError as error:
        print(f"sleight: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
