"""What a skill's goal may ask, and how it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sleight_core.errors import SleightError


class Phase(IntEnum):
    """Where a skill is; the numbers of sleight_msgs/SkillState."""

    IDLE = 0
    CHECKING = 1
    SEEKING_OBJECT = 2
    ARMING = 3
    ENGAGING = 4
    GRASPING = 5
    HOLDING = 6
    TRANSITION = 7
    SECOND_SKILL = 8
    RELEASING = 9
    THIRD_SKILL = 10


class Outcome(IntEnum):
    """How a goal ended; the numbers of sleight_msgs/SkillOutcome."""

    SUCCEEDED = 0
    OBJECT_LOST = 1
    HELD_BY_SAFETY = 2
    TIMED_OUT = 3
    CANCELED = 4
    PREEMPTED = 5
    REFUSED = 6
    POLICY_FAULT = 7
    DEACTIVATED = 8


@dataclass(frozen=True)
class SkillSettings:
    """What the skill server's parameters say; times in s, lengths in m.

    Attributes:
        timeout: Of a goal that names none.
        lift_height: Of a goal that names none.
        hold_time: Of a goal that names none.
        second_time: How long a second skill acts, where the goal does not say.
        third_time: The same of a third one.
        rearm_on_goal: Arm a bridge that is not armed. A stopped one is never armed.
        reset_perception: Let perception forget its object at the start.
        status_patience: Longest silence of the bridge.
        seek_patience: Longest search for an object at rest.
        steady_time: How long the object must be seen at rest before the policy is engaged.
        steady_spread: How far the object's estimates may differ meanwhile, along each axis.
        object_max_age: Age up to which an estimate of the object counts as now.
        object_patience: Longest time without an estimate while the policy acts.
        hold_patience: Longest hold of the bridge while the policy acts.
        engage_patience: How long a refused engagement is asked again.
        service_timeout: Longest wait for the answer of a service.
    """

    timeout: float = 20.0
    lift_height: float = 0.1
    hold_time: float = 1.0
    second_time: float = 10.0
    third_time: float = 10.0
    rearm_on_goal: bool = False
    reset_perception: bool = True
    status_patience: float = 1.0
    seek_patience: float = 10.0
    steady_time: float = 0.3
    steady_spread: float = 0.02
    object_max_age: float = 0.3
    object_patience: float = 1.0
    hold_patience: float = 2.0
    engage_patience: float = 2.0
    service_timeout: float = 3.0


@dataclass(frozen=True)
class Request:
    """A goal that can be tried.

    Attributes:
        name: For people.
        timeout: s.
        lift_height: How far the object must rise, m.
        hold_time: How long it must stay up, s.
        skills: Names of a composition's skills in the order in which they act; empty for a grasp.
        times: How long each skill after the first one acts, s.
    """

    name: str
    timeout: float
    lift_height: float
    hold_time: float
    skills: tuple[str, ...] = ()
    times: tuple[float, ...] = ()


#: Largest values that a goal may ask for; beyond them it is a mistake of units.
LONGEST_TIME = 3600.0
HIGHEST_LIFT = 2.0


def grasp_request(goal: Any, settings: SkillSettings) -> Request:
    """Read a Grasp goal.

    Raises:
        SleightError: A value is no number or out of its range.
    """
    timeout, lift_height, hold_time = _common(goal, settings)
    return Request(f"grasp {goal.object}".strip(), timeout, lift_height, hold_time)


def compose_request(goal: Any, settings: SkillSettings) -> Request:
    """Read a Compose goal.

    Raises:
        SleightError: A value is no number or out of its range, or the skills are not two or three.
    """
    skills = (goal.first, goal.second, goal.third) if goal.third else (goal.first, goal.second)
    if not all(skills) or len(set(skills)) < len(skills):
        raise SleightError(
            "a composition needs two or three different skills",
            value=" and ".join(f"'{name}'" for name in skills),
            remedy="name them in the goal's first, second and third; without a third one leave that empty",
        )
    if not goal.third and goal.third_time:
        raise SleightError(
            "the goal's third_time", value=goal.third_time, remedy="name a third skill, or leave this at 0"
        )
    timeout, lift_height, hold_time = _common(goal, settings)
    times = tuple(
        _value(name, getattr(goal, name), getattr(settings, name), LONGEST_TIME)
        for name in ("second_time", "third_time")[: len(skills) - 1]
    )
    if (needed := hold_time + sum(times)) > timeout:
        names = "hold_time, second_time and third_time" if goal.third else "hold_time and second_time"
        raise SleightError(f"{names} ({needed:g} s) are longer than timeout ({timeout:g} s)", remedy="give more time")
    return Request(f"compose {' and '.join(skills)}", timeout, lift_height, hold_time, skills, times)


def _common(goal: Any, settings: SkillSettings) -> tuple[float, float, float]:
    timeout = _value("timeout", goal.timeout, settings.timeout, LONGEST_TIME)
    lift_height = _value("lift_height", goal.lift_height, settings.lift_height, HIGHEST_LIFT)
    hold_time = _value("hold_time", goal.hold_time, settings.hold_time, LONGEST_TIME)
    if hold_time > timeout:
        raise SleightError(
            f"hold_time ({hold_time:g} s) is longer than timeout ({timeout:g} s)", remedy="give more time"
        )
    return timeout, lift_height, hold_time


def _value(name: str, value: float, default: float, highest: float) -> float:
    """A goal's number, or the default where it is 0."""
    if not (math.isfinite(value) and 0.0 <= value <= highest):
        raise SleightError(
            f"the goal's {name}", value=value, remedy=f"0 to {highest:g}; 0 means {default:g}, the server's"
        )
    return float(value) or default
