"""A hand that does what it is told, and executors whose jobs end when a test says so."""

from concurrent.futures import Future

import numpy as np
from sleight_core.bundle import load_bundle
from sleight_core.compose.action import euler_to_quat
from sleight_core.compose.policy import ComposedPolicy
from sleight_core.observation import RobotState

from .builders import HAND, PERIOD, REST


class Slow:
    """An executor whose jobs end when the test says so."""

    def __init__(self):
        self.jobs = []

    def submit(self, fn, /, *args):
        future = Future()
        self.jobs.append((future, fn, args))
        return future

    def finish(self):
        """Run all that was asked for."""
        jobs, self.jobs = self.jobs, []
        for future, fn, args in jobs:
            try:
                future.set_result(fn(*args))
            except Exception as error:
                future.set_exception(error)


class AtOnce(Slow):
    """An executor whose jobs end at once."""

    def submit(self, fn, /, *args):
        future = super().submit(fn, *args)
        self.finish()
        return future


class Clock:
    """A clock that a test turns."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Robot:
    """The hand and its policy.

    Args:
        bundle: Folder of a bundle.
        executor: Runs the samplers.
    """

    def __init__(self, bundle, executor=None, *, simulation=False, samplers=None):
        loaded = load_bundle(bundle, HAND, period=PERIOD, simulation=simulation)
        self.clock = Clock()
        self.executor = executor or AtOnce()
        self.policy = ComposedPolicy(loaded, HAND, executor=self.executor, clock=self.clock, samplers=samplers)
        self.joints = np.clip(np.zeros(22), HAND.lower, HAND.upper)
        self.pos = REST[:3] + [0.05, 0.0, 0.02]
        self.quat = euler_to_quat(np.zeros(3))
        self.targets = self.joints[HAND.actuated_index].copy()
        self.twist = np.zeros(6)
        self.scene_cloud: np.ndarray | None = None
        self.privileged = {
            "object_pos": np.array([[0.0, 0.0, 0.7]]),
            "object_quat": np.array([[1.0, 0.0, 0.0, 0.0]]),
            "handle_pos": np.array([[0.0, 0.0, 0.65]]),
            "mechanism_joints": np.zeros((1, 1)),
        }

    def state(self):
        """What the policy is given."""
        zero = np.zeros((1, 3))
        return RobotState(
            joint_pos=self.joints[None],
            joint_vel=np.zeros((1, 22)),
            wrist_pos=self.pos[None],
            wrist_quat=self.quat[None],
            wrist_linvel=zero,
            wrist_angvel=zero,
            fingertip_wrench=np.zeros((1, 5, 6)),
            canonical_yaw=np.zeros(1),
            last_action=np.zeros((1, 24)),
            object_pos=zero,
            goal_pos=zero,
            scene_cloud=self.scene_cloud,
            privileged=self.privileged,
        )

    def tick(self):
        """One control tick: ask, and do it."""
        out = self.policy.tick(self.state(), self.targets, self.twist)
        self.clock.now += PERIOD
        self.targets = out.command.joint_targets[0]
        self.twist = out.command.wrist_twist[0]
        self.joints[HAND.actuated_index] += 0.3 * (self.targets - self.joints[HAND.actuated_index])
        self.pos = self.pos + PERIOD * self.twist[:3]
        return out

    def run(self, ticks):
        """Several; the last one's outcome."""
        return [self.tick() for _ in range(ticks)][-1]
