"""The simulated robot is the task's world, run in real time."""

import time

import numpy as np
import pytest

pytest.importorskip("mujoco")

from sleight_description import load_hand
from sleight_ros.simulation.realtime import RealtimeWorld
from sleight_ros.simulation.world import TabletopWorld
from sleight_sim.engines import InitialState
from sleight_sim.engines.mujoco_batch import MujocoBatchEngine
from sleight_sim.objects import household_object
from sleight_sim.tasks.grasp.config import GraspTaskConfig

CONFIG = GraspTaskConfig()
THING = household_object("mug", 0)


def make_world(hand):
    world = TabletopWorld(hand, CONFIG, THING)
    world.reset(np.random.default_rng(3))
    return world


@pytest.fixture(scope="module")
def hand():
    return load_hand("shadow")


@pytest.mark.parametrize("name", ["shadow", "leap_ur5e"])
def test_the_world_moves_as_the_training_engine_does(name):
    hand = load_hand(name)
    world = make_world(hand)
    first = world.read()
    engine = MujocoBatchEngine(hand, [world.model], substeps=CONFIG.substeps, num_threads=1)
    pos, quat = world.object_pose()
    start = InitialState(first.joint_pos[None], first.wrist_pos[None], first.wrist_quat[None], pos[None], quat[None])
    engine.reset(np.arange(1), start)
    rng = np.random.default_rng(0)
    targets = first.joint_pos[hand.actuated_index]
    for _ in range(40):
        targets = np.clip(targets + rng.uniform(-0.05, 0.05, len(targets)), hand.actuated_lower, hand.actuated_upper)
        twist = rng.uniform(-0.2, 0.2, 6)
        engine.step(targets[None], twist[None])
        world.command_joints(targets)
        world.command_twist(twist)
        for _ in range(CONFIG.substeps):
            world.step()
        mine, theirs = world.read(), engine.state()
        assert np.allclose(mine.joint_pos, theirs.joint_pos[0], atol=1e-9)
        assert np.allclose(mine.wrist_pos, theirs.wrist_pos[0], atol=1e-9)
        assert np.allclose(mine.wrist_angvel, theirs.wrist_angvel[0], atol=1e-8)
        assert np.allclose(mine.wrenches, theirs.fingertip_wrench[0], atol=1e-7)
        assert np.allclose(world.object_pose()[0], theirs.object_pos[0], atol=1e-9)


def test_starts_are_those_of_the_task(hand):
    world = make_world(hand)
    rng = np.random.default_rng(1)
    for _ in range(20):
        world.reset(rng)
        reading, (pos, quat) = world.read(), world.object_pose()
        assert np.allclose(reading.wrist_pos, [0, 0, 0.8]) and not reading.joint_pos.any()
        assert np.abs(pos[:2]).max() <= CONFIG.object_xy and pos[2] >= 0.6 + CONFIG.start_height - 1e-9
        assert np.linalg.norm(quat) == pytest.approx(1.0)
    again, other = make_world(hand), make_world(hand)
    assert np.array_equal(again.data.qpos, other.data.qpos), "a seed gives the same start"


class Listener:
    def __init__(self):
        self.rows = []

    def __call__(self, stamp, reading, episode):
        self.rows.append((stamp, reading, episode))


def start(hand, tmp_path=None, **options):
    listener = Listener()
    options = {"episode_steps": 20, "driver_timeout": 0.1, **options}
    loop = RealtimeWorld(make_world(hand), listener, log_folder=tmp_path, **options)
    loop.start()
    return loop, listener


def wait(condition, timeout=10.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.serial
def test_an_episode_begins_with_the_first_command_and_ends_after_its_steps(hand, tmp_path):
    loop, heard = start(hand, tmp_path)
    try:
        loop.reset(THING, np.random.default_rng(0))
        wait(lambda: heard.rows and heard.rows[-1][2].episode == 1)
        time.sleep(0.1)
        assert heard.rows[-1][2].step == 0
        loop.command_joints(hand.actuated_lower.copy())
        wait(lambda: heard.rows[-1][2].done)
        last = heard.rows[-1][2]
        assert last.step == 20 and not last.success and last.name == THING.name
        loop.reset(THING, np.random.default_rng(0))
        wait(lambda: heard.rows[-1][2].episode == 2)
        assert heard.rows[-1][2].step == 0 and not heard.rows[-1][2].done
    finally:
        loop.stop()
    assert not loop.failure
    with np.load(tmp_path / "episode_001.npz") as data:
        assert len(data["stamps"]) == len(data["qpos"]) >= 20 and str(data["name"]) == THING.name
    assert (tmp_path / "episode_002.npz").exists()


@pytest.mark.serial
def test_the_driver_keeps_the_joints_and_drops_an_old_twist(hand):
    loop, heard = start(hand, driver_timeout=0.05)
    try:
        target = hand.actuated_lower + 0.3 * (hand.actuated_upper - hand.actuated_lower)
        loop.command_joints(target)
        for _ in range(20):
            loop.command_twist(np.array([0.0, 0.0, 0.1, 0.0, 0.0, 0.0]))
            time.sleep(0.02)
        assert heard.rows[-1][1].wrist_linvel[2] > 0.05
        time.sleep(0.4)
        assert abs(heard.rows[-1][1].wrist_linvel[2]) < 0.01
        assert np.abs(heard.rows[-1][1].joint_pos[hand.actuated_index] - target).max() < 0.2
    finally:
        loop.stop()


@pytest.mark.serial
def test_simulated_time_advances_by_exact_periods(hand):
    loop, heard = start(hand, sim_clock=True)
    try:
        wait(lambda: len(heard.rows) > 30)
    finally:
        loop.stop()
    stamps = np.array([row[0] for row in heard.rows])
    assert np.abs(np.diff(stamps) - 1e9 / 60).max() <= 1
