"""Chunks beside the control tick: in time, late, far too late, wrong, and never blocking."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.compose.chunks import ChunkRunner, ChunkShape, background
from sleight_core.errors import SleightError

from .robot import Clock, Slow

SHAPE = ChunkShape(observation=3, action=2, history=2, horizon=8, execute=4, lead=2)


def counting(history, noise):
    """Each action says of which time it is: the newest observation's first element plus its place in the chunk."""
    steps = history[-1, 0] + np.arange(len(noise))
    return np.stack([steps, np.full(len(noise), history[0, 0])], axis=-1).astype(np.float32)


def runner(sampler=counting, shape=SHAPE):
    slow, clock = Slow(), Clock()
    return ChunkRunner(sampler, shape, slow, clock), slow, clock


def when(chunks, observation, **options) -> float:
    """The moment that an action is of; there must be one."""
    action = chunks.act(np.full(3, float(observation)), **options)
    assert action is not None
    return float(action[0])


def play(chunks, slow, steps, *, finish=lambda step: True, due=True):
    """Act once a step, the observation being the step's number; what came, None for no action."""
    out = []
    for step in range(steps):
        action = chunks.act(np.array([step, 0.0, 0.0]), due=due)
        out.append(None if action is None else float(action[0]))
        if finish(step):
            slow.finish()
    return out


def test_in_time_every_action_is_the_one_of_its_moment():
    chunks, slow, _ = runner()
    out = play(chunks, slow, 20, due=False)
    # While the first chunk is made the hand is at rest, so that one begins at its beginning, a step late.
    assert out[:5] == [None, 0.0, 1.0, 2.0, 3.0]
    assert out[5:] == [float(i) for i in range(5, 20)]
    assert chunks.counts.late == 0 and chunks.counts.planned >= 4


def test_a_late_chunk_stops_the_plan_and_goes_on_where_it_stood():
    chunks, slow, clock = runner()
    chunks.act(np.zeros(3), due=False)
    slow.finish()
    assert [when(chunks, i) for i in range(4)] == [0, 1, 2, 3]
    assert len(slow.jobs) == 1 and chunks.counts.late == 0
    for _ in range(3):
        clock.now += 1 / 30
        assert chunks.act(np.full(3, 4.0)) is None
    assert chunks.counts.late == 1 and chunks.waiting == 3
    clock.now += 0.01
    slow.finish()
    # It was asked for two actions before the hand stopped, at observation 2: its third action is the next one.
    assert when(chunks, 4.0) == 4.0
    assert chunks.waiting == 0 and chunks.counts.margin == pytest.approx(-(2 / 30 + 0.01))
    assert chunks.counts.seconds == pytest.approx(3 / 30 + 0.01)


def test_a_chunk_after_more_than_a_horizon_is_thrown_away_and_another_is_made():
    chunks, slow, _ = runner()
    chunks.act(np.zeros(3), due=False)
    slow.finish()
    play(chunks, slow, 4, finish=lambda step: False)
    for _ in range(SHAPE.horizon + 1):
        assert chunks.act(np.full(3, 50.0)) is None
    slow.finish()
    assert chunks.act(np.full(3, 50.0)) is None
    assert chunks.counts.discarded == 1 and len(slow.jobs) == 1
    slow.finish()
    # The new one is of now, and so begins at its beginning.
    assert when(chunks, 50.0) == 50.0
    assert chunks.counts.late == 1 and chunks.waiting == 0


def test_what_was_prepared_is_there_when_its_turn_comes():
    chunks, slow, _ = runner()
    for ask in (False, True, True):
        assert len(slow.jobs) == 0 or ask
        chunks.prepare(np.full(3, 7.0), ask=ask)
    assert len(slow.jobs) == 1
    slow.finish()
    assert when(chunks, 7.0) == 7.0
    assert chunks.counts.late == 0 and chunks.counts.planned == 1


def test_what_was_not_prepared_in_time_is_late():
    chunks, slow, _ = runner()
    chunks.prepare(np.zeros(3), ask=True)
    assert chunks.act(np.zeros(3)) is None
    assert chunks.counts.late == 1


def test_a_chunk_of_before_is_never_used():
    chunks, slow, _ = runner()
    chunks.act(np.full(3, 99.0), due=False)
    old = slow.jobs.pop()
    chunks.begin(1)
    old[0].set_result((np.full((8, 2), 99.0, np.float32), 0.0))
    assert chunks.act(np.zeros(3), due=False) is None
    slow.finish()
    assert when(chunks, 0) == 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.booleans(), min_size=30, max_size=30))
def test_whenever_chunks_come_actions_follow_each_other_and_the_noise_is_the_seeds(seed, comes):
    """No action is left out or repeated as far as the hand is concerned, whatever the sampler's mood."""
    noises: list[np.ndarray] = []

    def sampler(history, noise):
        noises.append(noise)
        return counting(history, noise)

    chunks, slow, _ = runner(sampler)
    chunks.begin(seed)
    moment, out = 0.0, []
    for come in comes:
        action = chunks.act(np.array([moment, 0, 0]), due=False)
        if action is not None:
            out.append(float(action[0]))
            moment += 1.0
        if come:
            slow.finish()
    assert out == [float(i) for i in range(len(out))]
    rng = np.random.default_rng(seed)
    for noise in noises:
        assert np.array_equal(noise, rng.standard_normal((8, 2), dtype=np.float32))


def test_faults_of_the_sampler_are_told():
    def broken(history, noise):
        raise RuntimeError("no memory\nleft")

    for sampler, words in (
        (broken, "the sampler failed: no memory left"),
        (lambda h, n: np.full((8, 2), np.nan), "not finite"),
        (lambda h, n: np.zeros((8, 3)), r"shape \(8, 3\)"),
    ):
        chunks, slow, _ = runner(sampler)
        chunks.act(np.zeros(3))
        slow.finish()
        with pytest.raises(SleightError, match=words):
            chunks.act(np.zeros(3))
    chunks, _, _ = runner()
    with pytest.raises(SleightError, match="expected 3 elements"):
        chunks.act(np.zeros(4))
    with pytest.raises(SleightError, match="not finite: element 1"):
        chunks.act(np.array([0.0, np.nan, 0.0]))


def test_the_tick_never_waits_for_a_sampler_that_hangs():
    release, inside = threading.Event(), threading.Event()

    def hanging(history, noise):
        inside.set()
        release.wait()
        return counting(history, noise)

    executor = background()
    try:
        chunks = ChunkRunner(hanging, SHAPE, executor)
        assert chunks.act(np.zeros(3)) is None
        inside.wait()
        # The sampler is inside and stays there: all of these return nevertheless.
        assert all(chunks.act(np.zeros(3)) is None for _ in range(100))
        release.set()
        executor.submit(lambda: None).result()
        assert chunks.counts.late == 1
    finally:
        release.set()
        executor.shutdown()


def test_the_samplers_thread_begins_as_it_is_told():
    begun = []
    executor = background(lambda: begun.append(threading.current_thread().name))
    try:
        assert executor.submit(lambda: threading.current_thread().name).result(60) == begun[0]
        executor.submit(lambda: None).result(60)
        assert len(begun) == 1 and begun[0].startswith("chunks")
    finally:
        executor.shutdown()
