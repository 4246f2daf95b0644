"""Grasp success of an exported bundle: the policy is reached only through the bundle, as on the robot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sleight_core.action import ActionSpec
from sleight_core.bundle import Bundle, PolicySession, load_bundle
from sleight_core.errors import SleightError
from sleight_core.observation import ObservationBuilder
from sleight_core.statistics import wilson_interval
from sleight_description import hand_alone, load_hand
from sleight_sim.grasps.source import NONE, find_proposals
from sleight_sim.grasps.task import make_proposal_task
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.grasp.arm import arm_config
from sleight_sim.tasks.grasp.config import (
    EXACT_PERCEPTION,
    NOMINAL,
    ROBUST,
    GraspTaskConfig,
    PerceptionModel,
    ProposalReward,
)
from sleight_sim.tasks.grasp.env import GraspTask
from sleight_sim.tasks.grasp.make import check_engine, make_grasp_task
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

from sleight_training.codes.encoder import bundle_encode
from sleight_training.codes.observe import TERM, add_codes
from sleight_training.evaluation.watch import EpisodeWatch

#: Environments at once; more only cost memory.
MAX_ENVS = 256


@dataclass
class Tally:
    """Counts of one object or family."""

    episodes: int = 0
    held: int = 0
    ever: int = 0

    def add(self, held: bool, ever: bool) -> None:
        """Count one episode."""
        self.episodes += 1
        self.held += held
        self.ever += ever

    def row(self) -> dict[str, Any]:
        """Return rates and the 95 % interval of the held rate."""
        n = max(self.episodes, 1)
        return {
            "episodes": self.episodes,
            "held_success": self.held / n,
            "ever_success": self.ever / n,
            "ci95": list(wilson_interval(self.held, self.episodes)),
        }


@dataclass
class GraspScore:
    """Result of an evaluation.

    Attributes:
        total: All episodes.
        per_object: By object name.
        per_family: By family.
        watch: Distance from grasp proposals, and the experts' weights.
        touched: Episodes in which an arm touched the table or the robot itself.
    """

    total: Tally = field(default_factory=Tally)
    per_object: dict[str, Tally] = field(default_factory=dict)
    per_family: dict[str, Tally] = field(default_factory=dict)
    watch: EpisodeWatch = field(default_factory=EpisodeWatch)
    touched: int = 0

    def add(self, thing: ObjectSpec, held: bool, ever: bool, touched: bool = False) -> None:
        """Count one episode."""
        self.touched += touched
        self.total.add(held, ever)
        self.per_object.setdefault(thing.name, Tally()).add(held, ever)
        self.per_family.setdefault(thing.family, Tally()).add(held, ever)


def evaluation_config(bundle: Bundle, *, perception: str = "modelled", physics: str = "nominal") -> GraspTaskConfig:
    """The task that a bundle is scored on: its own goal and rate, the chosen physics and perception.

    Raises:
        SleightError: An option is unknown.
    """
    seen = {"modelled": PerceptionModel(), "exact": EXACT_PERCEPTION}
    varied = {"nominal": NOMINAL, "varied": ROBUST}
    if perception not in seen:
        raise SleightError("unknown perception", value=perception, remedy=f"choose one of {sorted(seen)}")
    if physics not in varied:
        raise SleightError("unknown physics", value=physics, remedy=f"choose one of {sorted(varied)}")
    task, period = bundle.manifest.task, bundle.manifest.control.period
    return GraspTaskConfig(
        hand=bundle.manifest.hand.name,
        control_period=period,
        goal_height=task.goal[2] - TABLE_HEIGHT,
        success_radius=task.success_radius,
        episode_steps=round(task.episode_time / period),
        hold_steps=round(task.hold_time / period),
        terms=tuple((term.name, term.scale) for term in bundle.manifest.observation),
        arm=arm_config(bundle.manifest.action),
        perception=seen[perception],
        randomisation=varied[physics],
    )


def evaluate(
    bundle_path: Path,
    objects: str,
    episodes: int,
    *,
    seed: int = 1000,
    mesh_scale: float = 1.0,
    perception: str = "modelled",
    physics: str = "nominal",
    engine: str = "mujoco",
    proposals: str = NONE,
    advance: Callable[[int], None] | None = None,
) -> tuple[GraspScore, Bundle]:
    """Run episodes with a bundle's policy and count.

    Args:
        bundle_path: The bundle's folder.
        objects: Object set; its objects share the episodes evenly.
        episodes: Number of episodes, each 200 control steps.
        seed: Seed of objects' poses, starts and sensor errors.
        mesh_scale: Metres per unit, for mesh files.
        perception: "modelled" (a camera's offset, noise, period and delay) or "exact".
        physics: "nominal", or "varied" as in training.
        engine: Physics engine, see `make_grasp_task`.
        proposals: Grasp proposals from which the grasps' distance D is measured, see `find_proposals`.
        advance: Called with the number of finished episodes.
    """
    if episodes < 1:
        raise SleightError("the number of episodes must be at least 1", value=episodes)
    check_engine(engine)
    table = load_hand(hand_of(bundle_path))
    bundle = load_bundle(bundle_path, table, simulation=True)
    config = evaluation_config(bundle, perception=perception, physics=physics)
    things = resolve_objects(objects, own=bundle.manifest.task.object.set, mesh_scale=mesh_scale)
    policy = PolicySession(bundle)
    found = find_proposals(proposals, objects, things[:episodes], hand_alone(table.name))
    score = GraspScore()
    done = 0
    while done < episodes:
        count = min(MAX_ENVS, episodes - done)
        chunk = [things[(done + i) % len(things)] for i in range(count)]
        chunk.sort(key=lambda thing: things.index(thing))
        options = {"seed": seed + done, "engine": engine}
        if found and any(thing.name in found.proposals for thing in chunk):
            task = make_proposal_task(_measured(config), chunk, count, found.proposals, config.reward, **options)
        else:
            task = make_grasp_task(config, chunk, count, **options)
        adopt(task, bundle)
        for row in _episodes(task, policy, score.watch):
            score.add(*row)
        done += count
        if advance:
            advance(count)
    return score, bundle


def adopt(task: GraspTask, bundle: Bundle) -> None:
    """Let a task observe and act as a bundle says, with the bundle's encoder where it wants object codes."""
    task.observation = ObservationBuilder(task.table, bundle.manifest.observation)
    task.action_spec = ActionSpec(task.table, bundle.manifest.action)
    if any(spec.name == TERM for spec in bundle.manifest.observation):
        add_codes(task, bundle_encode(bundle))


def _measured(config: GraspTaskConfig) -> GraspTaskConfig:
    """The task with a reward that tells the distance from proposals; it changes nothing else."""
    reward = config.reward.model_copy(update={"proposal": ProposalReward()})
    return config.model_copy(update={"reward": reward})


def _episodes(task: GraspTask, policy: PolicySession, watch: EpisodeWatch) -> list[tuple[ObjectSpec, bool, bool, bool]]:
    """Run one episode in every environment; one whose physics diverged has failed."""
    obs, _ = task.reset()
    results: dict[int, tuple[bool, bool, bool]] = {}
    watch.begin(task)
    alive = np.ones(task.num_envs, dtype=bool)
    for _ in range(task.config.episode_steps):
        action, weights = policy.act_batch_weighing(obs)
        result = task.step(action)
        obs = result.obs
        watch.step(task, weights, alive)
        if result.ended is not None:
            e = result.ended
            for i, *row in zip(e.ids, e.held, e.ever, e.touched, strict=True):
                results.setdefault(int(i), (bool(row[0]), bool(row[1]), bool(row[2])))
            alive[e.ids] = False
    return [(task.objects[i], *results[i]) for i in range(task.num_envs)]


def hand_of(bundle_path: Path) -> str:
    """Name of the hand that a bundle was trained for (the bundle is verified without a robot)."""
    return load_bundle(bundle_path, simulation=True).manifest.hand.name


def record_episodes(
    bundle: Bundle, objects: str, path: Path, *, seed: int = 1000, mesh_scale: float = 1.0, count: int = 6
) -> str:
    """Write a video of one episode with each of the first `count` objects.

    Returns:
        "" when it was written, or the reason why it cannot be rendered on this machine.
    """
    from sleight_sim.video import FPS, render_states, video_writer
    from sleight_sim.worlds.tabletop import build_model

    table = load_hand(bundle.manifest.hand.name)
    things = resolve_objects(objects, own=bundle.manifest.task.object.set, mesh_scale=mesh_scale)[:count]
    policy = PolicySession(bundle)
    try:
        with video_writer(path) as write:
            for thing in things:
                task = make_grasp_task(evaluation_config(bundle), [thing], 1, seed=seed)
                adopt(task, bundle)
                obs, _ = task.reset()
                states = []
                every = round(1.0 / (FPS * task.config.control_period))
                for step in range(task.config.episode_steps - 1):
                    obs = task.step(policy.act(obs[0]).action[None]).obs
                    if step % every == 0:
                        states.append(task.engine.positions()[0])
                render_states(build_model(table, thing, max_pieces=len(thing.pieces), visuals=True), states, write)
    except SleightError as error:
        path.unlink(missing_ok=True)
        return str(error)
    return ""
