"""What the adapter to the official LEAP module knows, without ROS.

That module takes 16 motor angles by position in a list (motor 0 first, a joint at 0 is pi), and answers a service with
the same. It dies of a NaN and of a wrong length, clips nothing, has no watchdog, and after a failed read returns what
it read before, without saying so. All of that is made good here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sleight_core.errors import SleightError

from sleight_ros.drivers.config import LeapConfig

#: Motors of the official module, in the order of its lists.
MOTORS = 16
#: Its client takes the unit of currents for that of another series (1.34 mA); the XC330's is 1 mA. A per effort.
CURRENT_PER_EFFORT = 1e-3 / 1.34


@dataclass(frozen=True)
class OfficialOptions:
    """How the adapter behaves.

    Attributes:
        command_timeout: Age at which a command no longer counts, s.
        state_timeout: Age at which a state no longer counts, s: nothing is sent then.
        repeats: So many identical states in a row are suspicious if the hand was to move meanwhile.
        movement: What counts as being told to move, rad.
    """

    command_timeout: float = 0.1
    state_timeout: float = 0.25
    repeats: int = 5
    movement: float = 0.03


@dataclass(frozen=True)
class OfficialState:
    """A state that is believed, in the order of the joints.

    Attributes:
        stamp: When it was asked for, monotonic s.
        positions: (J,) rad.
        velocities: (J,) rad/s.
        currents: (J,) A; None if the service does not tell.
    """

    stamp: float
    positions: np.ndarray
    velocities: np.ndarray
    currents: np.ndarray | None


class OfficialHand:
    """Turns states and commands into each other's language, or refuses them.

    Args:
        config: The hand.
        options: How to behave.

    Raises:
        SleightError: The config's motors are not the 16 of the official module.

    Attributes:
        counts: Events so far, by name.
        problem: Why the last state was not believed, "" if it was.
        repeated: How many identical states have come in a row.
    """

    def __init__(self, config: LeapConfig, options: OfficialOptions | None = None) -> None:
        if sorted(config.ids) != list(range(MOTORS)):
            raise SleightError(f"the official module has motors 0 to {MOTORS - 1}", value=list(config.ids))
        self.config, self.options = config, options or OfficialOptions()
        self.counts: Counter[str] = Counter()
        self.problem = "no state yet"
        self.repeated = 0
        self._map = config.mapping()
        self._ids = np.array(config.ids)
        self._last_reply: tuple[tuple[float, ...], ...] = ()
        self._state: OfficialState | None = None
        self._command: tuple[np.ndarray, float] | None = None
        self._sent: np.ndarray | None = None
        self._sent_time = -math.inf
        # Where the hand had to be when the present run of identical states began.
        self._sent_before: np.ndarray | None = None

    @property
    def motor_names(self) -> list[str]:
        """Joint names in the order of the motors."""
        return [self.config.joint_names[int(np.flatnonzero(self._ids == motor)[0])] for motor in range(MOTORS)]

    @property
    def suspected(self) -> bool:
        """Whether states repeat although the hand was told to move."""
        if self.repeated < self.options.repeats or self._sent is None or self._sent_before is None:
            return False
        return float(np.abs(self._sent - self._sent_before).max()) > self.options.movement

    # States --------------------------------------------------------------------------------------------------------

    def observe(
        self, stamp: float, positions: Sequence[float], velocities: Sequence[float], efforts: Sequence[float]
    ) -> OfficialState | None:
        """Take a service's answer; return the state if it can be believed.

        Args:
            stamp: When it was asked for, monotonic s.
            positions: Motor angles, rad.
            velocities: Motor velocities, rad/s; empty: the service does not tell.
            efforts: Motor currents in the module's unit; empty or all zero: the service does not tell.
        """
        self.problem = self._doubt(positions, velocities, efforts)
        if self.problem:
            self.counts["states refused"] += 1
            return None
        along, order = self._map.along, self._ids
        angles = self._map.joint_angles(np.asarray(positions, dtype=float)[order])
        reply = (tuple(positions), tuple(velocities), tuple(efforts))
        if reply == self._last_reply:
            self.repeated += 1
            self.counts["identical states"] += 1
        else:
            self._last_reply, self.repeated = reply, 0
            self._sent_before = angles if self._sent is None else self._sent
        if self.suspected:
            self.problem = f"suspected stale: {self.repeated + 1} identical states although the hand was told to move"
            self.counts["states suspected stale"] += 1
            return None
        if len(velocities):
            speeds = along(np.asarray(velocities, dtype=float)[order])
        else:
            speeds = self._difference(angles, stamp)
        currents = along(CURRENT_PER_EFFORT * np.asarray(efforts, dtype=float)[order]) if any(efforts) else None
        before, self._state = self._state, OfficialState(stamp, angles, speeds, currents)
        if before is None or stamp - before.stamp > self.options.state_timeout:
            # Whoever answered may have been restarted, and the hand with it: begin from where it is.
            self._sent = None
        self.counts["states"] += 1
        return self._state

    def _doubt(self, *lists: Sequence[float]) -> str:
        positions = lists[0]
        for name, values in zip(("positions", "velocities", "efforts"), lists, strict=True):
            if len(values) != MOTORS and (name == "positions" or len(values)):
                return f"{len(values)} {name}, not {MOTORS}"
            if not np.isfinite(np.asarray(values, dtype=float)).all():
                return f"{name} are not finite"
        angles = self._map.joint_angles(np.asarray(positions, dtype=float)[self._ids])
        slack = self.config.protection.position_slack
        out = np.flatnonzero((angles < self._map.lower - slack) | (angles > self._map.upper + slack))
        # All zero is what the module answers before its first successful read.
        return f"{self.config.describe(int(out[0]))} is at {angles[out[0]]:.2f} rad" if out.size else ""

    def _difference(self, angles: np.ndarray, stamp: float) -> np.ndarray:
        before = self._state
        if before is None or stamp <= before.stamp:
            return np.zeros_like(angles)
        return (angles - before.positions) / (stamp - before.stamp)

    # Commands ------------------------------------------------------------------------------------------------------

    def command(self, targets: np.ndarray, now: float) -> str:
        """Take joint targets, in the order of the joints, rad; return why they are refused, "" if they are not."""
        values = np.array(targets, dtype=float)
        if values.shape != (len(self.config.joints),):
            self.counts["commands refused"] += 1
            return f"{values.size} targets for {len(self.config.joints)} joints"
        if not np.isfinite(values).all():
            self.counts["commands refused"] += 1
            return f"target of {self.config.joint_names[int(np.argmin(np.isfinite(values)))]} is not finite"
        clipped = np.clip(values, self._map.lower, self._map.upper)
        self.counts["commands"] += 1
        self.counts["commands clipped"] += bool((clipped != values).any())
        self._command = (clipped, now)
        return ""

    def hold(self, now: float) -> str:
        """Why nothing may be sent now, "" if something may."""
        command, state, options = self._command, self._state, self.options
        if state is None or now - state.stamp > options.state_timeout:
            return self.problem or "the state is old"
        if self.suspected:
            return self.problem
        if command is None:
            return "no command"
        return "the command is old" if now - command[1] > options.command_timeout else ""

    def next(self, now: float) -> list[float] | None:
        """Motor angles to send now, in the order of the motors, rad; None to send nothing: the motors keep the last.

        They move no faster than the config's `max_velocity` from those sent last, or from where the hand is.
        """
        if self.hold(now):
            return None
        assert self._command is not None and self._state is not None
        fresh = self._sent is None or now - self._sent_time > self.options.command_timeout
        dt = 0.0 if fresh else now - self._sent_time
        start = self._state.positions if self._sent is None else self._sent
        furthest = self.config.control.max_velocity * dt
        self._sent = start + np.clip(self._command[0] - start, -furthest, furthest)
        self._sent_time = now
        angles = np.empty(MOTORS)
        angles[self._ids] = self._map.motor_angles(np.clip(self._sent, self._map.lower, self._map.upper))
        return angles.tolist()
