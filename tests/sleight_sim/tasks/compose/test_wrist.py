"""The wrist's position servo, and what is sent: inside limits and rates, as on the robot."""

import numpy as np
import pytest
from sleight_core.rotations import quat_conjugate, quat_multiply
from sleight_sim.tasks.compose.action import PALM_DOWN, euler_to_quat
from sleight_sim.tasks.compose.make import make_compose_task


def test_the_wrist_goes_where_it_is_told():
    task = make_compose_task("GraspBall", 3, seed=0, num_threads=1)
    task.reset()
    action = task.hold()
    action[:, :3] = [0.1, 0.2, 1.0]
    action[:, 3:6] = [0.5, 0.3, -1.2]
    for _ in range(60):
        task.step(action)
    assert task.sim.wrist_pos == pytest.approx(np.tile([0.1, 0.2, 1.0], (3, 1)), abs=2e-3)
    off = quat_multiply(task.sim.wrist_quat, quat_conjugate(euler_to_quat(action[:, 3:6])))
    assert np.abs(off[:, 1:]).max() < 5e-3


def test_what_is_sent_is_inside_limits_and_rates():
    task = make_compose_task("PushButton", 4, seed=0, num_threads=1)
    task.reset()
    rng = np.random.default_rng(0)
    last, twist, dt = task.sent_targets.copy(), task.sent_twist.copy(), task.config.control_period
    for _ in range(40):
        task.step(task.action.from_unit(rng.uniform(-1.2, 1.2, (4, 28))))
        assert (np.abs(task.sent_targets - last) <= task.joint_limits.velocity * dt + 1e-9).all()
        assert (np.abs(task.sent_twist - twist) <= task.wrist_limits.acceleration * dt + 1e-9).all()
        assert (np.abs(task.sent_twist) <= task.wrist_limits.speed + 1e-9).all()
        last, twist = task.sent_targets.copy(), task.sent_twist.copy()
    assert np.isfinite(task.engine.positions()).all()


def test_the_palm_faces_down_at_zero():
    assert euler_to_quat(np.zeros(3)) == pytest.approx(PALM_DOWN)
