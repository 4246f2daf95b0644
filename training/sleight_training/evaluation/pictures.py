"""Pictures of how a policy holds objects at the end of an episode (the paper's Figure 3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sleight_core.bundle import Bundle, PolicySession
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_sim.grasps.run import file_stem
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.tasks.grasp.make import make_grasp_task
from sleight_sim.video import render_states
from sleight_sim.worlds.tabletop import build_model

from sleight_training.evaluation.grasp import adopt, evaluation_config


def picture_file(folder: Path, name: str) -> Path:
    """Return where an object's picture is."""
    return folder / f"{file_stem(name)}.png"


def grasp_pictures(
    bundle: Bundle, objects: str, folder: Path, *, seed: int = 1000, mesh_scale: float = 1.0, count: int = 6
) -> str:
    """Write a picture of the last moment of one episode with each of the first `count` objects.

    Args:
        bundle: The policy.
        objects: Object set.
        folder: Of the pictures, see `picture_file`.
        seed: Seed of the starts.
        mesh_scale: Metres per unit of mesh files.
        count: Number of objects at most.

    Returns:
        "" when they were written, or the reason why nothing can be rendered on this machine.
    """
    from matplotlib.image import imsave

    table = load_hand(bundle.manifest.hand.name)
    things = resolve_objects(objects, own=bundle.manifest.task.object.set, mesh_scale=mesh_scale)[:count]
    policy = PolicySession(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    for thing in things:
        task = make_grasp_task(evaluation_config(bundle), [thing], 1, seed=seed)
        adopt(task, bundle)
        obs, _ = task.reset()
        for _ in range(task.config.episode_steps - 1):
            obs = task.step(policy.act(obs[0]).action[None]).obs
        frames: list[np.ndarray] = []
        world = build_model(table, thing, max_pieces=len(thing.pieces), visuals=True)
        try:
            render_states(world, [task.engine.positions()[0]], frames.append)
        except SleightError as error:
            return str(error)
        imsave(picture_file(folder, thing.name), frames[-1])
    return ""
