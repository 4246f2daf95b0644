"""Speed, error and honesty of perception on simulated clouds, and what rendering them costs."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import mujoco
import numpy as np
import typer
from sleight_core.benchmark import Figure, as_json, print_figures, write_json
from sleight_core.perception import PerceptionConfig, PerceptionPipeline, PerceptionReason

from sleight_sim.bench.scenes import NOWHERE, SCENES, TabletopScene, Trouble, merged
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.sensors.depth import SEEN_GROUPS, DepthNoise, default_rig

app = typer.Typer(help=__doc__, add_completion=False)

#: Picture of each of three cameras, so that about 100,000 of their pixels have a depth.
LARGE = (276, 207)
#: What must hold.
CLOUD_TO_OBJECT_MS, CENTROID_MM, LOST_FRAMES, RENDER_RATIO = 15.0, 5.0, 3, 2.0
#: Clouds before a scene's errors count, and clouds after which a loss that was not told counts as never.
SETTLED, NEVER = 2, 15
#: How often the same clouds are timed: the least time of each is what it costs without what else the machine does.
PASSES = 3
#: Every so many clouds the reference is measured.
EVERY = 5


@dataclass(frozen=True)
class Speed:
    """What clouds cost: seconds of one core and by the clock (passes, clouds); of the reference (clouds)."""

    points: int
    core: np.ndarray
    wall: np.ndarray
    reference_core: np.ndarray
    reference_wall: np.ndarray


@dataclass(frozen=True)
class Rendering:
    """Seconds of one core for one set of pictures of the profiles' rig, and for its bare rays."""

    rig: float
    rays: float


def measure_speed(objects: str, clouds: int) -> Speed:
    """Time clouds of 100,000 points: each object at rest, and then grasped and lifted, without the first clouds.

    The same clouds are taken several times, each time by a pipeline that has seen nothing yet.
    """
    import open3d

    times, beside, points = [], [], []
    for k, thing in enumerate(resolve_objects(objects)):
        scene = TabletopScene(thing, k, width=LARGE[0], height=LARGE[1])
        _stand(scene, np.random.default_rng(k))
        looks = [scene.look() for _ in range(clouds)]
        looks += [scene.look() for _ in scene.grasp_and_lift(2 * clouds)]
        passes = np.empty((PASSES, len(looks), 2))
        for row in passes:
            pipeline = PerceptionPipeline()
            for i, (views, hand) in enumerate(looks):
                begin = time.process_time(), time.perf_counter()
                pipeline.update(views, hand, i / 30.0)
                row[i] = time.process_time() - begin[0], time.perf_counter() - begin[1]
        times.append(passes[:, SETTLED:])
        points += [sum(len(view.points) for view in views) for views, _ in looks]
        for views, _ in looks[::EVERY]:
            cloud = merged(views).astype(float)
            begin = time.process_time(), time.perf_counter()
            plain = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud))
            plain.voxel_down_sample(0.005).segment_plane(0.004, 3, 100)
            beside.append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
    core, wall = np.moveaxis(np.concatenate(times, axis=1), -1, 0)
    reference_core, reference_wall = np.array(beside).T
    return Speed(int(np.median(points)), core, wall, reference_core, reference_wall)


def measure_rendering(rounds: int = 12) -> Rendering:
    """Time the pictures of the profiles' three cameras with their noise, and the same rays alone; the best round."""
    scene = TabletopScene(resolve_objects("household:can:0")[0])
    scene.rest(0, 0.0, (0.0, 0.0))
    mujoco.mj_kinematics(scene.model, scene.data)
    rig, rng = default_rig(DepthNoise()), np.random.default_rng(0)
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        begin = time.process_time()
        for camera in rig:
            camera.points_optical(camera.render(scene.model, scene.data, rng))
        middle = time.process_time()
        for camera in rig:
            count = camera.width * camera.height
            geoms, distances = np.empty((count, 1), np.int32), np.empty((count, 1))
            rays, eye = np.ascontiguousarray(camera.directions.reshape(-1, 1)), camera.pose[0][:, None]
            mujoco.mj_multiRay(
                scene.model, scene.data, eye, rays, SEEN_GROUPS[:, None], True, -1, geoms, distances, None, count, 10.0,
            )  # fmt: skip
        times.append((middle - begin, time.process_time() - middle))
    return Rendering(*(float(row) for row in np.min(times, axis=0)))


def centroid_errors(things: list[ObjectSpec], trouble: Trouble, clouds: int, seed: int = 0) -> np.ndarray:
    """Distances (m) between estimate and truth over the clouds of one scene; infinite where no object was told.

    Args:
        things: Objects, each standing somewhere near the middle.
        trouble: The scene.
        clouds: Clouds of each object; the first two do not count.
        seed: Seed of places and cameras' errors.
    """
    errors = []
    for k, thing in enumerate(things):
        scene, rng = TabletopScene(thing, seed + k, trouble), np.random.default_rng(seed + k)
        truth = _stand(scene, rng)
        # Among other things perception must be told which one is meant, roughly.
        expected = tuple(truth + rng.uniform(-0.03, 0.03, 3)) if trouble.clutter else None
        pipeline = PerceptionPipeline(PerceptionConfig(expected=expected))
        for i in range(clouds):
            found = pipeline.update(*scene.look(), i / 30.0)
            if i >= SETTLED:
                good = found.reason == PerceptionReason.OK
                errors.append(float(np.linalg.norm(found.position - truth)) if good else np.inf)
    return np.array(errors)


