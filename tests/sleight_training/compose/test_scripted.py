"""The scripted expert behind the interface of a skill: the same motion, in chunks, for any environments."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.experts import ScriptedExpert
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_training.compose.scripted import STEADY, ScriptedSkill
from sleight_training.compose.skill import HORIZON, OBSERVATION_STEPS, Skill

B = 4


def history(task, count):
    return np.zeros((count, OBSERVATION_STEPS, task.observation.size))


@pytest.fixture
def task():
    task = make_compose_task("TurnOnSwitch", B, seed=3, num_threads=1)
    task.reset()
    return task


def test_chunks_are_the_experts_motion(task):
    skill: Skill = ScriptedSkill(task)
    assert skill.task == "TurnOnSwitch" and skill.execute == 30
    assert skill.term_names == ("hand_joints", "wrist_quat", "palm_to_handle", "handle_pos", "mechanism_joints")
    expert = ScriptedExpert(task, 0, STEADY)
    expert.plan()
    ids = np.arange(B)
    chunks = [skill.plan(history(task, B), ids) for _ in range(3)]
    assert chunks[0].shape == (B, HORIZON, 28)
    for step in (0, 29, 30, 75):
        task.step_count[:] = step
        assert (chunks[step // 30][:, step % 30] == expert.act()).all()
    # What is planned beyond the executed part is what comes next.
    assert (chunks[0][:, 30:] == chunks[1][:, :2]).all()


def test_environments_have_their_own_clocks_and_plans(task):
    skill = ScriptedSkill(task)
    ids = np.arange(B)
    first = skill.plan(history(task, B), ids)
    second = skill.plan(history(task, B), ids)
    skill.reset(np.array([2]))
    again = skill.plan(history(task, 1), np.array([2]))
    assert (again[0] == first[2]).all() and not (again[0] == second[2]).all()
    some = skill.plan(history(task, 2), np.array([3, 0]))
    task.reset([2])
    skill.reset(np.array([2]))
    elsewhere = skill.plan(history(task, 1), np.array([2]))
    assert not np.isclose(elsewhere[0, :, :2], first[2, :, :2]).all()
    assert (some[0, :2] == second[3, 30:]).all()


def test_executed_in_chunks_it_succeeds():
    task = make_compose_task("PushButton", B, seed=4, num_threads=1)
    task.reset()
    skill = ScriptedSkill(task)
    for _ in range(task.config.episode_steps // skill.execute):
        for action in skill.plan(history(task, B), np.arange(B)).swapaxes(0, 1)[: skill.execute]:
            task.step(action)
    assert task.succeeded.all()


def test_a_task_without_a_script_is_refused():
    config = TASKS["PushButton"].model_copy(update={"name": "PushDoorbell"})
    with pytest.raises(SleightError, match="no scripted expert"):
        ScriptedSkill(make_compose_task(config, 1, num_threads=1))
