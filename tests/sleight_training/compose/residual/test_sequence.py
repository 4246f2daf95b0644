"""Three skills in sequence: a ball is kept while a button is pressed and then a switch is turned on."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.compose.handover import HandOver
from sleight_core.compose.ownership import WRIST_SIZE
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import task_config
from sleight_sim.tasks.compose.make import compose_hand
from sleight_training.cli.compose import app
from sleight_training.compose.held.library import read_library
from sleight_training.compose.residual.config import LeaveConfig, SequenceConfig, TransitionConfig
from sleight_training.compose.residual.holding import Corrections
from sleight_training.compose.residual.pair import make_sequence_task
from sleight_training.compose.residual.policy import ResidualPolicy, ResidualSpec
from sleight_training.compose.residual.sequence import SequenceTask
from sleight_training.compose.residual.sequence_eval import Residuals, evaluate_sequence, play_sequence
from sleight_training.compose.residual.sequence_outcomes import (
    SequenceEnds,
    SequenceTally,
    sequence_modes,
    sequence_outcomes,
)
from sleight_training.compose.skills import scripted_skill
from typer.testing import CliRunner

HAND = compose_hand(task_config("GraspBall"))
TASKS = ("PushButton", "TurnOnSwitch")
#: The ball's fingers; the middle finger stays where it is after the button.
MASKS = (("rf", "lf", "th"), ("mf", "rf", "lf", "th"))
SHORT = SequenceConfig(steps=4, transition=TransitionConfig(steps=2, settle=1), leave=LeaveConfig(steps=2))
WILD = arrays(np.float64, (3, 28), elements=st.floats(allow_nan=True, allow_infinity=True, width=32))
SANE = arrays(np.float64, (3, 28), elements=st.floats(-4.0, 4.0))


def make(held, num_envs=2, masks=(MASKS[0],) * 2, config=None, **options) -> SequenceTask:
    first, interactions = task_config("GraspBall"), [task_config(name) for name in TASKS]
    made = make_sequence_task(
        first,
        interactions,
        [scripted_skill()] * 2,
        held,
        num_envs,
        HandOver.from_masks(HAND, masks),
        config or SequenceConfig(),
        seed=3,
        num_threads=1,
        **options,
    )
    return made


@pytest.fixture(scope="module")
def sequence(pretended_file):
    """Three environments: before, in and after the hand-over."""
    made = make(read_library(pretended_file), 3, MASKS, SHORT)
    made.reset(np.arange(3))
    made.mask_of[:] = [0, 1, 1]
    return made


def motors(task, nominal, first, second):
    with np.errstate(all="ignore"):
        decoded = task.task.action.decode(task.command(nominal, Corrections(first, second)))
    return decoded.joint_targets


def owned(task, skill):
    """(3, A) motors that a skill, 0 to 2, owns in each environment's stage."""
    elements = np.stack([task.owners.elements(int(stage) + 1, skill) for stage in task.stage])
    return elements[:, WRIST_SIZE:][:, task.task.table.actuated_index]


@settings(max_examples=30, deadline=None)
@given(SANE, SANE, WILD, WILD)
def test_no_skill_moves_a_finger_of_another_in_any_stage(sequence, first, nominal, wild, wilder):
    zero = np.zeros((3, 28))
    calm = motors(sequence, nominal, first, zero)
    second_mad = motors(sequence, wild, first, wilder)
    first_mad = motors(sequence, nominal, wild, zero)
    acting = np.stack([owned(sequence, int(stage) + 1)[i] for i, stage in enumerate(sequence.stage)])
    assert np.array_equal(calm[~acting], second_mad[~acting])
    assert np.array_equal(calm[~owned(sequence, 0)], first_mad[~owned(sequence, 0)])
    # What the second skill keeps while the third acts: neither of the others moves it.
    kept = owned(sequence, 1) & ~acting
    assert kept.any() and np.array_equal(second_mad[kept], first_mad[kept])


