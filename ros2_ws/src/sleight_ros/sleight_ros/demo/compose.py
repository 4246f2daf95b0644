"""The composition demo: one hand keeps one thing while doing another, or two others, through the graph.

In simulation only.

The skills of a state-based bundle see the simulator's state, and perception takes no part. Those of a vision version
see the scene's cloud, which `perception_node` makes of simulated cameras. Either way the skill server is told the
object's place by the simulator: cameras see object, mechanism and hand, and perception follows one thing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rclpy.action import ActionClient
from sensor_msgs.msg import PointCloud2
from sleight_core.bundle import Bundle, load_bundle
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.compose.stages import ACTING
from sleight_core.statistics import wilson_interval
from sleight_msgs.action import Compose
from sleight_msgs.msg import PolicyTelemetry

from sleight_ros.demo.client import DemoClient
from sleight_ros.nodes.base import NEWEST
from sleight_ros.policy_step import needed_sources
from sleight_ros.processes import Processes
from sleight_ros.profiles import profile_path
from sleight_ros.skills.compositions import check_composition
from sleight_ros.skills.goals import Outcome

#: Longest start of the graph, and of a goal beyond its own time, s.
START_TIMEOUT, SLACK = 60.0, 20.0
#: Time of a goal for its first skill, and of an episode beyond its goal's, so that the goal ends first, s.
FIRST_TIME, MORE_TIME = 10.0, 4.0
#: Rate of the simulation's control steps, Hz.
RATE = 60
#: Profile with the cameras of a vision version, and how many points of the scene perception gives it.
CAMERAS, SCENE_POINTS = "shadow_sim", 256

Report = Callable[[str, int], None]


@dataclass(frozen=True)
class ComposeSettings:
    """What to run.

    Attributes:
        bundle: Folder of the bundle.
        first: The skill that keeps an object.
        second: The skill that moves a mechanism.
        third: One that then moves another mechanism; empty: none.
        episodes: How many.
        seed: Of world and starts.
        out: Folder of the results.
        viewer: Show the simulation in a window.
        second_time: How long the second skill acts, its transition included, s.
        third_time: The same of the third.
    """

    bundle: Path
    first: str
    second: str
    episodes: int
    seed: int
    out: Path
    viewer: bool = False
    second_time: float = 10.0
    third: str = ""
    third_time: float = 10.0

    @property
    def skills(self) -> tuple[str, ...]:
        """Names of the skills in the order in which they act."""
        return (self.first, self.second, self.third) if self.third else (self.first, self.second)

    @property
    def goal_time(self) -> float:
        """Longest time of a goal, s."""
        return FIRST_TIME + self.second_time + (self.third_time if self.third else 0.0)

    @property
    def episode_time(self) -> float:
        """Length of an episode, s."""
        return self.goal_time + MORE_TIME


@dataclass
class SkillFigures:
    """What came of one skill in an episode.

    Attributes:
        skill: Its name.
        kept: The object was kept while it acted, as the skill server says.
        succeeded: The object was lifted and held; of a later skill, it acted for its whole time; by the skill server.
        done: Its task was done, a later one's while the object was off the table, as the simulator judges it.
    """

    skill: str
    kept: bool = False
    succeeded: bool = False
    done: bool = False


@dataclass
class ComposedEpisode:
    """One episode.

    Attributes:
        outcome: How the goal ended, by name, and the skill server's words.
        message: See `outcome`.
        success: Each interaction was done while the object was held, as the simulator judges it; the paper's measure.
        object_height: How far the object had risen when it was last seen, m.
        chunks: Chunks of the later skills.
        late: Of those, how many were late.
        stages: Stages that the telemetry told of, in order.
        owners: Who owned each joint while the second skill acted, and while the third did, by the stage.
        skills: Of each skill.
    """

    outcome: str = ""
    message: str = ""
    success: bool = False
    object_height: float = 0.0
    chunks: int = 0
    late: int = 0
    stages: list[str] = field(default_factory=list)
    owners: dict[str, dict[str, str]] = field(default_factory=dict)
    skills: list[SkillFigures] = field(default_factory=list)


class ComposeClient(DemoClient):
    """The operator, who also sends Compose goals."""

    def __init__(self, environment: dict[str, str], check: Callable[[], None]) -> None:
        super().__init__(environment, check)
        self._compose = ActionClient(self._node, Compose, "compose")
        self.scene: PointCloud2 | None = None
        self._node.create_subscription(PointCloud2, "scene/cloud", self._keeper("scene"), NEWEST)

    def ready(self) -> bool:
        """Whether the skill server is there."""
        return self._compose.server_is_ready()

    def compose(self, settings: ComposeSettings, watch: Callable[[PolicyTelemetry], None]) -> Any:
        """Send a goal and wait for its result, showing the policy's newest words meanwhile."""
        goal = Compose.Goal(first=settings.first, second=settings.second, third=settings.third)
        goal.timeout, goal.second_time = settings.goal_time, settings.second_time
        goal.third_time = settings.third_time if settings.third else 0.0
        handle = self._later(self._compose.send_goal_async, goal)
        self.wait(handle, "the skill server", START_TIMEOUT)
        result = self._later(handle.answer.get_result_async)

        def ended() -> bool:
            if self.telemetry is not None:
                watch(self.telemetry)
            return result()

        self.wait(ended, "the end of the goal", settings.goal_time + SLACK)
        return result.answer.result

    def _later(self, function: Callable[..., Any], *arguments: Any) -> _Answer:
        # On the executor's own thread: an answer that comes while another thread still notes the question is lost.
        return _Answer(self._executor.create_task(function, *arguments))


