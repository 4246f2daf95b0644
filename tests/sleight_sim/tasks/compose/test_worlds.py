"""Every world compiles, stays quiet under a hand that does nothing, and its joints do what they are meant to."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.engine import ComposeEngine, Snapshot
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import compose_hand, make_compose_task
from sleight_sim.tasks.compose.variation import WorldDraw, draw_world
from sleight_sim.tasks.compose.world import build_world

B = 4


def started(name, **kwargs):
    task = make_compose_task(name, B, seed=3, num_threads=1, **kwargs)
    task.reset()
    return task


def wait(task, seconds, pushes=None):
    if pushes is not None:
        task.engine.push_mechanism(np.tile(pushes, (B, 1)))
    action = task.hold()
    for _ in range(round(seconds / task.config.control_period)):
        result = task.step(action)
    return result


def put(task, positions):
    task.engine.set_mechanism(np.arange(B), positions)
    task.refresh()


def drawn(task, part, field):
    return np.array([getattr(getattr(world.draw, part), field) for world in task.engine.worlds])


@pytest.mark.parametrize("name", TASKS)
def test_nothing_moves_for_two_seconds_when_the_hand_holds_still(name):
    task = started(name)
    place, wrist = task.sim.object_pos.copy(), task.sim.wrist_pos.copy()
    result = wait(task, 2.0)
    assert not result.failed.any() and not result.succeeded.any()
    assert np.abs(task.sim.object_pos - place).max() < 2e-3
    assert np.abs(task.sim.wrist_pos - wrist).max() < 1e-3
    if task.engine.joint_names:
        assert np.abs(task.mechanism.joint_pos - task.engine.joint_start).max() < 0.03
        assert np.abs(task.mechanism.joint_vel).max() < 1e-2


@pytest.mark.parametrize("name", TASKS)
def test_observations_have_the_papers_size(name):
    task = started(name)
    terms = task.observe()
    assert 32 <= task.observation.size <= 37
    assert {key: value.shape for key, value in terms.items()} == {
        key: (B, size) for key, size in task.observation.sizes.items()
    }
    assert task.observation.concatenate(terms).shape == (B, task.observation.size)
    assert np.abs(terms["hand_joints"]).max() <= 1.0 + 1e-6


def test_the_button_yields_and_its_spring_brings_it_back():
    task = started("PushButton")
    assert wait(task, 0.7, [12.0]).success.all()
    task.engine.push_mechanism(np.zeros((B, 1)))
    wait(task, 0.3)
    assert np.abs(task.mechanism.joint_pos).max() < 0.002


@pytest.mark.parametrize("share", [0.05, 0.35, 0.65, 0.95])
def test_the_switch_stays_at_either_end_only(share):
    task = started("TurnOnSwitch")
    span = task.engine.upper - task.engine.lower
    put(task, task.engine.lower + share * span)
    result = wait(task, 0.7)
    ended = (task.mechanism.joint_pos - task.engine.lower) / span
    assert ended == pytest.approx(1.0 if share > 0.5 else 0.0, abs=0.05)
    assert (result.success == (share > 0.5)).all()


def test_the_microwaves_detent_holds_until_its_torque_is_passed():
    snap = drawn(started("OpenMicrowave"), "mechanism", "snap")
    for share, opens in ((0.8, False), (1.3, True)):
        task = started("OpenMicrowave")
        friction = drawn(task, "mechanism", "friction_loss")
        task.engine.push_mechanism((share * snap + opens * friction)[:, None])
        wait(task, 1.0)
        assert ((task.mechanism.joint_pos > 0.3) == opens).all()


def test_the_microwave_draws_shut_from_before_its_centre_and_stays_open_beyond():
    task = started("OpenMicrowave")
    put(task, np.full((B, 1), 0.06))
    wait(task, 1.5)
    assert np.abs(task.mechanism.joint_pos).max() < 0.02
    put(task, np.full((B, 1), 0.6))
    wait(task, 1.0)
    assert task.mechanism.joint_pos == pytest.approx(0.6, abs=0.02)


def test_the_door_is_latched_until_the_lever_is_down_and_the_lever_returns():
    task = started("OpenDoor")
    wait(task, 1.0, [10.0, 0.0])
    assert np.abs(task.mechanism.joint_pos[:, 0]).max() < 0.02
    wait(task, 0.5, [0.0, 2.0])
    assert (task.mechanism.joint_pos[:, 1] > 0.6).all()
    assert wait(task, 1.0, [2.0, 2.0]).succeeded.all()
    wait(task, 0.7, [0.0, 0.0])
    assert np.abs(task.mechanism.joint_pos[:, 1]).max() < 0.02


def test_the_drawer_stays_where_it_is_pulled_to():
    task = started("OpenDrawer")
    put(task, np.full((B, 1), 0.1))
    wait(task, 1.0)
    assert task.mechanism.joint_pos == pytest.approx(0.1, abs=1e-3)
    assert wait(task, 1.0, [6.0]).succeeded.all()


@pytest.mark.parametrize("name", [name for name, config in TASKS.items() if config.role == "interaction"])
def test_the_handle_is_where_the_physics_has_it(name):
    task = started(name)
    sites = task.engine.batch.bind("site_xpos")
    put(task, task.engine.lower + 0.7 * (task.engine.upper - task.engine.lower))
    site = task.engine.worlds[0].model.site("handle").id
    assert task.mechanism.handle_pos == pytest.approx(sites[:, site], abs=1e-9)


def test_a_composition_of_any_two_tasks_is_one_world():
    table, rng = compose_hand(TASKS["PickCan"]), np.random.default_rng(0)
    for first in ("PourMug", "PickStick"):
        for second in ("OpenDoor", "OpenMicrowave"):
            thing, mechanism = draw_world(TASKS[first], rng).thing, draw_world(TASKS[second], rng).mechanism
            world = build_world(table, WorldDraw(thing, mechanism), 1 / 180)
            task = ComposeTask(ComposeEngine(table, [world, world], num_threads=1), TASKS[second])
            task.reset()
            for _ in range(3):
                result = task.step(task.hold())
            assert not result.failed.any()


def test_worlds_of_one_task_share_a_layout_but_not_a_draw():
    task = started("PourMug")
    worlds = task.engine.worlds
    assert len(set(drawn(task, "thing", "radius"))) == B
    assert len({(w.model.nbvh, w.model.nq, w.model.ngeom) for w in worlds}) == 1


def test_a_restored_snapshot_goes_on_as_it_did():
    task = started("GraspBall")
    action = task.hold()
    action[:, 2] -= 0.05
    for _ in range(10):
        task.step(action)
    ids, sent = np.arange(B), (task.sent_targets.copy(), task.sent_twist.copy())
    snapshot = task.engine.snapshot(ids)
    ends = []
    for _ in range(2):
        task.engine.restore(ids, snapshot)
        task.sent_targets, task.sent_twist = sent[0].copy(), sent[1].copy()
        task.refresh()
        for _ in range(10):
            task.step(action)
        ends.append(task.engine.positions())
    assert (ends[0] == ends[1]).all()
    with pytest.raises(SleightError, match="does not fit"):
        task.engine.restore(ids, Snapshot(snapshot.state[:, :-1]))


def test_wrong_worlds_are_refused():
    ball, button = started("GraspBall"), started("PushButton")
    with pytest.raises(SleightError, match="do not fit the task"):
        ComposeTask(ball.engine, TASKS["PushButton"])
    with pytest.raises(SleightError, match="do not fit the task"):
        ComposeTask(button.engine, TASKS["GraspBall"])
    with pytest.raises(SleightError, match="no mechanism"):
        ball.engine.mechanism_state()
    with pytest.raises(SleightError, match="no such DexCompose task"):
        make_compose_task("PeelBanana", 1)
