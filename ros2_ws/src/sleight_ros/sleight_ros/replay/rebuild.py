"""The inputs that the policy had at a tick, put together again by the code that the policy node runs.

A recording does not tell which message the policy had received at a tick: recorder and policy hear them at moments of
their own. The joint state is known, by the stamp that the command carries. Of the other sources the newest at the time
is taken, and only where the observation then differs from the recorded one, its neighbours in time are tried.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from sleight_core.action.spec import Command
from sleight_core.observation.terms import CLOUD_SIZES, cloud_term

from sleight_ros.convert import stamp_to_ns
from sleight_ros.policy_inputs import PolicyInputs
from sleight_ros.policy_step import PolicyStep
from sleight_ros.recording.reader import Track
from sleight_ros.replay.ticks import Engagement, Session, Tick

#: Observations that agree so well come from the same messages.
SAME = 1e-6
#: How many messages before and after the expected one are tried.
REACH = 4
#: Stamps further apart than so many usual steps have a lost message between them.
HOLE = 1.6
#: What `_Choice` chooses, in the order in which it is doubted: who sees more elements alone comes first.
_SOURCES = ("wrist", "heading", "rest", "wrenches", "object", "cloud", "sent")
#: Which sources decide the elements of a term.
_DECIDED = {
    **dict.fromkeys(("joint_pos", "joint_vel"), ()),
    **dict.fromkeys(("fingertip_state", "grasp_center_pos", "wrist_euler"), ("wrist", "heading")),
    **dict.fromkeys(("object_pos", "goal_offset"), ("object",)),
    **dict.fromkeys(map(cloud_term, CLOUD_SIZES), ("cloud", "heading")),
    "fingertip_wrench": ("wrenches",),
    "last_action": ("rest", "sent"),
}
_TOPICS = {
    "wrist": "wrist/odometry",
    "wrenches": "fingertip_wrenches",
    "object": "object/estimate",
    "cloud": "object/cloud",
    "sent": "bridge/sent",
    "heading": "wrist/odometry",
    "rest": "joint_states",
    "joints": "joint_states",
}


@dataclass
class _Choice:
    """Indices of the messages that the policy had: -1 for none. `heading` and `rest` are those of its engagement."""

    joints: int
    wrist: int
    wrenches: int
    object: int
    cloud: int
    sent: int
    heading: int
    rest: int


@dataclass
class Rebuilt:
    """A tick, rebuilt.

    Attributes:
        inputs: What the policy knew.
        observation: (D,), from it.
        doubted: Sources of which another message than the newest recorded one explains the observation.
    """

    inputs: PolicyInputs
    observation: np.ndarray
    doubted: list[str] = field(default_factory=list)

    def command(self, step: PolicyStep, action: np.ndarray) -> Command:
        """What an action means in this state."""
        return step.command(action, self.inputs)


class Rebuilder:
    """Rebuilds ticks in their order.

    Args:
        session: The recording.
        step: The policy.
        goal: Where the object should go (3,), m; the bundle's own when None.
        fit: Whether recorded and rebuilt observations are of the same layout, so that the neighbours in time of a
            message can be tried.

    Attributes:
        skipped: Ticks that cannot be rebuilt, by reason.
    """

    def __init__(self, session: Session, step: PolicyStep, goal: object = None, *, fit: bool = True) -> None:
        self.skipped: dict[str, int] = {}
        self._session, self._step, self._fit = session, step, fit
        self._blank = step.make_inputs(goal, session.frame)
        self._engaged: int | None = None
        self._heading = self._rest = -1
        self._settled = False
        self._begun: dict[tuple[int, int], PolicyInputs] = {}
        self._holes: dict[str, np.ndarray] = {}
        self._elements = {name: _decided_by(name, step) for name in _SOURCES}

    def ticks(self) -> Iterator[tuple[Tick, Rebuilt]]:
        """All ticks that can be rebuilt."""
        for event in self._session.events():
            if isinstance(event, Engagement):
                self._engaged, self._settled = event.time, False
                self._begun.clear()
                self._heading = self._newest("heading", event.time)
                self._rest = self._newest("rest", event.time)
                continue
            rebuilt = self._rebuild(event)
            if isinstance(rebuilt, str):
                self.skipped[rebuilt] = self.skipped.get(rebuilt, 0) + 1
            else:
                yield event, rebuilt

    def _rebuild(self, tick: Tick) -> Rebuilt | str:
        if self._engaged is None:
            return "engaged before the recording began"
        if tick.command is None or tick.joints is None:
            return "its command or joint state is not in the recording"
        newest = {name: self._newest(name, tick.time) for name in ("wrist", "wrenches", "object", "cloud", "sent")}
        if not self._elements["cloud"].any():
            newest["cloud"] = -1
        for name in ("wrist", "wrenches"):
            newest[name] = self._in_step(name, newest[name], stamp_to_ns(tick.command.state_stamp))
        if newest["sent"] <= self._newest("sent", self._engaged):
            newest["sent"] = -1
        choice = _Choice(joints=tick.joints, heading=self._heading, rest=self._rest, **newest)
        if choice.wrist < 0 or choice.heading < 0 or choice.rest < 0:
            return "no wrist or joint state was recorded before it"
        recorded = np.asarray(tick.telemetry.observation, dtype=float)
        best, inputs, observation = choice, *self._evaluate(choice)
        if self._fit and _largest(observation, recorded) > SAME:
            best, inputs, observation = self._search(choice, recorded)
        if self._fit and _largest(observation, recorded) > SAME and (lost := self._lost_near(choice)):
            return f"near a message on {lost} that the recorder lost"
        if not self._settled:
            # The first tick of an engagement tells which messages it began with.
            self._heading, self._rest, self._settled = best.heading, best.rest, True
        doubted = [name for name in _SOURCES if getattr(best, name) != getattr(choice, name)]
        return Rebuilt(inputs, observation, doubted)

    def _search(self, start: _Choice, recorded: np.ndarray) -> tuple[_Choice, PolicyInputs, np.ndarray]:
        """Change one source after the other to whichever neighbour explains most of the observation."""
        best, (inputs, observation) = start, self._evaluate(start)
        error = _total(observation, recorded)
        for _ in range(3):
            before = error
            for name in _SOURCES:
                if (name in ("heading", "rest") and self._settled) or self._explains(name, observation, recorded):
                    continue
                for index in self._neighbours(name, getattr(start, name)):
                    if index == getattr(best, name):
                        continue
                    other = copy.copy(best)
                    setattr(other, name, index)
                    found_inputs, found = self._evaluate(other)
                    if (total := _total(found, recorded)) < error:
                        best, inputs, observation, error = other, found_inputs, found, total
                        if self._explains(name, observation, recorded):
                            break
            if _largest(observation, recorded) <= SAME or error >= before:
                break
        return best, inputs, observation

    def _explains(self, name: str, observation: np.ndarray, recorded: np.ndarray) -> bool:
        """Whether the elements that a source decides are as they were."""
        mine = self._elements[name]
        return bool(mine.any()) and _largest(observation[mine], recorded[mine]) <= SAME

    def _evaluate(self, choice: _Choice) -> tuple[PolicyInputs, np.ndarray]:
        """Feed the messages of a choice to the policy's inputs, in the order in which the policy took them."""
        tracks = self._session.tracks
        inputs = copy.copy(self._begin(choice.heading, choice.rest))
        sent = tracks["bridge/sent"]
        # A step on a target is told from the target that was sent before.
        for index in (choice.sent - 1, choice.sent):
            if index >= self._first_sent() and choice.sent >= 0:
                inputs.take_sent(sent[index], 0.0)
        inputs.take_wrist(tracks["wrist/odometry"][choice.wrist], 0.0)
        if choice.wrenches >= 0:
            inputs.take_wrenches(tracks["fingertip_wrenches"][choice.wrenches], 0.0)
        if choice.object >= 0:
            inputs.take_object(tracks["object/estimate"][choice.object], 0.0)
        if choice.cloud >= 0:
            inputs.take_cloud(tracks["object/cloud"][choice.cloud], 0.0)
        inputs.take_joints(tracks["joint_states"][choice.joints], 0.0)
        return inputs, self._step.observe(inputs)

    def _begin(self, heading: int, rest: int) -> PolicyInputs:
        """The inputs right after an engagement with these messages."""
        if (heading, rest) not in self._begun:
            tracks = self._session.tracks
            inputs = copy.copy(self._blank)
            inputs.take_wrist(tracks["wrist/odometry"][heading], 0.0)
            inputs.take_joints(tracks["joint_states"][rest], 0.0)
            inputs.engage(0.0)
            self._begun[heading, rest] = inputs
        return self._begun[heading, rest]

    def _newest(self, name: str, time: int) -> int:
        """Newest message of a source at a time; of the object, the newest one that tells where it is."""
        track = self._session.tracks[_TOPICS[name]]
        index = track.newest(time)
        while name == "object" and index >= 0 and track[index].reason != 0:
            index -= 1
        return index

    def _in_step(self, name: str, newest: int, stamp: int) -> int:
        """The message of the joint state's own moment, for which a tick waits, when there is one near."""
        track = self._session.tracks[_TOPICS[name]]
        near = (i for i in _around(newest) if 0 <= i < len(track)) if newest >= 0 else ()
        return next((i for i in near if stamp_to_ns(track[i].header.stamp) == stamp), newest)

    def _lost_near(self, choice: _Choice) -> str:
        """The topic of a source that has a hole near a tick, "" when none has one."""
        for name in ("wrist", "wrenches", "sent"):
            topic = _TOPICS[name]
            if topic not in self._holes:
                self._holes[topic] = holes(self._session.tracks[topic])
            near, index = self._holes[topic], getattr(choice, name)
            if index >= 0 and ((near > index - REACH) & (near <= index + REACH)).any():
                return topic
        return ""

    def _first_sent(self) -> int:
        """The first command that the bridge sent in this engagement, or shortly before it was recorded."""
        assert self._engaged is not None
        return max(0, self._session.tracks["bridge/sent"].newest(self._engaged) + 1 - REACH)

    def _neighbours(self, name: str, index: int) -> list[int]:
        track = self._session.tracks[_TOPICS[name]]
        if name == "sent":
            assert self._engaged is not None
            first = self._first_sent()
            middle = index if index >= 0 else first + REACH
            near = [i for i in _around(middle) if first <= i < len(track)]
            return [*near, -1] if index < 0 or index <= first + 2 * REACH else near
        if index < 0 and name != "object":
            return []
        near = [i for i in _around(index) if 0 <= i < len(track)]
        return [i for i in near if name != "object" or track[i].reason == 0]


