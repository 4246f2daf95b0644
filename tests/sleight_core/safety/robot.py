"""A robot and a policy that feed a filter, each message of which a test can leave out or spoil."""

from __future__ import annotations

from typing import Any

import numpy as np
from sleight_core.safety import ReasonCode, SafetyConfig, SafetyFilter, SafetyOutput, SafetyState
from sleight_description import load_hand

HAND = load_hand("shadow")
PERIOD = 1.0 / 60.0


def sent(out: SafetyOutput) -> np.ndarray:
    """The targets of an output that must have some."""
    assert out.positions is not None
    return out.positions


class Rig:
    """Time, a hand that follows what is sent at once, and a policy with a constant wish."""

    def __init__(self, start: float | None = None, **config: Any) -> None:
        self.filter = SafetyFilter(HAND, SafetyConfig(period=PERIOD, **config))
        self.now = 100.0
        self.sequence = 0
        mid = 0.5 * (HAND.lower + HAND.upper)
        self.q = mid if start is None else np.full(len(mid), start)
        self.target = self.q[HAND.actuated_index].copy()
        self.twist = np.zeros(6)
        self.outputs: list[SafetyOutput] = []

    def joint_state(self, **changes: Any) -> ReasonCode:
        message: dict[str, Any] = {"stamp": self.now, "names": list(HAND.joint_names), "positions": self.q.copy()}
        return self.filter.observe_joint_state(self.now, **(message | changes))

    def wrist(self, **changes: Any) -> ReasonCode:
        return self.filter.observe_wrist(self.now, **({"stamp": self.now, "position": np.array([0, 0, 0.8])} | changes))

    def object(self, **changes: Any) -> ReasonCode:
        message: dict[str, Any] = {"stamp": self.now} | changes
        return self.filter.observe_object(self.now, **message)

    def command(self, **changes: Any) -> ReasonCode:
        self.sequence += 1
        message: dict[str, Any] = {
            "stamp": self.now,
            "names": list(HAND.actuated_joint_names),
            "positions": self.target.copy(),
            "twist": self.twist.copy(),
            "sequence": self.sequence,
        }
        return self.filter.observe_command(self.now, **(message | changes))

    def tick(self) -> SafetyOutput:
        out = self.filter.tick(self.now)
        self.outputs.append(out)
        if out.positions is not None:
            self.q[HAND.actuated_index] = out.positions
        return out

    def step(self, without: str = "", period: float = PERIOD) -> SafetyOutput:
        """Advance one period with all messages except the one named."""
        self.now += period
        for name in ("joint_state", "wrist", "object", "command"):
            if name != without:
                assert getattr(self, name)() == ReasonCode.OK
        return self.tick()

    def run(self, seconds: float, without: str = "") -> SafetyOutput:
        for _ in range(max(1, round(seconds / PERIOD))):
            out = self.step(without)
        return out

    def armed(self) -> Rig:
        """Arm and run until the command is followed."""
        self.filter.arm()
        self.run(1.0)
        return self


class Watch:
    """Holds every output of a filter against the invariants that must hold whatever comes in."""

    def __init__(self, filter_: SafetyFilter) -> None:
        self.filter = filter_
        self.before: SafetyOutput | None = None
        self.last_now: float | None = None

    def message(self, now: float) -> None:
        """A message was handed over: a clock that ran backward is known from then on, and time counts from there."""
        if self.last_now is not None and now < self.last_now:
            self.last_now = now

    def check(self, now: Any, out: SafetyOutput) -> None:
        limits, wrist, longest = self.filter.joint_limits, self.filter.wrist_limits, self.filter.config.longest_step
        assert out.joint_names == HAND.actuated_joint_names
        assert np.isfinite(out.wrist_twist).all() and (np.abs(out.wrist_twist) <= wrist.speed).all()
        assert out.state in SafetyState and out.reason in ReasonCode
        assert (out.reason == ReasonCode.OK) == (out.detail == "")
        assert all(age >= 0 for age in out.ages.values())
        elapsed = longest
        if isinstance(now, float) and self.last_now is not None and np.isfinite(now - self.last_now):
            elapsed = min(longest, max(0.0, now - self.last_now))
        if out.positions is None:
            assert out.state in (SafetyState.IDLE, SafetyState.STOPPED)
            assert not out.wrist_twist.any()
        else:
            assert out.positions.shape == (18,) and np.isfinite(out.positions).all()
            assert out.rates.shape == (18,) and (np.abs(out.rates) <= limits.velocity + 1e-9).all()
            assert (out.positions >= limits.lower).all() and (out.positions <= limits.upper).all()
        before = self.before
        holding = out.state in (SafetyState.HOLD, SafetyState.STOPPED)
        # In a hold a standing clock brakes by one period a tick.
        span = max(elapsed, self.filter.config.period) if holding else elapsed
        if before is not None and before.positions is not None and out.positions is not None:
            step = np.abs(out.positions - before.positions)
            assert (step <= limits.velocity * span + 1e-9).all()
            assert (step <= np.abs(out.rates) * span + 1e-9).all()
            if limits.acceleration is not None:
                bounded = np.isfinite(limits.acceleration)
                change = np.abs(out.rates - before.rates)[bounded]
                assert (change <= limits.acceleration[bounded] * span + 1e-7).all()
            if holding:
                assert (np.abs(out.rates) <= np.abs(before.rates) + 1e-9).all()
                assert limits.acceleration is not None or not step.any()
            change = np.abs(out.wrist_twist - before.wrist_twist)
            assert (change <= wrist.acceleration * span + 1e-9).all()
            if holding:
                assert (np.abs(out.wrist_twist) <= np.abs(before.wrist_twist)).all()
        if before is not None and before.state == SafetyState.STOPPED and self.filter._stop is not None:
            assert out.state == SafetyState.STOPPED
        self.before = out
        if isinstance(now, float) and np.isfinite(now):
            self.last_now = now
