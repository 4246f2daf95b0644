"""When to send the answer to a state so that all answers take equally long."""

from __future__ import annotations

from collections import deque

from sleight_core.errors import SleightError

#: Longest latency, as a share of the period: a command must not meet the next one.
LONGEST = 0.8
#: States over which the shortest way is looked for: a second or two, so that a slow drift between clocks is followed.
WINDOW = 120
#: States that are remembered until their answer comes.
MEMORY = 16


class EqualLatency:
    """Turns the spread of what a state goes through into a constant latency.

    A state's way through the network and a policy takes a different time each period, and commands that leave as soon
    as they are known inherit the spread. Here an answer is due a fixed time after the moment at which its state would
    have arrived on the shortest way seen lately. That moment comes from the state's stamp and the least difference
    between arrival and stamp, so the other clock need not agree with ours; a wrong one makes answers early (due at
    once), never later than `latency` after the arrival.

    Args:
        latency: s, from the arrival; 0 for every answer at once.
        period: Control period, s.

    Raises:
        SleightError: The latency reaches into the next period.
    """

    def __init__(self, latency: float, period: float) -> None:
        if latency > LONGEST * period:
            raise SleightError(
                "parameter 'command_latency' reaches into the next period",
                value=latency,
                remedy=f"at most {LONGEST * period:.4g} s at a control_period of {period:.4g} s",
            )
        self.latency = latency
        self._ways: deque[float] = deque(maxlen=WINDOW)
        self._arrivals: dict[float, float] = {}

    def heard(self, stamp: float, now: float) -> None:
        """Note a state.

        Args:
            stamp: The state's stamp, s of its source's clock.
            now: Our clock, s.
        """
        if not self.latency:
            return
        self._ways.append(now - stamp)
        # The first arrival of a repeated state counts.
        self._arrivals.setdefault(stamp, now)
        if len(self._arrivals) > MEMORY:
            del self._arrivals[next(iter(self._arrivals))]

    def due(self, stamp: float, now: float) -> float:
        """When the answer to the state with this stamp is to be sent.

        Args:
            stamp: The state's stamp, s.
            now: Our clock, s.

        Returns:
            Time of our clock, s: `now` or later, and at most `latency` after the state's arrival; `now` for a state
            that was not heard.
        """
        arrival = self._arrivals.get(stamp)
        if arrival is None:
            return now
        earliest = min(stamp + min(self._ways), arrival)
        return max(now, earliest + self.latency)