def _decided_by(source: str, step: PolicyStep) -> np.ndarray:
    """Which elements (D,) of the observation a source decides once those before it in `_SOURCES` are right."""
    mine = np.zeros(step.observation.size, dtype=bool)
    for name, place in step.observation.slices.items():
        # A term that is not listed may depend on anything.
        mine[place] = source in _DECIDED.get(name, _SOURCES)
    return mine


def holes(track: Track) -> np.ndarray:
    """Indices of the messages before which some are missing: their stamp is too far from the one before."""
    stamps = np.array([stamp_to_ns(track[i].header.stamp) for i in range(len(track))], dtype=np.int64)
    steps = np.diff(stamps)
    if not len(steps):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(steps > HOLE * np.median(steps)) + 1


def _around(index: int) -> list[int]:
    """An index and its neighbours, the nearest first."""
    return [index, *(index + sign * step for step in range(1, REACH + 1) for sign in (-1, 1))]


def _largest(found: np.ndarray, recorded: np.ndarray) -> float:
    difference = np.abs(found - recorded)
    return float(np.where(np.isnan(difference), np.inf, difference).max(initial=0.0))


def _total(found: np.ndarray, recorded: np.ndarray) -> float:
    difference = np.abs(found - recorded)
    return float(np.where(np.isnan(difference), 1e6, difference).sum())
