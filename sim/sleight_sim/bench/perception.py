"""Speed and error of perception on simulated clouds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import mujoco
import numpy as np
import typer
from sleight_core.benchmark import Figure, as_json, print_figures, write_json
from sleight_core.hand.shapes import HandShapes
from sleight_core.perception import PerceptionPipeline, PerceptionReason
from sleight_description import load_hand

from sleight_sim.objects.sets import resolve_objects
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.sensors.depth import DepthNoise, default_rig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.worlds.tabletop import TABLE_HEIGHT, build_model

app = typer.Typer(help=__doc__, add_completion=False)


def rest_clouds(thing: ObjectSpec, count: int, seed: int) -> tuple[list[np.ndarray], list, np.ndarray]:
    """Clouds of an object that rests on the table under the waiting hand.

    Args:
        thing: The object, in its most probable pose at a random place and yaw.
        count: Number of clouds.
        seed: Seed of place, yaw and camera errors.

    Returns:
        Clouds (N, 3) in the task frame, the hand's shapes, and the object's true position (3,) m.
    """
    table = load_hand("shadow")
    model = build_model(table, thing, max_pieces=len(thing.pieces))
    data = mujoco.MjData(model)
    rng = np.random.default_rng(seed)
    wrist, body = int(model.joint("wrist").qposadr[0]), int(model.joint("object").qposadr[0])
    wrist_pos = np.array([0.0, 0.0, TABLE_HEIGHT + 0.2])
    data.qpos[wrist : wrist + 7] = [*wrist_pos, *PALM_DOWN]
    turn = rng.uniform(-np.pi, np.pi)
    pose = np.empty(4)
    mujoco.mju_mulQuat(pose, np.array([np.cos(turn / 2), 0, 0, np.sin(turn / 2)]), thing.stable_poses.quats[0])
    position = np.array([*rng.uniform(-0.03, 0.03, 2), TABLE_HEIGHT + thing.stable_poses.heights[0]])
    data.qpos[body : body + 7] = [*position, *pose]
    mujoco.mj_kinematics(model, data)
    clouds = []
    cameras = default_rig(DepthNoise())
    for _ in range(count):
        clouds.append(np.concatenate([camera.points_world(camera.render(model, data, rng)) for camera in cameras]))
    shapes = HandShapes(table).place(np.zeros(len(table.joint_names)), wrist_pos, PALM_DOWN)
    return clouds, shapes, position


@app.command()
def perception(
    objects: Annotated[str, typer.Option("--objects", help="Object set.")] = "household:demo",
    clouds: Annotated[int, typer.Option(min=2, help="Clouds of each object.")] = 20,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure time a cloud, beside a bare Open3D clustering of the same points, and the error of the position."""
    import open3d

    times, bare, errors, lost = [], [], [], 0
    for k, thing in enumerate(resolve_objects(objects)):
        pipeline = PerceptionPipeline()
        seen, shapes, truth = rest_clouds(thing, clouds, seed=k)
        for i, cloud in enumerate(seen):
            begin = time.perf_counter()
            found = pipeline.update(cloud, shapes, i / 15.0)
            times.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            reference = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.astype(float)))
            np.asarray(reference.voxel_down_sample(0.005).cluster_dbscan(0.02, 4))
            bare.append(time.perf_counter() - begin)
            if found.reason == PerceptionReason.OK:
                errors.append(float(np.linalg.norm(found.position - truth)))
            else:
                lost += 1
    reference = "voxel grid and DBSCAN of the whole cloud"
    median, worst = (1e3 * float(np.percentile(times, q)) for q in (50, 99))
    figures = [
        Figure("cloud to object, p50", median, "ms", reference, 1e3 * float(np.median(bare))),
        Figure("cloud to object, p99", worst, "ms", reference, 1e3 * float(np.percentile(bare, 99))),
    ]
    print_figures(figures)
    content = as_json(
        figures,
        objects=objects,
        clouds=len(times),
        lost=lost,
        position_error_m={"median": float(np.median(errors)), "p99": float(np.percentile(errors, 99))},
    )
    print(f"position error: median {1e3 * np.median(errors):.1f} mm, p99 {1e3 * np.percentile(errors, 99):.1f} mm")
    if json_out is not None:
        write_json(json_out, content)
    raise typer.Exit(0 if content["passed"] else 1)
