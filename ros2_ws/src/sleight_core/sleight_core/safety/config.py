"""Settings of the safety filter."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from sleight_core.errors import SleightError

#: Shortest default age limit of commands and states (s): below it, an ordinary scheduler hiccup would be a fault.
_SHORTEST_AGE_LIMIT = 0.05
#: Shortest default time over which a joint state may repeat itself (s).
_SHORTEST_REPEAT = 0.1
_POSITIVE = ("period", "recovery_ticks", "start_limit", "repeat_motion", "rival_window", "rival_limit")
_UNBOUNDED = ("start_limit", "target_tolerance", "twist_tolerance", "repeat_motion")


@dataclass(frozen=True)
class SafetyConfig:
    """How the safety filter judges its inputs and starts motions; times in seconds.

    Attributes:
        period: Control period.
        command_max_age: Age limit of policy commands; None for max(3 periods, 50 ms).
        joint_state_max_age: Age limit of joint states; None for max(2 periods, 50 ms).
        wrist_max_age: Age limit of wrist states; None for that of joint states.
        object_max_age: Age limit of the object estimate.
        watch_object: Whether a stale or missing object is a reason to hold (off for bundles that see no object).
        watch_wrist: Whether a wrist state is needed; None: needed by a hand on a floating wrist.
        blend_time: Duration of the blend from the measured pose; 1.5 s is advised on hardware.
        blend_threshold: Largest joint difference (rad) between a first command and the sent pose that needs no blend.
        recovery_ticks: Ticks in a row on which all sources must be fresh before a hold ends by itself.
        start_limit: Largest joint difference (rad) between the first command after arming and the measured pose; a
            farther one is refused. Infinite: none is, a far one is only blended.
        state_tolerance: How far (rad) a measured joint may lie beyond its limits.
        target_tolerance: How far (rad) a target may lie beyond the joint's limits and still be clamped; farther, the
            command is refused as a fault. Infinite: always clamped.
        twist_tolerance: The same for wrist twists, as a multiple of the speed limits.
        repeat_motion: Way (rad) of a sent target over which the joint state may stay the same bit for bit; infinite to
            never judge.
        repeat_max_age: Time over which it may do so at least; None for max(6 periods, 100 ms).
        rival_window: Time within which commands of two sources in turn are counted.
        rival_limit: Turns within that time from which two sources are a fault.
        trust_stamps: Stamps and the injected clock are one clock, so ages count from the stamp; if not, ages count from
            the arrival, and stamps only serve to notice frozen and backward-running sources.
        future_tolerance: How far a trusted stamp may lie ahead of the clock.
        clock_tolerance: How far the clock may step back unnoticed (calls from several threads).
        task_frame: Frame that wrist twists and wrist states must name; None accepts any.
    """

    period: float = 1.0 / 60.0
    command_max_age: float | None = None
    joint_state_max_age: float | None = None
    wrist_max_age: float | None = None
    object_max_age: float = 0.2
    watch_object: bool = True
    watch_wrist: bool | None = None
    blend_time: float = 0.5
    blend_threshold: float = 0.1
    recovery_ticks: int = 5
    start_limit: float = math.inf
    state_tolerance: float = 0.15
    target_tolerance: float = 1.0
    twist_tolerance: float = 10.0
    repeat_motion: float = 0.1
    repeat_max_age: float | None = None
    rival_window: float = 1.0
    rival_limit: int = 3
    trust_stamps: bool = True
    future_tolerance: float = 0.05
    clock_tolerance: float = 1e-3
    task_frame: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "task_frame" or isinstance(value, bool) or value is None:
                continue
            positive = field.name in _POSITIVE or field.name.endswith("max_age")
            unbounded = field.name in _UNBOUNDED and value == math.inf
            if not (math.isfinite(value) or unbounded) or value < 0 or (positive and value == 0):
                finite = "" if field.name in _UNBOUNDED else " and finite"
                raise SleightError(
                    f"safety filter: '{field.name}' must be {'above' if positive else 'at least'} 0{finite}",
                    value=value,
                )

    @property
    def command_age_limit(self) -> float:
        """Age limit of commands in force (s)."""
        return self.command_max_age or max(3.0 * self.period, _SHORTEST_AGE_LIMIT)

    @property
    def joint_state_age_limit(self) -> float:
        """Age limit of joint states in force (s)."""
        return self.joint_state_max_age or max(2.0 * self.period, _SHORTEST_AGE_LIMIT)

    @property
    def wrist_age_limit(self) -> float:
        """Age limit of wrist states in force (s)."""
        return self.wrist_max_age or self.joint_state_age_limit

    @property
    def repeat_age_limit(self) -> float:
        """Time over which a joint state may repeat itself while the targets move (s)."""
        return self.repeat_max_age or max(6.0 * self.period, _SHORTEST_REPEAT)

    @property
    def longest_step(self) -> float:
        """Longest time (s) that one tick counts for: a late tick allows no jump, a jittering one loses no speed."""
        return 1.5 * self.period
