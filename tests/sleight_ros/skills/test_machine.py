"""The state machine of a goal, alone: what it asks, how it ends, and what it never does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.safety import ReasonCode, SafetyState
from sleight_ros.skills.goals import Outcome, Phase, Request, SkillSettings
from sleight_ros.skills.machine import Ask, PolicyState, Record, SkillMachine

STEP = 0.05
GRASP = Request("grasp", timeout=20.0, lift_height=0.1, hold_time=1.0)
COMPOSE = Request("compose", 20.0, 0.1, 1.0, ("grasp", "press"), (2.0,))
THREE = Request("compose", 20.0, 0.1, 1.0, ("grasp", "press", "turn"), (2.0, 3.0))
IDLE = (SafetyState.IDLE, ReasonCode.NOT_ARMED)
HOLD = (SafetyState.HOLD, ReasonCode.POLICY_HOLD)
ACTIVE = (SafetyState.ACTIVE, ReasonCode.OK)
STOPPED = (SafetyState.STOPPED, ReasonCode.STOP_REQUESTED)


class World:
    """The other nodes, as far as a machine sees them; they answer at once and do as asked.

    Attributes:
        bridge: State and reason that the bridge reports; None: nothing.
        height: Where the object is above the table, m; None: it is not seen.
        silent: Requests that are not answered.
        refused: Requests that are answered with a no.
        deaf: The bridge goes on when the policy is released.
        stage: Where the policy says that it is.
        asked: All requests.
        engaged_at: How many they were at the last engagement that was not refused; 0 before.
    """

    def __init__(self, request=GRASP, bridge=HOLD, **given):
        self.bridge = bridge
        self.height: float | None = 0.0
        self.silent, self.refused, self.asked = set(), set(), []
        self.policy, self.deaf = PolicyState.IDLE, False
        self.stage = ""
        self.engaged_at = 0
        self.now = 100.0
        self.machine = SkillMachine(request, SkillSettings(**{"rearm_on_goal": True, **given}), self.now)

    def step(self):
        """Let a twentieth of a second pass."""
        machine = self.machine
        self.now += STEP
        if self.bridge is not None:
            state, reason = self.bridge
            machine.take_status(self.now, state, reason, "")
        machine.take_policy(self.now, self.policy, "", self.stage)
        words = "no cluster" if self.height is None else ""
        machine.take_object(self.now, (0.0, 0.0, 0.64 + (self.height or 0.0)), 1.0, words)
        machine.tick(self.now)
        while (ask := machine.next_ask()) is not None:
            self.asked.append(ask)
            if ask == Ask.ENGAGE and ask not in self.refused - self.silent:
                self.engaged_at = len(self.asked)
            if ask not in self.silent:
                self.do(ask, ask not in self.refused)

    def do(self, ask, accepted):
        if accepted and ask == Ask.ARM:
            self.bridge = HOLD
        elif accepted and ask == Ask.ENGAGE:
            self.policy = PolicyState.ENGAGED
            self.bridge = ACTIVE if self.bridge == HOLD else self.bridge
        elif accepted and ask == Ask.RELEASE:
            self.policy = PolicyState.IDLE
            self.bridge = HOLD if self.bridge == ACTIVE and not self.deaf else self.bridge
        elif accepted and ask == Ask.STOP:
            self.bridge = STOPPED
        self.machine.answer(self.now, ask, accepted, "" if accepted else "not now")

    def until(self, *phases, longest=60.0):
        """Go on until the machine is in a phase, or done."""
        for _ in range(round(longest / STEP)):
            if self.machine.done or self.machine.phase in phases:
                break
            self.step()
        assert self.machine.phase in phases, (self.machine.phase, self.machine.verdict)
        return self

    @property
    def verdict(self):
        assert self.machine.verdict is not None
        return self.machine.verdict

    @property
    def words(self):
        return self.verdict.message

    def end(self, longest=60.0):
        """Go on to the end; return the outcome."""
        for _ in range(round(longest / STEP)):
            if self.machine.done:
                break
            self.step()
        assert self.machine.done, self.machine.phase
        assert self.words
        return self.verdict.outcome


def test_a_grasp_from_an_unarmed_bridge_to_success():
    world = World(bridge=IDLE).until(Phase.GRASPING)
    assert world.asked == [Ask.RESET_PERCEPTION, Ask.ARM, Ask.ENGAGE]
    world.height = 0.12
    world.until(Phase.HOLDING)
    assert world.end() == Outcome.SUCCEEDED
    assert world.asked[3:] == [Ask.RELEASE] and world.bridge == HOLD


def test_an_armed_bridge_is_not_armed_again():
    world = World().until(Phase.GRASPING)
    assert world.asked == [Ask.RESET_PERCEPTION, Ask.ENGAGE]


def test_perception_is_left_alone_where_that_is_wanted():
    world = World(reset_perception=False).until(Phase.GRASPING)
    assert world.asked == [Ask.ENGAGE]


def test_an_object_must_stay_up_without_a_break():
    world = World().until(Phase.GRASPING)
    world.height = 0.12
    world.until(Phase.HOLDING)
    for height, phase in ((0.09, Phase.GRASPING), (0.12, Phase.HOLDING)):
        for _ in range(15):
            world.step()
        assert world.machine.phase == Phase.HOLDING
        world.height = height
        world.step()
        assert world.machine.phase == phase
        world.height = 0.12
        world.until(Phase.HOLDING)
    assert world.end() == Outcome.SUCCEEDED


def test_an_object_that_never_rises_times_out():
    world = World().until(Phase.GRASPING)
    assert world.end() == Outcome.TIMED_OUT and world.asked[-1] == Ask.RELEASE
    assert world.now - 100.0 == pytest.approx(GRASP.timeout, abs=0.5)


@pytest.mark.parametrize(
    ("bridge", "words"), [(STOPPED, "bridge/rearm"), (ACTIVE, "somebody else"), (None, "silent")], ids=str
)
def test_a_bridge_that_is_not_free_is_left_alone(bridge, words):
    world = World(bridge=bridge)
    assert world.end() == Outcome.REFUSED and words in world.words
    assert world.asked == []


def test_an_unarmed_bridge_is_armed_only_where_that_is_allowed():
    world = World(bridge=IDLE, rearm_on_goal=False)
    assert world.end() == Outcome.REFUSED and "rearm_on_goal" in world.words
    assert world.asked == []


def test_a_bridge_that_was_used_while_the_object_was_sought_is_looked_at_again():
    world = World(rearm_on_goal=False)
    world.height = None
    world.until(Phase.SEEKING_OBJECT)
    world.bridge, world.height = IDLE, 0.0
    assert world.end() == Outcome.REFUSED and Ask.ARM not in world.asked


def test_the_last_word_of_an_earlier_goal_is_waited_for():
    world = World(bridge=ACTIVE)
    world.step()
    world.bridge = HOLD
    world.until(Phase.GRASPING)


@pytest.mark.parametrize("phase", [Phase.SEEKING_OBJECT, Phase.GRASPING, Phase.HOLDING])
def test_a_stop_ends_the_goal_and_nothing_is_armed_after_it(phase):
    world = World(bridge=IDLE if phase == Phase.SEEKING_OBJECT else HOLD).until(Phase.SEEKING_OBJECT, Phase.GRASPING)
    if phase != Phase.SEEKING_OBJECT:
        world.until(Phase.GRASPING)
    if phase == Phase.HOLDING:
        world.height = 0.12
        world.until(Phase.HOLDING)
    world.bridge = STOPPED
    assert world.end() == Outcome.HELD_BY_SAFETY
    assert Ask.ARM not in world.asked and world.bridge == STOPPED


def test_a_stop_that_arming_would_undo_is_made_again():
    world = World(bridge=IDLE)
    world.silent.add(Ask.ARM)
    world.until(Phase.ARMING)
    # Somebody stops the bridge; the request to arm, sent before, reaches it after that and is answered.
    world.machine.answer(world.now, Ask.ARM, True, "armed")
    world.machine.take_status(world.now, *STOPPED, "")
    world.bridge = HOLD
    assert world.end() == Outcome.HELD_BY_SAFETY
    assert world.asked[-1] == Ask.STOP and world.bridge == STOPPED and Ask.ENGAGE not in world.asked


def test_an_arming_that_is_not_answered_ends_in_a_stop():
    world = World(bridge=IDLE)
    world.silent.add(Ask.ARM)
    assert world.end() == Outcome.REFUSED
    assert world.asked[-2:] == [Ask.ARM, Ask.STOP]


def test_an_arming_that_is_refused_asks_nothing_more():
    world = World(bridge=IDLE)
    world.refused.add(Ask.ARM)
    assert world.end() == Outcome.REFUSED and world.asked[-1] == Ask.ARM


def test_an_engagement_is_asked_again_for_a_while():
    world = World()
    world.refused.add(Ask.ENGAGE)
    world.until(Phase.ENGAGING)
    for _ in range(10):
        world.step()
    assert world.machine.remark == "not now"
    world.refused.clear()
    world.until(Phase.GRASPING)
    assert world.asked.count(Ask.ENGAGE) > 1


def test_an_engagement_that_is_refused_for_good_is_no_engagement():
    world = World()
    world.refused.add(Ask.ENGAGE)
    assert world.end() == Outcome.REFUSED and "not now" in world.words
    assert Ask.RELEASE not in world.asked


def test_an_engagement_that_is_not_answered_is_released():
    world = World()
    world.silent.add(Ask.ENGAGE)
    assert world.end() == Outcome.REFUSED and world.asked[-1] == Ask.RELEASE


def test_a_cancel_during_engaging_waits_for_the_answer_and_releases():
    world = World()
    world.silent.add(Ask.ENGAGE)
    world.until(Phase.ENGAGING)
    world.machine.cancel(world.now)
    world.step()
    assert not world.machine.done and Ask.RELEASE not in world.asked
    world.do(Ask.ENGAGE, True)
    assert world.end() == Outcome.CANCELED and world.asked[-1] == Ask.RELEASE


@pytest.mark.parametrize("how", ["silent", "refused"])
def test_a_policy_that_cannot_be_released_has_its_bridge_stopped(how):
    world = World().until(Phase.GRASPING)
    getattr(world, how).add(Ask.RELEASE)
    world.machine.cancel(world.now)
    assert world.end() == Outcome.CANCELED
    assert world.asked[-3:] == [Ask.RELEASE, Ask.RELEASE, Ask.STOP]
    assert "stopped" in world.words


def test_a_bridge_that_goes_on_after_the_release_is_stopped():
    world = World().until(Phase.GRASPING)
    world.deaf = True
    world.machine.cancel(world.now)
    assert world.end() == Outcome.CANCELED
    assert world.asked[-2:] == [Ask.RELEASE, Ask.STOP] and world.bridge == STOPPED


def test_nothing_answers_and_it_ends_nevertheless():
    world = World().until(Phase.GRASPING)
    world.silent |= set(Ask)
    world.bridge = None
    assert world.end() == Outcome.HELD_BY_SAFETY
    assert "bridge/stop does not answer either" in world.words


def test_an_object_that_is_gone_ends_the_goal():
    world = World().until(Phase.GRASPING)
    world.height = None
    world.bridge = (SafetyState.HOLD, ReasonCode.NO_OBJECT)
    assert world.end() == Outcome.OBJECT_LOST and "no cluster" in world.words


def test_one_that_is_never_seen_ends_it_too():
    world = World()
    world.height = None
    assert world.end() == Outcome.OBJECT_LOST and Ask.ENGAGE not in world.asked


def test_a_gap_in_sight_is_no_loss():
    world = World().until(Phase.GRASPING)
    world.height = None
    for _ in range(10):
        world.step()
    world.height = 0.12
    assert world.end() == Outcome.SUCCEEDED


def test_a_long_hold_ends_the_goal_and_a_short_one_does_not():
    world = World().until(Phase.GRASPING)
    world.bridge = (SafetyState.HOLD, ReasonCode.STALE_JOINT_STATE)
    for _ in range(20):
        world.step()
    assert world.machine.phase == Phase.GRASPING
    world.bridge = ACTIVE
    for _ in range(100):
        world.step()
    world.bridge = (SafetyState.HOLD, ReasonCode.STALE_JOINT_STATE)
    assert world.end() == Outcome.HELD_BY_SAFETY and "STALE_JOINT_STATE" in world.words


def test_a_hold_is_no_success():
    world = World().until(Phase.GRASPING)
    world.bridge, world.height = (SafetyState.HOLD, ReasonCode.STALE_COMMAND), 0.2
    assert world.end() == Outcome.HELD_BY_SAFETY


@pytest.mark.parametrize("state", [PolicyState.FAULT, PolicyState.IDLE])
def test_a_policy_that_ends_by_itself_ends_the_goal(state):
    world = World().until(Phase.GRASPING)
    world.step()
    world.policy = state
    assert world.end() == Outcome.POLICY_FAULT


def test_an_idle_word_from_before_engaging_is_none():
    world = World().until(Phase.GRASPING)
    world.machine.take_policy(world.now, PolicyState.IDLE, "")
    assert world.machine.phase == Phase.GRASPING


def test_a_composition_runs_its_skills_one_after_the_other():
    world = World(COMPOSE).until(Phase.GRASPING)
    assert world.machine.skill == "grasp"
    world.height = 0.15
    world.until(Phase.SECOND_SKILL)
    assert world.machine.skill == "press" and world.asked.count(Ask.ENGAGE) == 2
    # The first keeps it, though not at the same height.
    world.height = 0.07
    begin = world.now
    assert world.end() == Outcome.SUCCEEDED
    assert world.now - begin == pytest.approx(COMPOSE.times[0], abs=0.3)
    assert world.machine.records == (Record("grasp", True, True), Record("press", True, True))


def test_a_third_skill_follows_the_second():
    world = World(THREE).until(Phase.GRASPING)
    assert world.machine.records == (Record("grasp"), Record("press"), Record("turn"))
    world.height = 0.15
    world.until(Phase.SECOND_SKILL)
    world.stage = "second"
    world.step()
    assert (world.machine.skill, world.machine.stage) == ("press", "second")
    assert world.machine.records[1:] == (Record("press", True, False), Record("turn"))
    begin = world.now
    world.until(Phase.THIRD_SKILL)
    assert world.now - begin == pytest.approx(THREE.times[0], abs=0.3)
    assert world.machine.skill == "turn" and world.asked.count(Ask.ENGAGE) == 3
    begin = world.now
    assert world.end() == Outcome.SUCCEEDED and "'press' and 'turn'" in world.words
    assert world.now - begin == pytest.approx(THREE.times[1], abs=0.3)
    assert all(record.kept and record.succeeded for record in world.machine.records)


def test_what_a_third_skill_drops_was_kept_by_those_before():
    world = World(THREE).until(Phase.GRASPING)
    world.height = 0.15
    world.until(Phase.THIRD_SKILL)
    world.height = 0.01
    assert world.end() == Outcome.OBJECT_LOST and "'turn'" in world.words
    assert world.machine.records == (Record("grasp", True, True), Record("press", True, True), Record("turn"))


def test_a_third_skill_that_is_refused_leaves_nothing_engaged():
    world = World(THREE).until(Phase.GRASPING)
    world.height = 0.15
    world.until(Phase.SECOND_SKILL)
    world.refused.add(Ask.ENGAGE)
    assert world.end() == Outcome.REFUSED
    assert world.asked[-1] == Ask.RELEASE and world.policy == PolicyState.IDLE
    assert [record.succeeded for record in world.machine.records] == [True, True, False]


def test_a_third_skill_that_does_not_fit_yet_is_asked_again():
    world = World(THREE).until(Phase.GRASPING)
    world.height = 0.15
    world.until(Phase.SECOND_SKILL)
    world.refused.add(Ask.ENGAGE)
    world.until(Phase.TRANSITION)
    for _ in range(10):
        world.step()
    assert world.machine.phase == Phase.TRANSITION and world.asked.count(Ask.ENGAGE) > 3
    world.refused.clear()
    world.until(Phase.THIRD_SKILL)


def test_a_goal_that_is_canceled_tells_how_far_it_came():
    world = World(THREE).until(Phase.GRASPING)
    world.height = 0.15
    world.until(Phase.THIRD_SKILL)
    world.machine.cancel(world.now)
    assert world.end() == Outcome.CANCELED
    assert world.machine.records[1:] == (Record("press", True, True), Record("turn", True, False))


def test_a_composition_that_drops_its_object_has_lost_it():
    world = World(COMPOSE).until(Phase.GRASPING)
    world.height = 0.15
    world.until(Phase.SECOND_SKILL)
    world.height = 0.01
    assert world.end() == Outcome.OBJECT_LOST and "'press'" in world.words


def test_a_second_skill_that_is_refused_leaves_nothing_engaged():
    world = World(COMPOSE).until(Phase.GRASPING)
    world.height = 0.15
    world.refused.add(Ask.ENGAGE)
    assert world.end() == Outcome.REFUSED
    assert world.asked[-1] == Ask.RELEASE and world.policy == PolicyState.IDLE


def test_who_abandons_a_goal_is_told_what_to_ask():
    world = World().until(Phase.GRASPING)
    assert world.machine.abandon(world.now, "over") == [Ask.RELEASE] and world.machine.done
    assert world.verdict.outcome == Outcome.DEACTIVATED
    world = World().until(Phase.SEEKING_OBJECT)
    assert world.machine.abandon(world.now, "over") == []
    world = World(bridge=IDLE)
    world.silent.add(Ask.ARM)
    assert world.until(Phase.ARMING).machine.abandon(world.now, "over") == [Ask.STOP]


EVENTS = st.one_of(
    st.tuples(st.just("bridge"), st.sampled_from([IDLE, HOLD, ACTIVE, STOPPED, None])),
    st.tuples(st.just("height"), st.sampled_from([None, 0.0, 0.05, 0.12])),
    st.tuples(st.just("policy"), st.sampled_from(list(PolicyState))),
    st.tuples(st.just("silent"), st.sets(st.sampled_from(list(Ask)))),
    st.tuples(st.just("refused"), st.sets(st.sampled_from(list(Ask)))),
    st.tuples(st.just("cancel"), st.none()),
    st.tuples(st.just("preempt"), st.none()),
    st.tuples(st.just("wait"), st.integers(1, 60)),
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([GRASP, COMPOSE, THREE]),
    st.sampled_from([IDLE, HOLD]),
    st.booleans(),
    st.lists(EVENTS, max_size=12),
)
def test_whatever_happens_it_ends_and_lets_go(request, bridge, rearm, events):
    world = World(request, bridge, rearm_on_goal=rearm)
    machine = world.machine
    stopped = False
    for event, value in [*events, ("wait", round(60.0 / STEP))]:
        for _ in range(value if event == "wait" else 1):
            asked = len(world.asked)
            if event in ("cancel", "preempt"):
                getattr(machine, event)(world.now)
            elif event != "wait":
                setattr(world, event, value)
            stopped |= world.bridge == STOPPED
            if machine.done:
                break
            world.step()
            # After a stop nothing is armed and nothing engaged.
            if stopped:
                assert not {Ask.ARM, Ask.ENGAGE} & set(world.asked[asked:])
    assert machine.done and machine.verdict is not None and machine.next_ask() is None
    if world.engaged_at:
        assert Ask.RELEASE in world.asked[world.engaged_at :]
    if not rearm:
        assert Ask.ARM not in world.asked