def test_a_hand_over_keeps_what_is_kept_where_it_is(pretended_file):
    task = make(read_library(pretended_file), 2, MASKS, SHORT)
    task.reset(np.arange(2))
    before = task.reference.action.copy()
    zero = np.zeros((2, 28))
    for _ in range(SHORT.transition.length + 1):
        task.plan()
        task.step(Corrections(zero, zero))
    assert task.acting.all() and not task.stage.any()
    # Pressed in the first environment, by what is no finger.
    chain = task.interactions[0].chain
    chain.put(np.array([0]), chain.upper[:1])
    task.task.engine.push_mechanism(np.array([[12.0], [0.0]]))
    task.plan()
    step = task.step(Corrections(zero, zero))
    assert step.done[:, 0].tolist() == [True, False]
    assert task.stage.tolist() == [1, 0] and task.since.tolist() == [0, SHORT.transition.length + 2]
    here = task.task.hold()[0]
    kept, parked = task.owners.elements(2, 0), task.owners.elements(2, 1)
    assert np.array_equal(task.reference.action[0, kept], before[0, kept])
    assert np.array_equal(task.reference.action[0, parked], here[parked]) and parked.any()
    # The first actions of the way lead off, with the turn of the wrist as it was.
    task.plan()
    way = task.nominal[0] - here
    assert way[1] > 0.0 and way[2] > 0.0 and way[3:6] == pytest.approx(0.0, abs=1e-9)
    command = task.command(task.nominal, Corrections(zero, zero))[0]
    assert np.array_equal(command[kept | parked], task.reference.action[0, kept | parked])


def test_a_ball_is_kept_while_two_things_are_done(held):
    notes = []
    score = evaluate_sequence(
        "GraspBall",
        TASKS,
        (MASKS[0],) * 2,
        held=held,
        skills=[scripted_skill()] * 2,
        seeds=(3,),
        rollouts=2,
        num_threads=1,
        report=lambda seed, tally: notes.append((seed, tally.episodes)),
    )
    row = score.row()
    assert notes == [(3, 2)]
    assert row["success"] == row["retained"] == 1.0 and not sum(row["failures"].values()), row
    assert row["preserved_fingers"] == [list(MASKS[0])] * 2 and not row["stabiliser"] and not any(row["residuals"])
    button, switch = row["interactions"]
    # A button comes back when it is let go; a switch stays on.
    assert (button["done"], button["done_at_the_end"]) == (1.0, 0.0)
    assert (switch["done"], switch["done_at_the_end"]) == (1.0, 1.0)


def test_what_is_lost_is_counted_in_its_stage(pretended_file):
    task = make(read_library(pretended_file), 3, config=SHORT)
    ends = play_sequence(task, Residuals(None, (None, None)))
    names = sequence_outcomes(TASKS, ends)
    assert set(names) == {"dropped on the way to second (PushButton)"}
    assert not ends.done.any() and not ends.failed.any()


FLAGS = st.lists(st.tuples(*[st.booleans()] * 7, st.integers(0, 1)), min_size=1, max_size=20)


@given(FLAGS)
def test_every_rollout_has_one_outcome(rows):
    a, b, c, d, alive, acting, failed, stage = (np.array(column) for column in zip(*rows, strict=True))
    ends = SequenceEnds(np.stack([a, b], -1), np.stack([c, d], -1), alive, stage, acting, failed)
    tally = SequenceTally.of(TASKS, ends)
    assert sum(tally.modes.values()) == tally.episodes == len(rows)
    assert tally.success == int((a & b & alive & ~failed).sum())
    twice = SequenceTally.total([tally, tally])
    assert twice.success == 2 * tally.success and twice.done == tuple(2 * n for n in tally.done)
    row = twice.row()
    low, high = row["ci95"]
    assert low - 1e-9 <= row["success"] <= high + 1e-9
    assert sum(row["failures"].values()) + twice.success == twice.episodes


