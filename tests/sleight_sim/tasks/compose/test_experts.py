"""Scripted experts succeed over randomised starts, act inside the limits, and differ from episode to episode."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.experts import ScriptedExpert, Variation, count_successes
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_sim.tasks.compose.scripts import SCRIPTS

B = 8


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_expert_succeeds(name):
    """All but one at least; docs/compose_tasks.md has the rates over more episodes."""
    assert count_successes(TASKS[name], B, seed=11, num_threads=1) >= B - 1


def test_actions_are_finite_and_inside_the_limits_to_the_end():
    task = make_compose_task("OpenMicrowave", B, seed=5, num_threads=1)
    task.reset()
    expert = ScriptedExpert(task, 5)
    expert.plan()
    for step in range(0, task.config.episode_steps, 5):
        task.step_count[:] = step
        action = expert.act()
        assert (np.abs(task.action.clip(action) - action) < 1e-9).all()


def test_plans_begin_where_the_hand_is_and_differ():
    task = make_compose_task("PushButton", B, seed=0, num_threads=1)
    task.reset()
    first, again, other = (ScriptedExpert(task, seed) for seed in (0, 0, 1))
    for expert in (first, again, other):
        expert.plan()
    assert first.act() == pytest.approx(task.action.clip(task.hold()), abs=2e-3)
    task.step_count[:] = 30
    assert (first.act() == again.act()).all()
    assert not np.isclose(first.act()[:, :3], other.act()[:, :3]).all()
    steady = [ScriptedExpert(task, seed, Variation(0.0, 0.0, 0.0, (1.0, 1.0))) for seed in (0, 1)]
    for expert in steady:
        expert.plan()
    assert (steady[0].act() == steady[1].act()).all()


def test_a_task_without_a_script_is_refused():
    config = TASKS["PushButton"].model_copy(update={"name": "PushDoorbell"})
    with pytest.raises(SleightError, match="no scripted expert"):
        ScriptedExpert(make_compose_task(config, 1, num_threads=1))
