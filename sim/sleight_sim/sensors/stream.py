"""Clouds over time, as cameras with a period, a delay and errors report them; what is visible is a view's matter."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.float32]


class CloudModel(BaseModel):
    """How the perceived cloud of an object comes about, and its errors; ranges are drawn once an episode.

    Attributes:
        whole: Points of the whole surface, as if nothing hid anything: the paper's setting (resdex_facts 2.4).
        noise: Standard deviation of each coordinate (m).
        dropout: Largest share of the seen points that is missing.
        blind: Chance that a camera is missing.
        period: Control steps between two clouds (4: a 15 Hz camera).
        latency: Largest age of a cloud when it arrives, in control steps; drawn from 0..latency.
        shift: Largest error of each camera's position along each axis (m).
        tilt: Largest error of each camera's orientation (degrees).
        spare: Points of the surface for each point of a cloud; what is hidden takes its share of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    whole: bool = False
    noise: float = Field(default=0.001, ge=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    blind: float = Field(default=0.1, ge=0, lt=1)
    period: int = Field(default=4, ge=1)
    latency: int = Field(default=3, ge=0, le=15)
    shift: float = Field(default=0.01, ge=0)
    tilt: float = Field(default=2.0, ge=0, le=10)
    spare: int = Field(default=3, ge=1)


#: Cameras without errors or delay.
EXACT_CLOUD = CloudModel(noise=0.0, dropout=0.0, blind=0.0, period=1, latency=0, shift=0.0, tilt=0.0)
#: The paper's clouds: the whole surface, every step.
PAPER_CLOUD = EXACT_CLOUD.model_copy(update={"whole": True})


class View(Protocol):
    """What cameras see of the surfaces in B environments.

    Attributes:
        eyes: (C, 3) m, the cameras.
        sizes: Widths of the arrays that `watched` gives.
    """

    eyes: Array
    sizes: tuple[int, ...]

    def watched(self, state: Any) -> tuple[NDArray, ...]:
        """What visibility depends on, (B, width) each, out of a state of all environments."""
        ...

    def look(
        self, ids: NDArray, watched: tuple[NDArray, ...], *, whole: bool = False
    ) -> tuple[Array, NDArray[np.bool_]]:
        """What there is to see in environments ids (n,) as they were watched, (n, width) each.

        Args:
            ids: The environments.
            watched: Rows of what `watched` gave for them.
            whole: As if nothing hid anything.

        Returns:
            Surface points (n, M, 3) m in the task frame, and which of them each camera sees, (n, C, M); (n, 1, M) true
            for `whole`.
        """
        ...


class CloudStream:
    """Perceived clouds of all environments over time: camera period, delay and errors included.

    Args:
        model: The errors.
        view: What is visible.
        count: N, points of a cloud.
        num_envs: B.
        seed: Seed of the errors.
    """

    def __init__(self, model: CloudModel, view: View, count: int, num_envs: int, *, seed: int = 0) -> None:
        self.model = model
        self.view = view
        self.count = count
        self.rng = np.random.default_rng((seed, 13))
        b, c = num_envs, len(view.eyes)
        depth = model.latency + 1
        self._past = [np.zeros((depth, b, size), dtype=np.float32) for size in view.sizes]
        self._newest = self._step = 0
        self._latency = np.zeros(b, dtype=int)
        self._phase = np.zeros(b, dtype=int)
        self._missing = np.zeros(b, dtype=np.float32)
        self._on = np.ones((b, c), dtype=bool)
        self._shift = np.zeros((b, c, 3), dtype=np.float32)
        self._tilt = np.zeros((b, c, 3), dtype=np.float32)
        self._current = np.zeros((b, count, 3), dtype=np.float32)
        #: (B,) points that the newest cloud was chosen from; fewer than N are repeated.
        self.seen_points = np.zeros(b, dtype=int)

    @property
    def current(self) -> Array:
        """(B, N, 3) m in the task frame: the clouds reported last. A view: copy what is to be kept."""
        return self._current

    def reset(self, ids: NDArray, state: Any) -> None:
        """Start new episodes in environments ids (n,), which `state` shows; each sees its first cloud at once."""
        model, rng, n = self.model, self.rng, len(ids)
        for past, now in zip(self._past, self.view.watched(state), strict=True):
            past[:, ids] = now[ids]
        self._latency[ids] = rng.integers(0, model.latency + 1, n)
        self._phase[ids] = rng.integers(0, model.period, n)
        self._missing[ids] = rng.uniform(0.0, model.dropout, n)
        on = rng.random((n, self._on.shape[1])) >= model.blind
        on[~on.any(axis=1)] = True
        self._on[ids] = on
        self._shift[ids] = rng.uniform(-model.shift, model.shift, (n, *self._shift.shape[1:]))
        axis = rng.normal(size=(n, *self._tilt.shape[1:]))
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        self._tilt[ids] = axis * np.deg2rad(model.tilt) * rng.random(axis.shape[:-1])[..., None]
        self._look(ids, fresh=True)

    def update(self, state: Any) -> None:
        """Advance one control step to a state."""
        self._step += 1
        self._newest = (self._newest + 1) % len(self._past[0])
        for past, now in zip(self._past, self.view.watched(state), strict=True):
            past[self._newest] = now
        due = np.flatnonzero((self._step + self._phase) % self.model.period == 0)
        if len(due):
            with np.errstate(invalid="ignore"):  # where the physics has diverged; such an episode ends here
                self._look(due)

    def _look(self, ids: NDArray, *, fresh: bool = False) -> None:
        """Take the clouds of environments ids (n,); where nothing is seen, the last cloud stays."""
        model, rng = self.model, self.rng
        when = (self._newest - self._latency[ids]) % len(self._past[0])
        watched = tuple(past[when, ids] for past in self._past)
        points, seen = self.view.look(ids, watched, whole=model.whole)
        n, m, _ = points.shape
        if not model.whole:
            seen &= self._on[ids][..., None]
            if model.dropout:
                seen &= (rng.random((n, m), dtype=np.float32) >= self._missing[ids, None])[:, None]
        key = rng.random((n, m), dtype=np.float32)
        any_camera = np.logical_or.reduce(seen, axis=1)
        counts = any_camera.sum(axis=1)
        if fresh:
            any_camera = any_camera | (counts == 0)[:, None]
            counts = np.where(counts == 0, m, counts)
        # Those that are seen come first, in an order drawn anew.
        order = np.argsort(key + 2.0 * ~any_camera, axis=1)
        turn = np.arange(self.count)[None] % np.maximum(counts, 1)[:, None]
        chosen = np.take_along_axis(order, turn, axis=1)
        cloud = np.take_along_axis(points, chosen[..., None], axis=1)
        if model.shift or model.tilt:
            cloud += self._camera_error(ids, cloud, seen, chosen)
        if model.noise:
            cloud += model.noise * rng.standard_normal(cloud.shape, dtype=np.float32)
        good = counts > 0
        self._current[ids[good]] = cloud[good]
        self.seen_points[ids] = counts

    def _camera_error(self, ids: NDArray, cloud: Array, seen: NDArray[np.bool_], chosen: NDArray[np.intp]) -> Array:
        """How far points (n, N, 3) are off because their cameras are not where they are believed to be."""
        n, c, _ = seen.shape
        rows = np.arange(n)[:, None]
        # Where several cameras see a point, any of them may have measured it.
        weight = self.rng.random((n, c, self.count), dtype=np.float32) + seen[rows[..., None], np.arange(c)[:, None],
                                                                              chosen[:, None]]  # fmt: skip
        camera = weight.argmax(axis=1)
        which = ids[:, None], camera
        # Angles are small: turning is a cross product.
        return self._shift[which] + np.cross(self._tilt[which], cloud - self.view.eyes[camera])
