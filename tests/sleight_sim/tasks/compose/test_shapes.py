"""Given shapes in the worlds of compositions: how they lie, one layout for all, and the task that a grasp becomes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_rotate
from sleight_sim.objects import household_object
from sleight_sim.tasks.compose.config import TASKS, ComposeTaskConfig
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.grasped import grasp_as_task
from sleight_sim.tasks.compose.lying import LyingHeights
from sleight_sim.tasks.compose.make import compose_hand, make_worlds
from sleight_sim.tasks.compose.shapes import shape_draws
from sleight_sim.tasks.compose.variation import ObjectDraw, WorldDraw, draw_world
from sleight_sim.tasks.compose.world import build_world
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

GRASP = grasp_as_task(GraspTaskConfig())
HAND = compose_hand(GRASP)
#: One, few and many convex pieces.
DRAWS = shape_draws([household_object(family, 0) for family in ("can", "mug", "box")])
QUATS = st.tuples(*[st.floats(-1.0, 1.0)] * 4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.1)


@settings(deadline=None, max_examples=30)
@given(st.lists(QUATS, min_size=4, max_size=4))
def test_a_shape_lies_where_its_lowest_point_touches_however_it_is_turned(quats):
    ball = ObjectDraw("ball", 0.03, 0.0, 300.0, 1.0)
    quat = np.array([q / np.linalg.norm(q) for q in quats])
    heights = LyingHeights([DRAWS[0], ball, DRAWS[1], None]).at(quat)
    assert (heights[1], heights[3]) == (0.03, 0.0)
    for i, draw in ((0, DRAWS[0]), (2, DRAWS[1])):
        points = draw.spec.pieces.reshape(-1, 3)
        lowest = quat_rotate(np.tile(quat[i], (len(points), 1)), points)[:, 2].min()
        assert heights[i] == pytest.approx(-lowest, abs=1e-12)


def put_down(mechanism=None, task=GRASP):
    """Each of the shapes in a world of its own, just over the table in its most probable pose, the hand far away."""
    worlds = [build_world(HAND, WorldDraw(draw, mechanism), task.timestep) for draw in DRAWS]
    made = ComposeTask(ComposeEngine(HAND, worlds, num_threads=1), task)
    made.reset()
    poses = [draw.spec.stable_poses for draw in DRAWS]
    pos = np.array([[0.3, 0.3, TABLE_HEIGHT + pose.heights[0] + 0.001] for pose in poses])
    made.engine.set_object(np.arange(len(DRAWS)), pos, np.array([pose.quats[0] for pose in poses]))
    made.refresh()
    return made


@pytest.mark.parametrize("second", [None, "PushButton", "OpenMicrowave"])
def test_shapes_lie_still_in_worlds_of_one_layout(second):
    drawn = None if second is None else draw_world(TASKS[second], np.random.default_rng(0)).mechanism
    task = put_down(drawn, TASKS[second] if second else GRASP)
    assert len({(w.model.nbvh, w.model.nq, w.model.nv, w.model.ngeom) for w in task.engine.worlds}) == 1
    action = task.hold()
    for _ in range(30):
        result = task.step(action)
    assert not result.failed.any()
    assert task.sim.object_pos[:, 2] - task.lying() == pytest.approx(0.0, abs=2e-3)
    assert np.abs(task.sim.object_linvel).max() < 0.02


def test_a_shape_weighs_what_it_weighs_on_the_tabletop():
    model = build_world(HAND, WorldDraw(DRAWS[1], None), GRASP.timestep).model
    assert model.body("object").mass[0] == pytest.approx(DRAWS[1].spec.mass)


def test_the_task_of_a_grasp_is_a_retention_task_like_the_others():
    assert GRASP.role == "retention" and GRASP.timestep == TASKS["GraspBall"].timestep
    assert compose_hand(GRASP).digest() == compose_hand(TASKS["PushButton"]).digest()
    assert ComposeTaskConfig.model_validate_json(GRASP.model_dump_json()) == GRASP
    with pytest.raises(SleightError, match="given, not drawn"):
        make_worlds(GRASP, 1)
    for name in ("GraspBall", "PushButton"):
        with pytest.raises(SleightError, match="a task of this name"):
            grasp_as_task(GraspTaskConfig(), name)
    for name in ("", "../held", "a b", "7up", "x" * 65):
        with pytest.raises(SleightError, match="letters, digits"):
            grasp_as_task(GraspTaskConfig(), name)


def test_objects_are_told_apart_by_name():
    can = household_object("can", 0)
    assert len(shape_draws([can, household_object("box", 0), can])) == 2
    assert len({draw.slots for draw in DRAWS}) == 1
    with pytest.raises(SleightError, match="two objects have one name"):
        shape_draws([can, replace(can, pieces=can.pieces * 1.1)])
    with pytest.raises(SleightError, match="no objects"):
        shape_draws([])
