"""Randomisation: inside its ranges, different between environments, the same for the same seed."""

import numpy as np
import pytest
from pydantic import ValidationError
from sleight_core.rotations import quat_rotate
from sleight_sim.tasks.compose.action import euler_to_quat, quat_to_euler
from sleight_sim.tasks.compose.config import TASKS, StartConfig
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_sim.tasks.compose.variation import draw_starts, draw_world
from sleight_sim.worlds.tabletop import TABLE_HEIGHT


@pytest.mark.parametrize("name", TASKS)
def test_draws_stay_in_range_and_differ(name):
    config = TASKS[name]
    rng = np.random.default_rng(0)
    draws = [draw_world(config, rng) for _ in range(200)]
    for part, ranges in (("thing", config.object), ("mechanism", config.mechanism)):
        if ranges is None:
            assert all(getattr(draw, part) is None for draw in draws)
            continue
        for field, bounds in ranges:
            if field == "kind":
                continue
            values = np.array([getattr(getattr(draw, part), field) for draw in draws])
            assert values.min() >= bounds[0] and values.max() <= bounds[1]
            assert np.ptp(values) >= 0.8 * (bounds[1] - bounds[0])


@pytest.mark.parametrize("name", TASKS)
def test_starts_stay_in_range(name):
    config = TASKS[name]
    starts = draw_starts(config, np.full(300, 0.04), np.random.default_rng(1))
    start = config.start
    for axis, (low, high) in enumerate((start.x, start.y)):
        assert (starts.place_pos[:, axis] >= low).all() and (starts.place_pos[:, axis] <= high).all()
    assert starts.place_pos[:, 2] == pytest.approx(TABLE_HEIGHT + 0.04)
    low, high = start.wrist_pos
    assert (starts.wrist_pos >= low).all() and (starts.wrist_pos <= high).all()
    if abs(start.wrist_euler[2]) < 1:
        off = quat_to_euler(starts.wrist_quat) - start.wrist_euler
        assert np.abs(off[:, 0]).max() <= start.wrist_turn + 1e-9 and np.abs(off[:, 1:]).max() < 1e-9
    heading = quat_rotate(starts.place_quat, np.tile([0.0, 1.0, 0.0], (300, 1)))
    yaw = np.arctan2(-heading[:, 0], heading[:, 1])
    assert yaw.min() >= start.yaw[0] - 1e-9 and yaw.max() <= start.yaw[1] + 1e-9


@pytest.mark.parametrize("name", ["PourMug", "OpenDoor"])
def test_a_seed_gives_the_same_worlds_and_starts(name):
    first, again, other = (make_compose_task(name, 3, seed=seed, num_threads=1) for seed in (7, 7, 8))
    for task in (first, again, other):
        task.reset()
    assert [w.draw for w in first.engine.worlds] == [w.draw for w in again.engine.worlds]
    assert [w.draw for w in first.engine.worlds] != [w.draw for w in other.engine.worlds]
    assert (first.engine.positions() == again.engine.positions()).all()
    assert not (first.engine.positions() == other.engine.positions()).all()


def test_only_the_named_environments_start_anew():
    task = make_compose_task("PushButton", 4, num_threads=1)
    task.reset()
    for _ in range(3):
        task.step(task.hold())
    before = task.starts.place_pos.copy()
    task.reset([1, 3])
    assert (task.step_count == [3, 0, 3, 0]).all()
    assert ((task.starts.place_pos == before).all(axis=1) == [True, False, True, False]).all()
    assert task.mechanism.base_pos == pytest.approx(task.starts.place_pos)


def test_ranges_are_checked():
    with pytest.raises(ValidationError, match="lower end first"):
        StartConfig(x=(0.1, 0.0), wrist_pos=((0, 0, 0), (1, 1, 1)))


def test_euler_angles_go_there_and_back():
    euler = np.random.default_rng(0).uniform([-3, -1.4, -3], [3, 1.4, 3], (200, 3))
    assert quat_to_euler(euler_to_quat(euler)) == pytest.approx(euler, abs=1e-9)
