"""Receding-horizon execution: which observations a plan sees, which of its actions are executed, and when it plans."""

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.experts import ScriptedExpert
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_training.compose.horizon import RecedingHorizon, evaluate_skill, play_episodes
from sleight_training.compose.scripted import STEADY, ScriptedSkill

#: Length of an observation.
SIZE = 3


class Counting:
    """Plans chunks whose actions say which plan they are of, and which of its actions."""

    task, term_names, execute = "PushButton", ("handle_pos",), 4

    def __init__(self, horizon=6):
        self.calls, self.forgotten, self.horizon = [], [], horizon

    def plan(self, history, ids):
        self.calls.append((history.copy(), ids.tolist()))
        chunk = np.arange(self.horizon, dtype=np.float64) + 100.0 * len(self.calls)
        return np.tile(chunk[None, :, None], (len(ids), 1, 28))

    def reset(self, ids):
        self.forgotten.append(ids.tolist())


def test_the_executed_part_of_each_chunk_then_a_new_plan():
    skill = Counting()
    runner = RecedingHorizon(skill, 2)
    runner.reset(np.arange(2))
    sent = [runner.act(np.full((2, SIZE), float(step)))[:, 0].tolist() for step in range(10)]
    assert [row[0] for row in sent] == [100, 101, 102, 103, 200, 201, 202, 203, 300, 301]
    assert all(a == b for a, b in sent) and skill.forgotten == [[0, 1]]
    # At the start the first observation stands for the one before it; later the two latest are seen.
    assert [history[0, :, 0].tolist() for history, _ in skill.calls] == [[0, 0], [3, 4], [7, 8]]


def test_environments_start_anew_by_themselves():
    skill = Counting()
    runner = RecedingHorizon(skill, 3)
    for step in range(2):
        runner.act(np.full((3, SIZE), float(step)))
    runner.reset(np.array([1]))
    assert runner.act(np.full((3, SIZE), 2.0))[:, 0].tolist() == [102, 200, 102]
    assert skill.calls[-1][1] == [1] and skill.calls[-1][0][:, :, 0].tolist() == [[2, 2]]
    runner.act(np.full((3, SIZE), 3.0))
    assert runner.act(np.full((3, SIZE), 4.0))[:, 0].tolist() == [300, 202, 300], "0 and 2 are due, 1 is not"
    assert skill.calls[-1][1] == [0, 2] and skill.calls[-1][0][0, :, 0].tolist() == [3, 4]


def test_refusals():
    runner = RecedingHorizon(Counting(horizon=3), 1)
    with pytest.raises(SleightError, match="fewer actions than are executed: 3"):
        runner.act(np.zeros((1, SIZE)))
    with pytest.raises(SleightError, match="does not observe: \\['handle_pos'\\]"):
        runner.observation({"object_quat": np.zeros((1, 4))})
    with pytest.raises(SleightError, match="no such DexCompose task"):
        evaluate_skill(Counting(), "PushDoorbell", 1, 0)


def test_a_script_in_chunks_succeeds_as_it_does_step_by_step():
    task = make_compose_task("PushButton", 4, seed=9, num_threads=1)
    steps = play_episodes(ScriptedSkill(task), task)
    again = make_compose_task("PushButton", 4, seed=9, num_threads=1)
    again.reset()
    expert = ScriptedExpert(again, 0, STEADY)
    expert.plan()
    wanted = np.zeros(4, dtype=int)
    for step in range(1, 121):
        wanted[(wanted == 0) & again.step(expert.act()).success] = step
    assert (steps > 0).all() and (steps == wanted).all()


def test_success_is_counted_with_its_interval():
    class Away(Counting):
        def plan(self, history, ids):
            chunk = np.zeros_like(super().plan(history, ids))
            chunk[..., 2] = 1.0  # up in the air
            return chunk

    seen = []
    result = evaluate_skill(Away(), "PushButton", 2, 5, num_threads=1, report=seen.append)
    assert (result.successes, result.episodes, result.rate, result.mean_steps) == (0, 2, 0.0, None)
    assert result.ci95[0] == 0.0 and result.ci95[1] == pytest.approx(0.658, abs=1e-3) and seen == [2]
    assert str(result) == "0 of 2 (0.0 to 65.8 %)"
