"""One goal, from accepting it to its end: a state machine without ROS, threads or a clock of its own.

Reports of the other nodes and times go in; what is to be asked of them comes out. The safety filter stays the only one
that decides what the hand does: this machine engages and releases the policy, and arms a bridge that was never armed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sleight_core.safety import ReasonCode, SafetyState

from sleight_ros.skills.goals import Outcome, Phase, Request, SkillSettings
from sleight_ros.skills.sight import Sight

FOLLOWING = (SafetyState.BLENDING, SafetyState.ACTIVE)
#: Reasons of a hold that say that the object is gone.
OBJECT_GONE = (ReasonCode.NO_OBJECT, ReasonCode.STALE_OBJECT)
#: Phases in which the policy acts.
ACTING = (Phase.GRASPING, Phase.HOLDING, Phase.TRANSITION, Phase.SECOND_SKILL, Phase.THIRD_SKILL)
#: Phase of each skill of a composition after the first one.
LATER = (Phase.SECOND_SKILL, Phase.THIRD_SKILL)
#: Below this share of lift_height an object that was held counts as dropped.
KEPT_SHARE = 0.5
#: How often policy/release is asked before the bridge is stopped instead.
RELEASES = 2
#: Pause before a refused engagement is asked again, s.
ENGAGE_PAUSE = 0.2


class Ask(Enum):
    """What the machine wants from other nodes; each is answered by `SkillMachine.answer`."""

    RESET_PERCEPTION = "perception/reset"
    ARM = "bridge/rearm"
    ENGAGE = "policy/engage"
    RELEASE = "policy/release"
    STOP = "bridge/stop"


class PolicyState(Enum):
    """What the policy says of itself."""

    IDLE = "idle"
    ENGAGED = "engaged"
    FAULT = "fault"


@dataclass(frozen=True)
class Verdict:
    """How a goal ended, and why."""

    outcome: Outcome
    message: str


@dataclass
class Record:
    """What came of one skill of a composition, as perception saw it; the fields of sleight_msgs/SkillRecord."""

    skill: str
    kept: bool = False
    succeeded: bool = False


class SkillMachine:
    """Runs one goal. Not thread-safe.

    Args:
        request: The goal.
        settings: The server's.
        now: Monotonic time, s; also of all other calls.
        started: When the goal was accepted, if that was earlier.

    Attributes:
        phase: Where it is.
        sight: What is known of the object.
        verdict: How it ends, as soon as that is known.
        done: Nothing more is to be asked: the verdict is final.
        wants: What is asked at the moment; None when nothing is.
        asked: How often anything was asked: tells two requests for the same from each other.
        stage: Where the policy says that it is in a composition; empty before it acts.
        records: Of the skills of a composition.
        safety: Newest state, reason and detail of the bridge.
        remark: What there is to say to the state; empty when nothing is.
    """

    def __init__(self, request: Request, settings: SkillSettings, now: float, started: float | None = None) -> None:
        self.request, self.settings = request, settings
        self.started = now if started is None else started
        self.phase = Phase.CHECKING
        self.sight = Sight(settings.steady_time, settings.steady_spread)
        self.verdict: Verdict | None = None
        self.done = False
        self.wants: Ask | None = None
        self.asked = 0
        self.records = tuple(map(Record, request.skills))
        self.stage = ""
        self._index = 0
        self.safety = (SafetyState.IDLE, ReasonCode.NOT_ARMED, "")
        self.remark = ""
        self._asked_at = self._since = now
        self._handed_out = 0
        self._heard: float | None = None
        self._ready = False
        self._engaged = self._arming = self._arm_answered = self._policy_spoke = False
        self._refused: float | None = None
        self._acting_since = self._held_since = 0.0
        self._held = False
        self._releases = 0
        self._released_at: float | None = None

    @property
    def skill(self) -> str:
        """The skill that is engaged, or is to be; empty when the goal names none."""
        return self.request.skills[self._index] if self.request.skills else ""

    # What others say ------------------------------------------------------------------------------------------------

    def take_status(self, now: float, state: SafetyState, reason: ReasonCode, detail: str) -> None:
        """Take what the bridge says; in order, and none may be left out: a stop may show in a single one."""
        self._heard, self.safety = now, (state, reason, detail)
        if state == SafetyState.STOPPED:
            self._stopped(now)
        elif self.phase == Phase.ARMING and self._arm_answered and reason != ReasonCode.NOT_ARMED:
            self._arming = False
            self._go(now, Phase.ENGAGING, Ask.ENGAGE)
        if not self._held and state not in FOLLOWING:
            self._held_since = now
        self._held = state not in FOLLOWING

    def take_policy(self, now: float, state: PolicyState, reason: str, stage: str = "") -> None:
        """Take what the policy says."""
        if self.phase not in ACTING:
            return
        self.stage = stage
        if state == PolicyState.FAULT:
            self._end(now, Outcome.POLICY_FAULT, f"the policy faulted: {reason}")
        elif state == PolicyState.ENGAGED:
            self._policy_spoke, self.remark = True, reason
        # Before its first word since engaging, an "idle" may be from before.
        elif self._policy_spoke:
            self._end(now, Outcome.POLICY_FAULT, "somebody else released the policy")

    def take_object(self, now: float, position: tuple[float, float, float], quality: float, words: str) -> None:
        """Take an estimate of the object; see `Sight.take`."""
        self.sight.take(now, position, quality, words)

    def answer(self, now: float, ask: Ask, accepted: bool, message: str) -> None:
        """Take the answer to what the machine wanted."""
        if ask != self.wants:
            return
        self.wants = None
        if ask in (Ask.RELEASE, Ask.STOP):
            self._released(now, ask, accepted)
        elif ask == Ask.ENGAGE:
            self._answer_engage(now, accepted, message)
        elif not accepted:
            self._arming = False
            self._end(now, Outcome.REFUSED, f"{ask.value}: {message}")
        elif ask == Ask.RESET_PERCEPTION:
            self._ready = True
            self.sight = Sight(self.settings.steady_time, self.settings.steady_spread)
        elif ask == Ask.ARM:
            # What the bridge says next tells whether a stop came before: that one would be undone by now.
            self._arm_answered = True

    def next_ask(self) -> Ask | None:
        """What is to be asked now: each request is handed out once."""
        if self.wants is None or self._handed_out == self.asked:
            return None
        self._handed_out = self.asked
        return self.wants

    # What the user says ---------------------------------------------------------------------------------------------

    def cancel(self, now: float) -> None:
        """End because somebody canceled the goal."""
        self._end(now, Outcome.CANCELED, "canceled")

    def preempt(self, now: float) -> None:
        """End because a newer goal waits."""
        self._end(now, Outcome.PREEMPTED, "a newer goal took its place")

    def abandon(self, now: float, message: str) -> list[Ask]:
        """End at once, without waiting for an answer.

        Returns:
            What the caller must ask for, whether or not an answer comes.
        """
        self._end(now, Outcome.DEACTIVATED, message)
        self.done, self.wants = True, None
        return [ask for ask, due in ((Ask.STOP, self._arming), (Ask.RELEASE, self._engaged)) if due]

    # The course of time ---------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Go on; call about 20 times a second."""
        if self.done:
            return
        if self.wants is not None and now - self._asked_at > self.settings.service_timeout:
            self._unanswered(now)
        if self.phase == Phase.RELEASING:
            self._go_on_releasing(now)
            return
        if now - self.started > self.request.timeout:
            figure = f", the object {self.sight.height:.3f} m high" if self._engaged else ""
            words = f"not done after {self.request.timeout:g} s ({self.phase.name.lower()}{figure})"
            self._end(now, Outcome.TIMED_OUT, words)
        elif now - (self._since if self._heard is None else self._heard) > self.settings.status_patience:
            outcome = Outcome.REFUSED if self._heard is None else Outcome.HELD_BY_SAFETY
            self._end(now, outcome, "bridge/status is silent: hand_bridge is not active")
        elif self.phase == Phase.CHECKING:
            self._check(now)
        elif self.phase == Phase.SEEKING_OBJECT:
            self._seek(now)
        elif self.phase == Phase.ENGAGING and self.wants is None and now - self._asked_at > ENGAGE_PAUSE:
            self._ask(now, Ask.ENGAGE)
        elif self.phase in ACTING:
            self._act(now)

    def _check(self, now: float) -> None:
        if self._heard is not None and self._may_begin(now):
            self._ready = not self.settings.reset_perception
            self._go(now, Phase.SEEKING_OBJECT, None if self._ready else Ask.RESET_PERCEPTION)

    def _may_begin(self, now: float) -> bool:
        """Whether the bridge is free for this goal; end it if it will not be."""
        state, reason, _ = self.safety
        if state in FOLLOWING:
            # Of a goal that has just ended, the last word may still be under way.
            if now - self._since > self.settings.status_patience:
                self._end(now, Outcome.REFUSED, "somebody else has engaged the policy; policy/release ends that")
            return False
        if reason == ReasonCode.NOT_ARMED and not self.settings.rearm_on_goal:
            words = "the bridge is not armed; call bridge/rearm, or set the parameter 'rearm_on_goal'"
            self._end(now, Outcome.REFUSED, words)
            return False
        return True

    def _seek(self, now: float) -> None:
        if now - self._since > self.settings.seek_patience:
            words = self.sight.words or "it does not lie still"
            self._end(now, Outcome.OBJECT_LOST, f"no object at rest was seen: {words}")
        elif (
            self._ready
            and self.sight.at_rest()
            and self.sight.age(now) <= self.settings.object_max_age
            # Somebody may have used the bridge meanwhile.
            and self._may_begin(now)
        ):
            self._arming = self.safety[1] == ReasonCode.NOT_ARMED
            if self._arming:
                self._go(now, Phase.ARMING, Ask.ARM)
            else:
                self._go(now, Phase.ENGAGING, Ask.ENGAGE)

    def _act(self, now: float) -> None:
        if self._watch(now):
            return
        height, lift = self.sight.height, self.request.lift_height
        now_seen = self.sight.age(now) <= self.settings.object_max_age
        up = now_seen and height >= lift and not self._held
        if self.phase == Phase.GRASPING and up:
            self._go(now, Phase.HOLDING)
        elif self.phase == Phase.HOLDING and not up:
            self._go(now, Phase.GRASPING)
        elif self.phase == Phase.HOLDING and now - self._since >= self.request.hold_time:
            self._record(kept=True, succeeded=True)
            if self.request.skills:
                self._go_to_next(now)
            else:
                words = f"lifted {height:.3f} m and held for {self.request.hold_time:g} s"
                self._end(now, Outcome.SUCCEEDED, words)
        elif self._index and now_seen and height < KEPT_SHARE * lift:
            self._end(now, Outcome.OBJECT_LOST, f"the object fell to {height:.3f} m while '{self.skill}' acted")
        elif self.phase == Phase.TRANSITION and self.wants is None and now - self._asked_at > ENGAGE_PAUSE:
            self._ask(now, Ask.ENGAGE)
        elif self.phase in LATER and now - self._since >= self.request.times[self._index - 1]:
            self._record(kept=True, succeeded=True)
            if self._index + 1 < len(self.request.skills):
                self._go_to_next(now)
            else:
                acted = " and ".join(f"'{name}'" for name in self.request.skills[1:])
                self._end(now, Outcome.SUCCEEDED, f"the object was kept while {acted} acted")

    def _go_to_next(self, now: float) -> None:
        """Let the next skill of the composition be engaged."""
        self._index += 1
        self._go(now, Phase.TRANSITION, Ask.ENGAGE)

    def _record(self, *, kept: bool, succeeded: bool) -> None:
        """Note what came of the present skill, where the goal names one."""
        if self.records:
            self.records[self._index].kept, self.records[self._index].succeeded = kept, succeeded

    def _watch(self, now: float) -> bool:
        """End when the object is gone or the bridge holds for too long; return whether it did."""
        state, reason, detail = self.safety
        gone_for = min(self.sight.age(now), now - self._acting_since)
        held_for = now - max(self._held_since, self._acting_since) if self._held else 0.0
        object_gone = self._held and reason in OBJECT_GONE
        if gone_for > self.settings.object_patience or (object_gone and held_for > self.settings.object_patience):
            words = self.sight.words or "no estimate comes"
            self._end(now, Outcome.OBJECT_LOST, f"the object is no longer seen: {words}")
        elif held_for > self.settings.hold_patience:
            words = ": ".join(part for part in (reason.name, detail, self.remark) if part)
            self._end(now, Outcome.HELD_BY_SAFETY, f"the bridge is in {state.name} for {held_for:.1f} s: {words}")
        return self.verdict is not None

    # Engaging and releasing -----------------------------------------------------------------------------------------

    def _answer_engage(self, now: float, accepted: bool, message: str) -> None:
        if self.phase == Phase.RELEASING:
            self._go_on_releasing(now)
            return
        if accepted:
            self._refused, self._policy_spoke = None, False
            if self.phase == Phase.TRANSITION:
                self._record(kept=True, succeeded=False)
                self._go(now, LATER[self._index - 1])
                return
            self.sight.mark_rest()
            self._acting_since = now
            self._go(now, Phase.GRASPING)
            return
        # In a transition the skill before is engaged still.
        self._engaged = self.phase == Phase.TRANSITION
        # An input may just be late: asked again, but not for ever.
        self._refused = now if self._refused is None else self._refused
        self.remark, self._asked_at = message, now
        if now - self._refused > self.settings.engage_patience:
            self._end(now, Outcome.REFUSED, f"policy/engage: {message}")

    def _stopped(self, now: float) -> None:
        _, reason, detail = self.safety
        words = f"the bridge is stopped ({': '.join(part for part in (reason.name, detail) if part)})"
        if self.phase == Phase.CHECKING:
            self._end(now, Outcome.REFUSED, f"{words}; bridge/rearm ends that")
        else:
            self._end(now, Outcome.HELD_BY_SAFETY, words)

    def _unanswered(self, now: float) -> None:
        ask, self.wants = self.wants, None
        assert ask is not None
        if ask in (Ask.RELEASE, Ask.STOP):
            self._released(now, ask, False)
        else:
            self._end(now, Outcome.REFUSED, f"{ask.value} does not answer")

    def _end(self, now: float, outcome: Outcome, message: str) -> None:
        """Settle the outcome, once, and let go of the policy."""
        if self.verdict is not None:
            return
        self.verdict = Verdict(outcome, message)
        if outcome == Outcome.OBJECT_LOST:
            self._record(kept=False, succeeded=False)
        self.phase, self._since = Phase.RELEASING, now
        # An engagement under way must be answered before it can be released.
        if self.wants != Ask.ENGAGE:
            self.wants = None
            self._go_on_releasing(now)

    def _go_on_releasing(self, now: float) -> None:
        if self.done or self.wants is not None:
            return
        if self._arming:
            # A stop that came while arming was under way may have been undone by it: stop (again).
            self._ask(now, Ask.STOP)
        elif self._engaged:
            self._ask(now, Ask.RELEASE)
        elif self._released_at is None or self.safety[0] not in FOLLOWING:
            self.done = True
        elif now - self._released_at > self.settings.status_patience:
            self._released_at = None
            self._note("the bridge went on after the policy was released: it is stopped")
            self._ask(now, Ask.STOP)

    def _released(self, now: float, ask: Ask, accepted: bool) -> None:
        assert self.verdict is not None
        if accepted:
            # Released is the hand only when the bridge says that it holds.
            self._released_at = now if ask == Ask.RELEASE else None
            self._engaged = self._arming = False
        elif ask == Ask.RELEASE and self._releases < RELEASES:
            self._ask(now, Ask.RELEASE)
            return
        elif ask == Ask.RELEASE:
            # A policy that cannot be released must not go on commanding the hand.
            self._note("policy/release does not answer: the bridge is stopped")
            self._ask(now, Ask.STOP)
            return
        else:
            self._note("bridge/stop does not answer either")
            self._engaged = self._arming = False
        self._go_on_releasing(now)

    def _note(self, words: str) -> None:
        assert self.verdict is not None
        self.verdict = Verdict(self.verdict.outcome, f"{self.verdict.message}; {words}")

    def _go(self, now: float, phase: Phase, ask: Ask | None = None) -> None:
        self.phase, self._since = phase, now
        if ask is not None:
            self._ask(now, ask)

    def _ask(self, now: float, ask: Ask) -> None:
        self.wants, self._asked_at = ask, now
        self.asked += 1
        self._engaged |= ask == Ask.ENGAGE
        self._releases += ask == Ask.RELEASE