def test_outcomes_name_the_stage():
    t, f = True, False
    ends = SequenceEnds(
        done=np.array([[t, t], [t, f], [f, f], [t, t], [t, f], [t, t]]),
        lasting=np.zeros((6, 2), bool),
        alive=np.array([t, t, t, f, f, t]),
        lost_stage=np.array([0, 0, 0, 1, 1, 0]),
        lost_acting=np.array([f, f, f, t, f, f]),
        failed=np.array([f, f, f, f, f, t]),
    )
    assert sequence_outcomes(TASKS, ends) == [
        "success", "third (TurnOnSwitch) not done", "second (PushButton) not done", "dropped in third (TurnOnSwitch)",
        "dropped on the way to third (TurnOnSwitch)", "diverged",
    ]  # fmt: skip
    assert len(sequence_modes(TASKS)) == 8


def test_residuals_must_fit_their_stage(held, spec):
    options: dict[str, Any] = {"held": held, "skills": [scripted_skill()] * 2, "seeds": (0,)}
    masks = (MASKS[0],) * 2
    fits = ResidualPolicy.untrained(spec)
    with pytest.raises(SleightError, match="no second residual of GraspBall and TurnOnSwitch"):
        evaluate_sequence("GraspBall", TASKS, masks, residuals=Residuals(None, (fits, fits)), **options)
    with pytest.raises(SleightError, match="not trained with these fingers"):
        evaluate_sequence("GraspBall", TASKS, (("th",), ("th",)), residuals=Residuals(None, (fits, None)), **options)
    free = ResidualPolicy.untrained(spec.model_copy(update={"unmasked": True}))
    with pytest.raises(SleightError, match="acts on every element"):
        evaluate_sequence("GraspBall", TASKS, masks, residuals=Residuals(None, (free, None)), **options)
    with pytest.raises(SleightError, match="one skill, one mask and one place"):
        evaluate_sequence("GraspBall", TASKS, masks, held=held, skills=[scripted_skill()], seeds=(0,))


def test_residuals_of_pairs_run_in_the_sequence(pretended_file):
    """Untrained ones, with the inputs that a pair's residual has."""
    task = make(read_library(pretended_file), 3, config=SHORT)
    task.reset(np.arange(3))
    policies = []
    for k, name in enumerate(TASKS):
        task.plan()
        terms = {key: value.shape[1] for key, value in task.second_terms(k).items()}
        spec = ResidualSpec(
            kind="second", tasks=("GraspBall", name), masks=(MASKS[0],), terms=terms, columns=tuple(range(28)),
            bounds=(0.1,) * 28, hidden=(8,),
        )  # fmt: skip
        policies.append(ResidualPolicy.untrained(spec))
    ends = play_sequence(task, Residuals(None, tuple(policies)))
    assert not ends.failed.any()


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)


def test_the_command_measures_a_sequence(tmp_path, pretended_file):
    results = tmp_path / "new" / "results.json"
    done = call(
        *("sequence", "GraspBall", *TASKS, "--held", pretended_file, "--mask", "th,rf,lf", "--seeds", 1),
        *("--rollouts", 2, "--json", results, "--minimum", 0.5),
    )
    assert done.exit_code == 1, done.output  # nothing is held in these states
    row = json.loads(results.read_text())
    assert (row["first"], row["episodes"], row["success"]) == ("GraspBall", 2, 0.0)
    assert [part["task"] for part in row["interactions"]] == list(TASKS)
    assert row["failures"]["dropped on the way to second (PushButton)"] == 2
    assert "object kept" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("GraspBall", "PushButton", "PickCan", "--mask", "th"), "must be of kind 'interaction'"),
        (("GraspBall", *TASKS, "--mask", "toe"), "no finger"),
        (("GraspBall", *TASKS, "--mask", "th,rf", "--mask", "th"), "cannot be handed over later"),
        (("GraspBall", *TASKS, "--mask", ""), "keeps no finger"),
        (("GraspBall", *TASKS, "--mask", "th", "--skill", "a", "--skill", "b", "--skill", "c"), "--skill"),
    ],
)
def test_wrong_use_is_refused_in_a_line(pretended_file, words, message):
    result = call("sequence", *words, "--held", pretended_file)
    assert isinstance(result.exception, SleightError), result.output
    assert message in str(result.exception)
