"""Dropped objects of every category come to rest in one of their resting poses, all in one model layout."""

import mujoco
import mujoco.batch
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sleight_sim.objects import ObjectSpec, add_object
from sleight_sim.objects.catalogue import CATEGORIES
from sleight_sim.objects.scaled import SCALES, catalogue_object, misfit, scaled_object

#: Objects that stay in the pose they are put down in, and dropped ones that end at a known resting height.
STAY, SETTLE = 0.97, 0.97


def scene(obj: ObjectSpec) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep = 1.0 / 180.0
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations = spec.option.ls_iterations = 10
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1])
    body = spec.worldbody.add_body(name="object")
    body.add_freejoint()
    add_object(spec, body, obj)
    return spec.compile()


def simulate(objects: list[ObjectSpec], quats: np.ndarray, heights: np.ndarray, steps: int) -> np.ndarray:
    """Let objects fall from their poses; return their final poses (N, 7)."""
    compiled = {id(obj): scene(obj) for obj in objects}
    models = [compiled[id(obj)] for obj in objects]
    batch = mujoco.batch.Batch(models[0], len(models), nthread=1)
    batch.set_models(models)
    qpos = batch.bind("qpos")
    qpos[:, 2], qpos[:, 3:] = heights, quats
    batch.step(nstep=steps)
    return qpos.copy()


def tilts(quats: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Angles (degrees) between the verticals of pairs of poses."""
    up = [Rotation.from_quat(q, scalar_first=True).inv().apply([0.0, 0.0, 1.0]) for q in (quats, others)]
    return np.degrees(np.arccos(np.clip((up[0] * up[1]).sum(axis=1), -1, 1)))


def sample(index: int) -> list[ObjectSpec]:
    return [catalogue_object(category, index) for category in CATEGORIES]


def assert_rest(objects: list[ObjectSpec]) -> None:
    cases = [(obj, k) for obj in objects for k in range(min(2, len(obj.stable_poses)))]
    quats = np.array([obj.stable_poses.quats[k] for obj, k in cases])
    heights = np.array([obj.stable_poses.heights[k] for obj, k in cases])
    ended = simulate([obj for obj, _ in cases], quats, heights + 0.003, steps=120)
    stayed = (tilts(quats, ended[:, 3:]) < 7.0) & (np.abs(ended[:, 2] - heights) < 0.003)
    moved = [f"{obj.name} pose {k}" for (obj, k), still in zip(cases, stayed, strict=True) if not still]
    assert stayed.mean() >= STAY, moved

    rng = np.random.default_rng(0)
    quats = rng.normal(size=(len(objects), 4))
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    low = [
        Rotation.from_quat(q, scalar_first=True).apply(obj.pieces.reshape(-1, 3))[:, 2].min()
        for obj, q in zip(objects, quats, strict=True)
    ]
    ended = simulate(objects, quats, 0.03 - np.array(low), steps=540)
    off = np.array([np.abs(obj.stable_poses.heights - z).min() for obj, z in zip(objects, ended[:, 2], strict=True)])
    assert (off < 0.003).mean() >= SETTLE, [obj.name for obj, d in zip(objects, off, strict=True) if d >= 0.003]


def test_one_of_every_category_rests() -> None:
    assert_rest(sample(4))


@pytest.mark.slow
def test_more_of_every_category_rest() -> None:
    large = [scaled_object(category, 5, SCALES[1]) for category in CATEGORIES]
    assert_rest([*sample(5), *sample(6), *(thing for thing in large if misfit(thing) is None)])
