"""Several mechanisms on one table, each of a task that is seen from its own place."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.experts import ScriptedExpert
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.compose.variation import WorldDraw, draw_starts, draw_world
from sleight_sim.tasks.compose.world import build_world

B = 2
LEFT, RIGHT = (-0.26, 0.0, 0.0), (0.26, 0.0, 0.0)
IDS = np.arange(B)


def engine(*names, first="GraspBall"):
    """Worlds with a task's object and the mechanisms of some tasks."""
    rng, table = np.random.default_rng(5), compose_hand(TASKS[first])
    worlds = []
    for _ in range(B):
        parts = [draw_world(TASKS[name], rng).mechanism for name in names]
        draw = WorldDraw.of(draw_world(TASKS[first], rng).thing, [part for part in parts if part is not None])
        worlds.append(build_world(table, draw, 1 / 180))
    return ComposeEngine(table, worlds, num_threads=1)


def on_one_table(*names):
    made = engine(*names)
    whole = ComposeTask(made, TASKS["GraspBall"], seed=1)
    parts = [
        ComposeTask(made, TASKS[name], seed=2 + i, mechanism=i, place=place)
        for i, (name, place) in enumerate(zip(names, (LEFT, RIGHT), strict=True))
    ]
    whole.reset()
    for part in parts:
        part.stand(IDS, draw_starts(part.config, np.zeros(B), part.rng))
    return whole, parts


@pytest.mark.parametrize("names", [("PushButton", "TurnOnSwitch"), ("OpenMicrowave", "OpenDoor"), ("PushButton",) * 2])
def test_mechanisms_stand_where_they_are_put_and_stay_as_they_are(names):
    whole, parts = on_one_table(*names)
    for _ in range(15):
        assert not whole.step(whole.hold()).failed.any()
    for part, place in zip(parts, (LEFT, RIGHT), strict=True):
        part.refresh()
        assert part.mechanism.base_pos[:, :2] == pytest.approx(part.starts.place_pos[:, :2])
        assert part.chain.state().base_pos[:, 0] == pytest.approx(part.starts.place_pos[:, 0] + place[0])
        assert np.abs(part.mechanism.joint_pos - part.chain.joint_start).max() < 0.03
        assert not part.reached().any()


def test_each_task_moves_and_judges_its_own_mechanism():
    _, (button, switch) = on_one_table("PushButton", "TurnOnSwitch")
    sites = switch.engine.batch.bind("site_xpos")
    switch.chain.put(IDS, 0.95 * switch.chain.upper)
    switch.engine.batch.forward(IDS)
    for part in (button, switch):
        part.refresh()
    assert switch.judge().all() and not button.judge().any()
    # Where the physics have the second one's handle is where its chain says.
    site = switch.engine.worlds[0].model.site("2_handle").id
    assert switch.mechanism.handle_pos + switch.place == pytest.approx(sites[:, site], abs=1e-9)


def test_a_task_sees_and_plans_the_same_wherever_it_is():
    """The further mechanism of a table, seen from its place, against the same one alone at the origin."""
    _, (_, moved) = on_one_table("TurnOnSwitch", "PushButton")
    draws = [world.draw for world in moved.engine.worlds]
    worlds = [build_world(moved.table, WorldDraw(draw.thing, draw.further[0]), 1 / 180) for draw in draws]
    alone = ComposeTask(ComposeEngine(moved.table, worlds, num_threads=1), TASKS["PushButton"])
    starts = draw_starts(moved.config, np.zeros(B), np.random.default_rng(9))
    moved.start(IDS, starts)
    alone.start(IDS, starts)
    for name, value in alone.observe().items():
        assert moved.observe()[name] == pytest.approx(value, abs=1e-9), name
    actions = []
    for task in (moved, alone):
        expert = ScriptedExpert(task, seed=4)
        expert.plan()
        actions.append(expert.at(IDS, np.full(B, 30)))
    assert actions[0] == pytest.approx(actions[1], abs=1e-9)


def test_fingers_feel_further_mechanisms_too():
    whole, (_, button) = on_one_table("TurnOnSwitch", "PushButton")
    assert not whole.engine.finger_contacts().mechanism.any()
    button.reset()
    expert = ScriptedExpert(button, seed=0)
    expert.plan()
    touched = np.zeros(B)
    for _ in range(120):
        button.step(expert.act())
        touched = np.maximum(touched, button.engine.finger_contacts().mechanism.max(axis=-1))
    assert button.succeeded.all() and (touched > 1.0).all()


def test_a_mechanism_that_is_not_there_is_refused():
    made = engine("PushButton")
    with pytest.raises(SleightError, match="do not fit the task"):
        ComposeTask(made, TASKS["PushButton"], mechanism=1)
    with pytest.raises(SleightError, match="no mechanism 2"):
        made.chain(1)
