"""The hand's shapes are where MuJoCo has them and where the fingertips' kinematics ends."""

import numpy as np
import pytest
from sleight_core.hand import FingertipKinematics
from sleight_core.hand.shapes import HandShapes
from sleight_core.rotations import quat_to_matrix
from sleight_description import load_hand

HAND = load_hand("shadow")


def posture(rng):
    quat = rng.normal(size=4)
    return rng.uniform(HAND.lower, HAND.upper), rng.normal(size=3), quat / np.linalg.norm(quat)


def test_distal_bodies_are_those_of_the_fingertips():
    shapes, kinematics = HandShapes(HAND), FingertipKinematics(HAND)
    columns = [shapes.body_names.index(finger.distal_body) for finger in HAND.fingers.values()]
    rng = np.random.default_rng(0)
    for _ in range(50):
        q, pos, quat = posture(rng)
        zero = np.zeros((1, 3))
        tips = kinematics.fingertips(q[None], 0 * q[None], pos[None], quat[None], zero, zero)
        body_pos, body_quat = shapes.bodies(q, pos, quat)
        assert np.allclose(body_pos[columns], tips.pos[0], atol=1e-12)
        assert np.allclose(body_quat[columns], tips.quat[0], atol=1e-12)


def test_shapes_are_where_mujoco_has_them():
    mujoco = pytest.importorskip("mujoco")
    from sleight_description.mjcf import add_hand

    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    add_hand(spec, HAND)
    model = spec.compile()
    data = mujoco.MjData(model)
    shapes = HandShapes(HAND)
    rng = np.random.default_rng(1)
    for _ in range(20):
        q, pos, quat = posture(rng)
        data.qpos[:7] = [*pos, *quat]
        for name, value in zip(HAND.joint_names, q, strict=True):
            data.qpos[model.joint(name).qposadr[0]] = value
        mujoco.mj_kinematics(model, data)
        placed = shapes.place(q, pos, quat)
        assert sum(len(group.names) for group in placed) == sum(len(body.collisions) for body in HAND.bodies)
        for group in placed:
            for name, where, turn, size in zip(group.names, group.pos, group.quat, group.size, strict=True):
                geom = data.geom(name)
                assert np.allclose(where, geom.xpos, atol=1e-9)
                assert np.allclose(quat_to_matrix(turn).ravel(), geom.xmat, atol=1e-9)
                assert np.allclose(size, model.geom(name).size, atol=1e-9)