class _Answer:
    """An answer that comes in two steps: the question is sent, then answered. Called, it says whether it is there."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def __call__(self) -> bool:
        return self._task.done() and self._task.result().done()

    @property
    def answer(self) -> Any:
        return self._task.result().result()


def resolve(settings: ComposeSettings) -> Bundle:
    """The bundle, verified for simulation, with the wanted pair or sequence.

    Raises:
        SleightError: It is refused, or has not these skills, or not in this order.
    """
    bundle = load_bundle(settings.bundle, simulation=True)
    check_composition(bundle.manifest.name, bundle.manifest.composition, settings.skills)
    return bundle


def run_compose(settings: ComposeSettings, report: Report) -> dict[str, Any]:
    """Play all episodes.

    Args:
        settings: What to run.
        report: Called with a line on what happens and the number of finished episodes.

    Returns:
        The figures.

    Raises:
        SleightError: A refused input, or a node that died.
    """
    bundle = resolve(settings)
    episodes: list[ComposedEpisode] = []
    with contextlib.ExitStack() as stack:
        graph = stack.enter_context(Processes(settings.out / "logs"))
        _start(graph, settings, bundle)
        report(f"starting the graph (domain {graph.domain})", 0)
        client = stack.enter_context(ComposeClient(graph.environment, graph.check))
        for what, there in (
            ("the simulation", lambda: client.sim is not None),
            ("the hand bridge", lambda: client.status is not None),
            ("the policy", lambda: client.serves("policy/engage_skill")),
            ("the skill server", client.ready),
            ("the scene's cloud", lambda: client.scene is not None or not sees_scene(bundle)),
        ):
            client.wait(lambda there=there: _alive(graph) and there(), what, START_TIMEOUT)
        for number in range(settings.episodes):
            report(f"episode {number + 1}: {', then '.join(settings.skills)}", number)
            episodes.append(_play(client, settings, number, report))
        client.activate_bridge(False)
    return figures(settings, bundle, episodes)


def sees_scene(bundle: Bundle) -> bool:
    """Whether a bundle is a vision version, whose skills see clouds."""
    return "scene" in needed_sources(bundle.manifest)


def figures(settings: ComposeSettings, bundle: Bundle, episodes: list[ComposedEpisode]) -> dict[str, Any]:
    """What the demo writes."""
    successes = sum(episode.success for episode in episodes)
    planned, late = (sum(getattr(episode, name) for episode in episodes) for name in ("chunks", "late"))
    return {
        "first": settings.first,
        "second": settings.second,
        "third": settings.third or None,
        "bundle": bundle.id,
        "seed": settings.seed,
        "episodes": len(episodes),
        "composite_success": successes / len(episodes),
        "ci95": list(wilson_interval(successes, len(episodes))),
        "kept": sum(episode.outcome == Outcome.SUCCEEDED.name for episode in episodes),
        "per_skill": [_of_skill(name, episodes) for name in settings.skills],
        "chunks": planned,
        "chunks_late": late,
        "estimates": "the simulator's, not perception's",
        "skills_see": "clouds of the scene" if sees_scene(bundle) else "the simulator's state",
        "per_episode": [asdict(episode) for episode in episodes],
    }


def _of_skill(name: str, episodes: list[ComposedEpisode]) -> dict[str, Any]:
    """What came of one skill in all episodes."""
    rows = [row for episode in episodes for row in episode.skills if row.skill == name]
    found = {what: sum(getattr(row, what) for row in rows) for what in ("kept", "succeeded", "done")}
    return {"skill": name, **found, "done_ci95": list(wilson_interval(found["done"], len(episodes)))}


def _start(graph: Processes, settings: ComposeSettings, bundle: Bundle) -> None:
    hand = bundle.manifest.hand.name
    composed = bundle.manifest.composition
    assert isinstance(composed, ComposedSkills)
    places = [skill.place for name in settings.skills if (skill := composed.skill(name)) is not None]
    sim = {
        "composition": list(settings.skills),
        # Things lie where the bundle's skills look for them.
        "composition_places": [float(value) for place in places for value in place],
        "true_estimates": True,
        "seed": settings.seed,
        "viewer": settings.viewer,
        "episode_steps": int(settings.episode_time * RATE),
    }
    sees = sees_scene(bundle)
    profile = profile_path(CAMERAS) if sees else None
    graph.node("sim_node", "sleight_ros.nodes.sim_node", {"hand": hand, **sim}, profile=profile)
    graph.node("hand_bridge", "sleight_ros.nodes.bridge_node", {"hand": hand, "blend_time": 0.0})
    policy = {"hand": hand, "bundle": str(settings.bundle), "simulation": not sees}
    graph.node("policy_node", "sleight_ros.nodes.policy_node", policy)
    graph.node(
        "skill_server", "sleight_ros.nodes.skill_server_node", {"rearm_on_goal": True, "reset_perception": False}
    )
    if sees:
        graph.node(
            "perception_node",
            "sleight_ros.nodes.perception_node",
            {"hand": hand, "scene_points": SCENE_POINTS},
            profile=profile,
            niceness=3,
            ros_arguments=["-r", "object/estimate:=perception/estimate"],
        )


def _alive(graph: Processes) -> bool:
    for name in graph.running:
        graph.check_refusal(name)
    return True


def _play(client: ComposeClient, settings: ComposeSettings, number: int, report: Report) -> ComposedEpisode:
    """One episode: reset, goal, and the simulator's verdict as the goal ends."""
    episode = ComposedEpisode(skills=[SkillFigures(name) for name in settings.skills])
    counts: dict[str, tuple[int, int]] = {}
    client.activate_bridge(False)
    client.reset("", settings.seed * 100_000 + number)
    client.activate_bridge(True)
    time.sleep(0.5)

    def watch(told: PolicyTelemetry) -> None:
        if told.stage and (not episode.stages or episode.stages[-1] != told.stage):
            episode.stages.append(told.stage)
            report(f"episode {number + 1}: {told.skill} ({told.stage})", number)
        if told.stage in ACTING:
            episode.owners[told.stage] = dict(zip(told.owned, told.owners, strict=True))
            counts[told.stage] = told.chunks, told.chunks_late

    result = client.compose(settings, watch)
    episode.outcome, episode.message = Outcome(result.outcome.code).name, result.outcome.message
    episode.object_height = result.outcome.object_height
    episode.chunks, episode.late = (sum(column) for column in zip(*counts.values(), strict=True)) if counts else (0, 0)
    for row, told in zip(episode.skills, result.skills, strict=False):
        row.kept, row.succeeded = told.kept, told.succeeded
    # As the paper counts: each task was done while the object was held. Later it may fall, as `kept` tells. A goal that
    # never moved the hand starts no episode: there is nothing to judge.
    if client.sim is not None and client.sim.step > 0:
        for i, (row, judged) in enumerate(zip(episode.skills, client.sim.skills, strict=False)):
            row.done = judged.succeeded and (judged.kept or not i)
        episode.success = bool(client.sim.skills) and all(row.done for row in episode.skills)
    return episode
