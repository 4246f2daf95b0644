"""Clouds of DexCompose worlds: what ray-cast pictures show, moved with the joints, without what the hand hides."""

import mujoco
import numpy as np
import pytest
from scipy.spatial import KDTree
from sleight_sim.sensors.compare import cloud_overlap
from sleight_sim.sensors.depth import default_rig
from sleight_sim.sensors.stream import EXACT_CLOUD, CloudStream
from sleight_sim.sensors.visible import TABLE_GAP
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_sim.tasks.compose.sight import SceneView, scene_surface
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

B = 2


def started(name, count=B):
    task = make_compose_task(name, count, seed=5, num_threads=1)
    task.reset()
    return task


def look(task, count=600):
    view = SceneView(task.engine, count)
    ids = np.arange(task.num_envs)
    return view, *view.look(ids, tuple(part[ids] for part in view.watched(task.engine)))


def pictures(task, env):
    """Points of object and mechanism in ray-cast pictures of one environment."""
    world = task.engine.worlds[env]
    model, data = world.model, mujoco.MjData(world.model)
    data.qpos[:] = task.engine.positions()[env]
    if task.engine.joint_names:
        state = task.mechanism
        data.mocap_pos[0], data.mocap_quat[0] = state.base_pos[env], state.base_quat[env]
    mujoco.mj_kinematics(model, data)
    names = ("object", "base", *(f"{name}_body" for name in task.engine.joint_names))
    bodies = [model.body(name).id for name in names if name != "base" or task.engine.joint_names]
    parts = []
    for camera in default_rig(width=224, height=168):
        depth = camera.render(model, data)
        shown = camera.geoms
        mine = (shown >= 0) & np.isin(model.geom_bodyid[np.maximum(shown, 0)], bodies)
        depth[~mine] = np.nan
        parts.append(camera.points_world(depth))
    points = np.concatenate(parts)
    return points[points[:, 2] > TABLE_HEIGHT + TABLE_GAP]


@pytest.mark.parametrize("name", ["PushButton", "GraspBall", "PourMug", "OpenDoor", "OpenMicrowave", "TurnOnSwitch"])
def test_they_are_what_ray_cast_pictures_show(name):
    task = started(name)
    for _ in range(15):
        task.step(task.hold() - np.array([0.0, 0.0, 0.01, *[0.0] * 25]))
    _, points, seen = look(task, 20000)
    for env in range(B):
        mine = points[env][seen[env].any(axis=0)]
        overlap = cloud_overlap(mine, pictures(task, env), radius=0.012)
        assert overlap.modelled > 100 and overlap.cast > 100
        assert overlap.real > 0.94, (name, overlap)
        # The points are sparse, pixels are not.
        assert overlap.complete > 0.9, (name, overlap)


@pytest.mark.parametrize("name", TASKS)
def test_every_world_has_a_surface_of_its_own(name):
    task = started(name)
    surfaces = [scene_surface(world, 300) for world in task.engine.worlds]
    for world, surface in zip(task.engine.worlds, surfaces, strict=True):
        assert surface.points.shape == surface.normals.shape == (300, 3) and len(surface.geoms) == 300
        bodies = {world.model.body(int(world.model.geom_bodyid[geom])).name for geom in surface.geoms}
        links = {f"{name}_body" for name in task.engine.joint_names}
        assert bodies == ({"base"} | links if links else {"object"})
    again = scene_surface(task.engine.worlds[0], 300)
    assert np.array_equal(again.points, surfaces[0].points)


def test_points_move_with_the_joints():
    task = started("OpenMicrowave")
    view, before, seen = look(task)
    task.engine.set_mechanism(np.arange(B), np.full((B, 1), 1.0))
    _, after, _ = look(task)
    moved = np.linalg.norm(after - before, axis=-1)
    names = [task.engine.worlds[0].model.body(int(task.engine.worlds[0].model.geom_bodyid[g])).name
             for g in scene_surface(task.engine.worlds[0], 600).geoms]  # fmt: skip
    door = np.array([name == "hinge_body" for name in names])
    assert np.abs(moved[0, ~door]).max() < 1e-6 and moved[0, door].max() > 0.2
    assert seen.shape == (B, len(view.eyes), 600)


def test_a_hand_in_the_way_hides():
    task = started("GraspBall")
    _, _, free = look(task)
    joints = np.tile(task.table.posture("open"), (B, 1))
    over = task.sim.object_pos + [0.0, 0.10, 0.03]
    from sleight_sim.engines import InitialState

    initial = InitialState(joints, over, task.sim.wrist_quat, task.sim.object_pos, task.sim.object_quat)
    task.engine.reset_worlds(np.arange(B), initial, over, task.sim.wrist_quat)
    _, _, covered = look(task)
    assert covered.any(axis=1).sum() < 0.9 * free.any(axis=1).sum()


def test_a_world_that_diverged_is_seen_by_nobody():
    task = started("PushButton")
    view = SceneView(task.engine, 100)
    watched = [part.copy() for part in view.watched(task.engine)]
    watched[0][0, 3] = np.nan
    points, seen = view.look(np.arange(B), tuple(watched))
    assert not seen[0].any() and seen[1].any() and np.isfinite(points).all()
    _, whole = view.look(np.arange(B), tuple(watched), whole=True)
    assert whole.shape == (B, 1, 100) and whole[1].all()


def test_a_stream_of_them_has_the_students_errors():
    task = started("PushButton")
    model = EXACT_CLOUD.model_copy(update={"period": 2, "latency": 1, "spare": 4})
    clouds = CloudStream(model, SceneView(task.engine, 4 * 64), 64, B, seed=1)
    clouds.reset(np.arange(B), task.engine)
    first = clouds.current.copy()
    shown = pictures(task, 0)
    assert first.shape == (B, 64, 3) and KDTree(shown).query(first[0])[0].max() < 0.012
    for _ in range(4):
        task.step(task.hold())
        clouds.update(task.engine)
    assert not np.array_equal(clouds.current, first) and (clouds.seen_points > 20).all()
