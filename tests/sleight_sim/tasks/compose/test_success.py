"""Success conditions, by putting objects and joints where they count and just where they do not."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS, InteractionSuccess
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_sim.tasks.compose.success import interaction_reached
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

UPRIGHT, LYING = np.array([1.0, 0, 0, 0]), np.array([np.sqrt(0.5), 0, np.sqrt(0.5), 0])


def tilted(angle):
    return np.array([np.cos(angle / 2), np.sin(angle / 2), 0, 0])


def reached(task, height, quat, xy=(0.0, 0.0)):
    pos = np.column_stack([np.tile(xy, (task.num_envs, 1)), np.full(task.num_envs, TABLE_HEIGHT) + height])
    task.engine.set_object(np.arange(task.num_envs), pos, np.tile(quat, (task.num_envs, 1)))
    task.refresh()
    return task.reached()


@pytest.mark.parametrize("name", ["GraspBall", "GraspCube"])
def test_near_the_target(name):
    task = make_compose_task(name, 3, num_threads=1)
    task.reset()
    assert not task.reached().any()
    assert reached(task, 0.2, UPRIGHT).all()
    assert reached(task, 0.2, LYING, (0.049, 0)).all()
    assert not reached(task, 0.2, UPRIGHT, (0.051, 0)).any()


@pytest.mark.parametrize(
    ("name", "lift", "right", "wrong"),
    [
        ("PickCan", 0.10, tilted(0.4), tilted(0.6)),
        ("PickStick", 0.10, tilted(np.pi / 2 + 0.4), tilted(0.9)),
        ("PourMug", 0.08, tilted(1.2), tilted(0.9)),
    ],
)
def test_lifted_and_oriented(name, lift, right, wrong):
    task = make_compose_task(name, 3, num_threads=1)
    task.reset()
    assert not task.reached().any()
    assert reached(task, task.rest + lift + 0.001, right).all()
    assert not reached(task, task.rest + lift - 0.001, right).any()
    assert not reached(task, task.rest + lift + 0.001, wrong).any()


@pytest.mark.parametrize(
    ("name", "joint", "least"),
    [
        ("OpenDoor", "hinge", 0.5236),
        ("OpenMicrowave", "hinge", 0.7854),
        ("PushButton", "button", 0.010),
        ("OpenDrawer", "drawer", 0.12),
        ("TurnOnSwitch", "switch", None),
    ],
)
def test_moved_far_enough(name, joint, least):
    task = make_compose_task(name, 3, num_threads=1)
    task.reset()
    engine, i = task.engine, task.engine.joint_names.index(joint)
    threshold = engine.lower[:, i] + 0.8 * (engine.upper - engine.lower)[:, i] if least is None else np.full(3, least)
    assert not task.reached().any()
    for off, done in ((-1e-3, False), (1e-3, True)):
        positions = engine.joint_start.copy()
        positions[:, i] = threshold + off
        engine.set_mechanism(np.arange(3), positions)
        task.refresh()
        assert (task.reached() == done).all()


def test_thresholds_can_be_reached_in_every_world():
    for name, config in TASKS.items():
        if isinstance(config.success, InteractionSuccess):
            engine = make_compose_task(name, 16, num_threads=1).engine
            assert interaction_reached(
                config.success, engine.joint_names, 0.99 * engine.upper, engine.lower, engine.upper
            ).all()


def test_success_needs_its_steps_in_a_row_and_is_remembered():
    config = TASKS["OpenDrawer"]
    config = config.model_copy(update={"success": config.success.model_copy(update={"hold_steps": 3})})
    task = make_compose_task(config, 2, num_threads=1)
    task.reset()
    task.engine.set_mechanism(np.arange(2), np.full((2, 1), 0.15))
    task.refresh()
    got = [bool(task.step(task.hold()).success.all()) for _ in range(4)]
    assert got == [False, False, True, True]
    task.engine.set_mechanism(np.arange(2), np.zeros((2, 1)))
    task.refresh()
    result = task.step(task.hold())
    assert not result.success.any() and result.succeeded.all()


def test_a_joint_that_does_not_exist_is_refused():
    zero = np.zeros((1, 1))
    with pytest.raises(SleightError, match="no such joint"):
        interaction_reached(InteractionSuccess(joint="flap", opening=0.1), ("hinge",), zero, zero, zero)
