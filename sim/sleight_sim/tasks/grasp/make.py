"""Build the grasp task from names: hand, objects, engine."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import mujoco
import numpy as np
from sleight_core.errors import SleightError
from sleight_core.observation.terms import cloud_points
from sleight_description import load_hand

from sleight_sim.engines import Engine
from sleight_sim.engines.isaacgym.locate import isaacgym_python
from sleight_sim.engines.mujoco_batch import MujocoBatchEngine
from sleight_sim.engines.warp_model import require_warp
from sleight_sim.objects.spec import ObjectSpec, make_spec
from sleight_sim.sensors.visible import EXACT_CLOUD, CloudModel, VisibleClouds
from sleight_sim.tasks.grasp.config import EXACT_PERCEPTION, GraspTaskConfig, RandomisationConfig
from sleight_sim.tasks.grasp.env import GraspTask
from sleight_sim.worlds.shared import share_worlds
from sleight_sim.worlds.tabletop import PhysicsVariation, SolverOptions, build_model

#: Engines that run the grasp task.
ENGINES = ("mujoco", "mujoco_warp", "isaacgym")


def make_grasp_task(
    config: GraspTaskConfig,
    objects: list[ObjectSpec],
    num_envs: int,
    *,
    seed: int = 0,
    num_threads: int = 0,
    max_models: int = 64,
    engine: str = "mujoco",
    device: str | None = None,
    arrays: str = "numpy",
    clouds: CloudModel | None = None,
) -> GraspTask:
    """Build the task with `objects` spread evenly over the environments.

    Args:
        config: The task.
        objects: At least one object.
        num_envs: Number of environments.
        seed: Seed of the physics variations, starts and sensor errors.
        num_threads: Physics threads; 0 for one a core.
        max_models: With randomised physics, how many different models are compiled at most (environments share them).
        engine: "mujoco" (CPU), "mujoco_warp" (GPU; without one on the CPU, slowly), or "isaacgym" (docs/isaac.md).
        device: Device of the GPU engines, e.g. "cuda:1"; None: the first GPU, or for mujoco_warp the CPU without one.
        arrays: "numpy", or "torch" for a task that stays on the device of mujoco_warp.
        clouds: How the objects' clouds are perceived, where an observation has a term for them; default: as cameras
            see them, with errors unless `config.perception` is exact.

    Raises:
        SleightError: There is no object, the engine is not one of ours or not installed, or it does not have these
            arrays.
    """
    if not objects:
        raise SleightError("no objects to grasp")
    check_engine(engine)
    points = cloud_points(name for name, _ in (*config.terms, *config.critic_terms))
    if arrays != "numpy" and (arrays, engine) != ("torch", "mujoco_warp"):
        raise SleightError("this engine has no such arrays", value=f"{engine}, {arrays}", remedy="use numpy")
    if arrays == "torch" and points:
        raise SleightError("clouds of objects are made on the host", value=f"arrays={arrays}", remedy="use numpy")
    table = load_hand(config.hand)
    if config.wrist_torque is not None:
        table = table.model_copy(update={"wrist": table.wrist.model_copy(update={"torque": config.wrist_torque})})
    per_env = [objects[i * len(objects) // num_envs] for i in range(num_envs)]
    rng = np.random.default_rng((seed, 7))
    varied = config.randomisation
    random_physics = any(getattr(varied, name) != (1.0, 1.0) for name in ("size", "stretch", *_PHYSICS))
    copies = max(1, min(max_models, num_envs) // len(objects)) if random_physics else 1
    options = SolverOptions(timestep=config.control_period / config.substeps, elliptic=config.cone == "elliptic")
    pieces = max(len(thing.pieces) for thing in objects)
    pool: dict[tuple[str, int], int] = {}
    models: list[mujoco.MjModel] = []
    things: list[ObjectSpec] = []
    variations: list[PhysicsVariation] = []
    variant = []
    for i, thing in enumerate(per_env):
        key = (thing.name, i % copies)
        if key not in pool:
            pool[key] = len(models)
            things.append(resize(thing, varied, rng))
            variations.append(draw_variation(varied, rng) if random_physics else PhysicsVariation())
            own = replace(options, variation=variations[-1])
            models.append(build_model(table, things[-1], own, max_pieces=pieces))
        variant.append(pool[key])
    runner: Engine
    if engine == "mujoco_warp":
        from sleight_sim.engines.mujoco_warp import MujocoWarpEngine, WarpOptions

        worlds = share_worlds(table, things, models, options, max_pieces=pieces)
        where = WarpOptions(device, arrays=arrays)
        runner = MujocoWarpEngine(table, worlds, variant, substeps=config.substeps, options=where)
    elif engine == "isaacgym":
        from sleight_sim.engines.isaacgym.engine import GymOptions, IsaacGymEngine

        how = GymOptions(config.substeps, config.control_period, device)
        runner = IsaacGymEngine(table, things, variations, variant, models[0], how)
    else:
        each = [models[k] for k in variant]
        runner = MujocoBatchEngine(table, each, substeps=config.substeps, num_threads=num_threads)
    per_env = [things[k] for k in variant]
    task = GraspTask(runner, per_env, config, seed=seed)
    if points:
        clouds = clouds or (EXACT_CLOUD if config.perception == EXACT_PERCEPTION else CloudModel())
        task.clouds = VisibleClouds(clouds, table, per_env, points, seed=seed)
    return task


def check_engine(name: str) -> None:
    """Refuse an engine that cannot run here.

    Raises:
        SleightError: It is not one of ours, or not installed.
    """
    if name not in ENGINES:
        raise SleightError("this engine cannot run the grasp task", value=name, remedy=f"choose one of {ENGINES}")
    if name == "mujoco_warp":
        require_warp()
    if name == "isaacgym":
        isaacgym_python()


_PHYSICS = ("mass", "friction", "stiffness", "damping", "wrist_gain")


def draw_variation(config: RandomisationConfig, rng: np.random.Generator) -> PhysicsVariation:
    """Draw one environment's physics, log-uniform in each range."""
    return PhysicsVariation(**{name: float(np.exp(rng.uniform(*np.log(getattr(config, name))))) for name in _PHYSICS})


def resize(thing: ObjectSpec, config: RandomisationConfig, rng: np.random.Generator, tries: int = 8) -> ObjectSpec:
    """Draw another size and other proportions for an object, at its density.

    What comes out too tall for the hand's start is drawn again; after `tries` the object stays as it is.
    """
    if config.size == config.stretch == (1.0, 1.0):
        return thing
    for _ in range(tries):
        size = np.exp(rng.uniform(*np.log(config.size)))
        factors = size * np.exp(rng.uniform(*np.log(config.stretch), size=3))
        with contextlib.suppress(SleightError):
            return make_spec(
                thing.name,
                thing.family,
                thing.pieces * factors,
                density=thing.mass / thing.volume,
                friction=thing.friction,
            )
    return thing
