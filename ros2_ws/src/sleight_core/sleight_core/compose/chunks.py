"""Chunks of actions planned while others are executed: a diffusion policy's receding horizon on a robot (DexCompose A).

A sampler takes longer than a control tick, so it runs in a thread of its own; ONNX Runtime lets the interpreter go on
meanwhile. The next chunk is asked for `lead` actions before the executed part of the present one ends, from what is
seen then. Its first `lead` actions are of the time in which it was made, so it takes over at the action after them.

A chunk that is not there when it is due is late: there is no action then, and the plan stands still with the hand,
until the chunk comes. One that comes after more than a horizon is thrown away, and another one is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sleight_core.errors import SleightError

Array = NDArray[np.float32]
#: Makes a chunk (T, A) from the latest observations (H, O), oldest first, and standard normal noise (T, A).
Sampler = Callable[[Array, Array], Array]


class Executor(Protocol):
    """What runs the sampler: one worker, in the order of submission."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run a function with arguments, now or later."""
        ...


def background(begin: Callable[[], None] | None = None) -> ThreadPoolExecutor:
    """One thread for all samplers of a policy, in which `begin` is called first."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="chunks", initializer=begin)


@dataclass(frozen=True)
class ChunkShape:
    """Sizes and counts of a skill's chunks, as in the manifest (`SkillSection`).

    Attributes:
        observation: O.
        action: A.
        history: H, observations that the sampler sees.
        horizon: T, actions in a chunk.
        execute: Actions that are executed before the next chunk takes over.
        lead: So many actions before that it is asked for.
    """

    observation: int
    action: int
    history: int
    horizon: int
    execute: int
    lead: int


@dataclass
class ChunkCounts:
    """What became of the chunks since the runner began.

    Attributes:
        planned: Chunks that came.
        late: Chunks that were not there when they were due; a chunk that nobody waited for is not counted.
        discarded: Of those, how many came after more than a horizon and were thrown away.
        seconds: From asking for the newest chunk to its coming, s.
        margin: How long before it was due the newest chunk came, s; below 0: it was late.
    """

    planned: int = 0
    late: int = 0
    discarded: int = 0
    seconds: float = 0.0
    margin: float = 0.0


class ChunkRunner:
    """Plans the chunks of one skill. Not thread-safe; the sampler runs in the executor.

    Call `act` once an action, or `prepare` while another skill acts and this one is next.

    Args:
        sampler: Makes chunks.
        shape: Their sizes.
        executor: Runs the sampler.
        clock: Monotonic time, s.

    Attributes:
        counts: What became of the chunks.
        waiting: Actions for which the present wait for a chunk has lasted.
    """

    def __init__(
        self, sampler: Sampler, shape: ChunkShape, executor: Executor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.shape = shape
        self._sampler, self._executor, self._clock = sampler, executor, clock
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Forget all observations and chunks; a chunk under way is never used.

        Args:
            seed: Of the noise: the same seed and the same observations give the same chunks.
        """
        self._rng = np.random.default_rng(seed)
        self._history: Array | None = None
        self._chunk: Array | None = None
        self._next = self._end = 0
        self._pending: Future[tuple[Array, float]] | None = None
        self._asked_at = 0.0
        # Actions executed, and observations seen, since the chunk under way was asked for.
        self._gone = self._age = 0
        self._due: float | None = None
        self.counts = ChunkCounts()
        self.waiting = 0

    def prepare(self, observation: NDArray[Any], *, ask: bool) -> None:
        """See an observation before this skill acts.

        Args:
            observation: (O,) what is seen now, raw units.
            ask: Ask for the first chunk, unless that was done: the skill is to act soon, and the hand is at rest.

        Raises:
            SleightError: As `act`.
        """
        self._see(observation)
        if ask and self._pending is None and self._chunk is None:
            self._ask()

    def act(self, observation: NDArray[Any], *, due: bool = True) -> Array | None:
        """The next action (A,), or None while there is none: the hand is then to stay where it is.

        Args:
            observation: (O,) what is seen now, raw units.
            due: Whether a first chunk that is not there counts as late; False where nobody could have asked earlier.

        Raises:
            SleightError: The observation has another size or is not finite; the sampler failed, or its chunk has
                another shape or is not finite.
        """
        self._see(observation)
        if self._chunk is None and self._pending is None:
            self._ask()
        if self._chunk is not None and self._pending is None and self._end - self._next <= self.shape.lead:
            self._ask()
        if (self._chunk is None or self._next >= self._end) and not self._take():
            self._wait(late=due or self._chunk is not None)
            return None
        assert self._chunk is not None
        action = self._chunk[self._next]
        self._next += 1
        self._gone += 1
        return action

    def _see(self, observation: NDArray[Any]) -> None:
        seen = np.array(observation, dtype=np.float32)
        if seen.shape != (self.shape.observation,):
            raise SleightError(
                f"observation: expected {self.shape.observation} elements, found shape {seen.shape}",
                remedy="build it with the skill's observation terms",
            )
        self._age += 1
        if not np.isfinite(seen).all():
            raise SleightError("observation is not finite", value=f"element {int(np.argmin(np.isfinite(seen)))}")
        if self._history is None:
            self._history = np.repeat(seen[None], self.shape.history, axis=0)
        else:
            self._history = np.concatenate([self._history[1:], seen[None]])

    def _ask(self) -> None:
        assert self._history is not None
        noise = self._rng.standard_normal((self.shape.horizon, self.shape.action), dtype=np.float32)
        self._asked_at, self._gone, self._age = self._clock(), 0, 0
        self._pending = self._executor.submit(_timed, self._sampler, self._history.copy(), noise, self._clock)

    def _take(self) -> bool:
        """Let the chunk under way take over, if it has come; return whether it has."""
        if self._pending is None or not self._pending.done():
            return False
        chunk, came = self._result(self._pending)
        self._pending = None
        now = self._clock()
        counts = self.counts
        counts.planned += 1
        counts.seconds = came - self._asked_at
        counts.margin = (now if self._due is None else self._due) - came
        if self._age > self.shape.horizon:
            # What it was made from is too long ago, even for a hand that stood still.
            counts.discarded += 1
            self._ask()
            return False
        self._chunk, self._next = chunk, self._gone
        self._end = self._next + self.shape.execute
        self.waiting, self._due = 0, None
        return True

    def _wait(self, *, late: bool) -> None:
        if late and self._due is None:
            self._due = self._clock()
            self.counts.late += 1
        self.waiting += 1

    def _result(self, pending: Future[tuple[Array, float]]) -> tuple[Array, float]:
        try:
            chunk, came = pending.result()
        except Exception as error:  # onnxruntime raises its own types, which differ between versions
            raise SleightError("the sampler failed", value=" ".join(str(error).split())) from error
        wanted = (self.shape.horizon, self.shape.action)
        if chunk.shape != wanted or not np.isfinite(chunk).all():
            found = f"shape {chunk.shape}" if chunk.shape != wanted else "numbers that are not finite"
            raise SleightError(f"the sampler's chunk is not {wanted} finite numbers", value=found)
        return chunk, came


def _timed(sampler: Sampler, history: Array, noise: Array, clock: Callable[[], float]) -> tuple[Array, float]:
    return np.asarray(sampler(history, noise)), clock()