def frames_until_told(thing: ObjectSpec, trouble: Trouble, *, held: bool, seed: int = 0) -> int:
    """Count the clouds after an object has vanished until one of them is answered with a reason.

    Args:
        thing: The object.
        trouble: The scene.
        held: Whether it vanishes from the closed hand, or from the table with the hand away.
        seed: Seed of place and cameras' errors.
    """
    scene = TabletopScene(thing, seed, trouble)
    truth = _stand(scene, np.random.default_rng(seed))
    pipeline = PerceptionPipeline(PerceptionConfig(expected=tuple(truth) if trouble.clutter else None))
    stamp = 0
    for _ in range(8):
        pipeline.update(*scene.look(), stamp / 30.0)
        stamp += 1
    if held:
        for _ in scene.grasp_and_lift(24):
            pipeline.update(*scene.look(), stamp / 30.0)
            stamp += 1
    scene.set_object(NOWHERE)
    for after in range(1, NEVER):
        found = pipeline.update(*scene.look(), (stamp + after) / 30.0)
        if found.reason != PerceptionReason.OK:
            return after
    return NEVER


def standing_pose(thing: ObjectSpec) -> int | None:
    """Return the likeliest resting pose in which the object's upright box is about its own; None if it always leans.

    The box of a leaning object in the upright world is another than its own, and no cloud tells which one is meant.
    """
    w, x, y, z = np.asarray(thing.stable_poses.quats).T
    ups = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1)
    straight = np.abs(ups).max(axis=1) > np.cos(np.deg2rad(3.0))
    # A ball and an egg have no side to lie on, nor has a box around them that leans.
    heights = thing.pieces.reshape(-1, 3) @ ups.T
    even = np.abs(heights.max(axis=0) + heights.min(axis=0)) < 0.002
    round_ = thing.family in ("sphere", "egg")
    found = np.flatnonzero(straight if straight.any() or not round_ else even)
    return int(found[0]) if len(found) else None


def _stand(scene: TabletopScene, rng: np.random.Generator) -> np.ndarray:
    pose = standing_pose(scene.thing) or 0
    return scene.rest(pose, float(rng.uniform(-np.pi, np.pi)), rng.uniform(-0.03, 0.03, 2).tolist())


def _in_one_thread() -> ProcessPoolExecutor:
    """Return a pool of one process with one thread for its numbers, as `perception_node` is one."""
    os.environ["OMP_NUM_THREADS"] = "1"
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def _speed_figures(speed: Speed) -> list[Figure]:
    name = f"{speed.points / 1000:.0f}k points to object"

    def of(what: str, q: float, times: np.ndarray, others: np.ndarray, bound: float | None = None) -> Figure:
        measured, beside = 1e3 * float(np.percentile(times, q)), 1e3 * float(np.percentile(others, q))
        return Figure(f"{name}, {what}", measured, "ms", "voxel grid and RANSAC plane alone", beside, bound)

    least = speed.core.min(axis=0)
    return [
        of("p50, one core", 50, least, speed.reference_core),
        of("p99, one core", 99, least, speed.reference_core, CLOUD_TO_OBJECT_MS),
        of("p50, by the clock", 50, speed.wall, speed.reference_wall),
        of("p99, by the clock", 99, speed.wall, speed.reference_wall),
    ]


@app.command()
def perception(
    objects: Annotated[str, typer.Option("--objects", help="Object set.")] = "household:demo",
    clouds: Annotated[int, typer.Option(min=4, help="Clouds of each object, in each scene.")] = 12,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure what a cloud costs once an object is followed, how far off it is, and when a loss is told."""
    things = [thing for thing in resolve_objects(objects) if standing_pose(thing) is not None]
    with _in_one_thread() as pool:
        speed = pool.submit(measure_speed, objects, clouds).result()
        rendering = pool.submit(measure_rendering).result()
        figures = _speed_figures(speed)
        plain = 0.0
        for name, trouble in SCENES.items():
            errors = 1e3 * pool.submit(centroid_errors, things, trouble, clouds).result()
            plain = plain or float(np.percentile(errors, 99))
            row = float(np.percentile(errors, 99))
            figures.append(Figure(f"centroid error p99, {name}", row, "mm", "plain scene", plain, CENTROID_MM))
        for name, trouble, held in (
            ("from the table", Trouble(), False),
            ("beside clutter", SCENES["clutter"], False),
            ("from the hand", Trouble(), True),
        ):
            told = [pool.submit(frames_until_told, thing, trouble, held=held, seed=k) for k, thing in enumerate(things)]
            worst = float(max(future.result() for future in told))
            figures.append(Figure(f"lost {name}: told after", worst, "clouds", "the first", 1.0, LOST_FRAMES))
    figures.append(
        Figure("three cameras at 15 Hz", 15 * rendering.rig, "cores", "the same rays alone", 15 * rendering.rays,
               RENDER_RATIO, of_ratio=True)
    )  # fmt: skip
    print_figures(figures)
    content = as_json(
        figures, objects=objects, things=[thing.name for thing in things], clouds=int(speed.core.shape[1])
    )
    if json_out is not None:
        write_json(json_out, content)
    raise typer.Exit(0 if content["passed"] else 1)
