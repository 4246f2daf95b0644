"""Ray-cast depth cameras: geometry to the micrometre, noise as asked for, everything in view hit."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_sim.objects import household_object
from sleight_sim.sensors.depth import DepthCamera, DepthNoise, default_rig, to_world
from sleight_sim.worlds.tabletop import build_model

PALM_DOWN = [np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]


def ball_scene(pos: tuple[float, float, float], radius: float) -> tuple[mujoco.MjModel, mujoco.MjData]:
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.5, 0.5, 0.1], pos=[0, 0, 0.6])
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0], pos=pos)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.3, 0, 0], pos=[0, 0, 0.9], group=5)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return model, data


@pytest.fixture(scope="module")
def tabletop() -> tuple[mujoco.MjModel, mujoco.MjData]:
    obj = household_object("can", 0)
    model = build_model(load_hand("shadow"), obj)
    data = mujoco.MjData(model)
    data.joint("wrist").qpos[:] = [0.0, 0.0, 0.85, *PALM_DOWN]
    data.joint("object").qpos[:] = [0.0, 0.0, 0.6 + obj.stable_poses.heights[0], *obj.stable_poses.quats[0]]
    mujoco.mj_forward(model, data)
    return model, data


def test_points_lie_on_the_surfaces() -> None:
    centre, radius = np.array([0.05, -0.02, 0.66]), 0.04
    model, data = ball_scene(tuple(centre), radius)
    for camera in default_rig():
        depth = camera.render(model, data)
        assert depth.shape == (camera.height, camera.width) and depth.dtype == np.float32
        points = camera.points_world(depth)
        assert points.dtype == np.float32
        on_ball = np.abs(np.linalg.norm(points - centre, axis=1) - radius) < 1e-5
        on_table = np.abs(points[:, 2] - 0.6) < 1e-5
        assert (on_ball | on_table).all(), "a point floats: hidden groups must not be seen"
        assert on_ball.sum() > 80 and on_table.sum() > 1000


def test_optical_frame_is_x_right_y_down_z_forward() -> None:
    camera = DepthCamera("front", [0.0, -0.6, 0.9], [0.0, 0.0, 0.7])
    x, y, z = Rotation.from_quat(camera.pose[1], scalar_first=True).as_matrix().T
    np.testing.assert_allclose(x, [1, 0, 0], atol=1e-12)
    assert z @ np.array([0.0, 0.6, -0.2]) == pytest.approx(np.hypot(0.6, 0.2))
    assert y[2] < 0
    same = DepthCamera("again", camera.pose[0], quat=camera.pose[1])
    np.testing.assert_allclose(np.abs(same.pose[1] @ camera.pose[1]), 1.0)
    point = np.array([[0.01, 0.02, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(
        to_world(point, camera.pose)[0], camera.pose[0] + 0.01 * x + 0.02 * y + 0.5 * z, atol=1e-6
    )


def test_looking_straight_down_is_no_special_case() -> None:
    model, data = ball_scene((0.0, 0.0, 0.64), 0.04)
    camera = DepthCamera("top", [0.0, 0.0, 1.2], [0.0, 0.0, 0.6], width=33, height=33)
    assert camera.render(model, data)[16, 16] == pytest.approx(1.2 - 0.68, abs=1e-6)


def test_hand_object_and_table_are_all_seen(tabletop) -> None:
    model, data = tabletop
    seen: set[str] = set()
    for camera in default_rig():
        camera.render(model, data)
        seen |= {model.geom(int(g)).name for g in np.unique(camera._geom) if g >= 0}
    assert "table" in seen
    assert any(name.startswith("object_piece") for name in seen)
    assert sum(not name.startswith(("object_piece", "table")) for name in seen) > 5


def test_noise_is_what_it_says() -> None:
    model, data = ball_scene((0.0, 0.0, 0.64), 0.04)
    rng = np.random.default_rng(0)
    noise = DepthNoise(sigma=0.002, sigma_z2=0.0, dropout=0.05, edge_jump=0.0)
    camera = DepthCamera("c", [0.0, -0.6, 0.9], [0.0, 0.0, 0.65], noise=noise)
    clean, noisy = camera.render(model, data), camera.render(model, data, rng)
    error = (noisy - clean)[np.isfinite(noisy) & np.isfinite(clean)]
    assert error.std() == pytest.approx(0.002, rel=0.05)
    assert np.isnan(noisy[np.isfinite(clean)]).mean() == pytest.approx(0.05, abs=0.01)
    edges = DepthCamera("c", [0.0, -0.6, 0.9], [0.0, 0.0, 0.65], noise=DepthNoise(0, 0, 0, 0.02, 0.5, 0.5))
    changed = edges.render(model, data, rng)
    lost = np.isnan(changed) & np.isfinite(clean)
    flying = np.isfinite(changed) & (np.abs(changed - clean) > 1e-6)
    assert lost.sum() > 5 and flying.sum() > 5
    assert (lost | flying).mean() < 0.1


def test_same_seed_same_picture(tabletop) -> None:
    model, data = tabletop
    camera = default_rig(DepthNoise())[0]
    a, b = (camera.render(model, data, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"position": [0, 0, np.nan], "look_at": [0, 0, 0]}, "no position"),
        ({"position": [0, 0, 1], "look_at": [0, 0, 1]}, "its own position"),
        ({"position": [0, 0, 1]}, "either a point"),
        ({"position": [0, 0, 1], "quat": [0, 0, 0, 0]}, "unit quaternion"),
        ({"position": [0, 0, 1], "look_at": [0, 0, 0], "width": 0}, "no picture"),
        ({"position": [0, 0, 1], "look_at": [0, 0, 0], "fovy_deg": 180.0}, "no picture"),
    ],
)
def test_impossible_cameras_are_refused(arguments, what) -> None:
    with pytest.raises(SleightError, match=what):
        DepthCamera("c", **arguments)
