"""Whatever comes in, in whatever order: what goes out is finite, named, complete, limited, and rate-limited.

Together the slow tests run through more than 10,000 generated sequences of inputs, the others through a share of them.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sleight_core.safety import JointLimits, ReasonCode, SafetyConfig, SafetyFilter

from .robot import HAND, PERIOD, Watch

ALL, ACTUATED = list(HAND.joint_names), list(HAND.actuated_joint_names)

NUMBER = st.one_of(
    st.floats(-3, 3), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([1e308, -1e308, 5e-324, 0.0])
)
NAMES = st.one_of(
    st.just(ALL),
    st.just(ACTUATED),
    st.permutations(ALL),
    st.permutations(ACTUATED),
    st.lists(st.sampled_from([*ALL, "elbow", ""]), max_size=24),
    st.sampled_from([None, 3, "FFJ3", [None], [["FFJ3"]]]),
)
VALUES = st.one_of(
    st.lists(NUMBER, min_size=18, max_size=18),
    st.lists(NUMBER, min_size=22, max_size=22),
    st.lists(NUMBER, max_size=30),
    st.sampled_from([None, "x", 1.0, [[0.0]], ["x"], [None]]),
)
TWIST = st.one_of(st.none(), st.lists(NUMBER, min_size=6, max_size=6), st.lists(NUMBER, max_size=8), st.just("x"))
STEP = st.one_of(
    st.sampled_from([0.0, PERIOD, PERIOD, 0.9 * PERIOD, 1.2 * PERIOD, 3600.0, -1.0, -1e6]), st.floats(-1, 1)
)
DELAY = st.one_of(st.just(0.0), st.just(0.0), st.floats(-1, 1), st.sampled_from([float("nan"), float("inf"), 1e300]))


FREE = JointLimits.from_table(HAND)
#: Without a limit of the joints' acceleration, with a tight one, with a loose one, and with one of two joints alone.
LIMITS = (
    FREE,
    JointLimits.from_table(HAND, acceleration=5.0, velocity_scale=0.5),
    JointLimits.from_table(HAND, acceleration=300.0),
    FREE.tightened(acceleration={"FFJ2": 30.0, "THJ4": 2.0}),
)


class FilterMachine(RuleBasedStateMachine):
    """Good and spoiled messages, operator calls and clock jumps in any order."""

    @initialize(
        watch=st.booleans(),
        trust=st.booleans(),
        blend=st.sampled_from([0.0, 0.05, 0.5]),
        limits=st.sampled_from(LIMITS),
        start=st.sampled_from([0.2, float("inf")]),
    )
    def start(self, watch: bool, trust: bool, blend: float, limits: JointLimits, start: float) -> None:
        config = SafetyConfig(
            watch_object=watch, trust_stamps=trust, blend_time=blend, recovery_ticks=2, start_limit=start
        )
        self.filter = SafetyFilter(HAND, config, joint_limits=limits)
        self.watch = Watch(self.filter)
        self.now, self.sequence = 50.0, 0

    @rule(step=STEP)
    def clock(self, step: float) -> None:
        self.now += step

    @rule(seed=st.integers(0, 999), wild=st.floats(0, 10))
    def good_period(self, seed: int, wild: float) -> None:
        """One period in which everything arrives; the targets may be wild but are finite."""
        rng = np.random.default_rng(seed)
        self.now += PERIOD
        self.sequence += 1
        stamp = self.now
        self.watch.message(self.now)
        order = rng.permutation(len(ALL))
        q = rng.uniform(HAND.lower, HAND.upper)
        self.filter.observe_joint_state(self.now, stamp, [ALL[i] for i in order], q[order])
        self.filter.observe_wrist(self.now, stamp, rng.uniform(-1, 1, 3))
        self.filter.observe_object(self.now, stamp)
        wish = rng.uniform(HAND.actuated_lower, HAND.actuated_upper) + 0.1 * wild * rng.standard_normal(18)
        twist = 0.3 * wild * rng.standard_normal(6)
        self.filter.observe_command(self.now, stamp, ACTUATED, wish, twist, self.sequence)
        self.tick()

    @rule(delay=DELAY, names=NAMES, positions=VALUES, velocities=st.one_of(st.none(), VALUES))
    def joint_state(self, delay: float, names: Any, positions: Any, velocities: Any) -> None:
        self.watch.message(self.now)
        assert self.filter.observe_joint_state(self.now, self.now - delay, names, positions, velocities) in ReasonCode

    @rule(delay=DELAY, position=VALUES, twist=TWIST)
    def wrist(self, delay: float, position: Any, twist: Any) -> None:
        self.watch.message(self.now)
        assert self.filter.observe_wrist(self.now, self.now - delay, position, twist) in ReasonCode

    @rule(delay=DELAY, reason=st.sampled_from(ReasonCode))
    def object(self, delay: float, reason: ReasonCode) -> None:
        self.watch.message(self.now)
        assert self.filter.observe_object(self.now, self.now - delay, reason) in ReasonCode

    @rule(
        delay=DELAY,
        names=NAMES,
        positions=VALUES,
        twist=TWIST,
        sequence=st.one_of(st.none(), st.integers(-2, 10), st.just("x"), st.just(2**63)),
        bundle=st.sampled_from(["", "other"]),
    )
    def command(self, delay: float, names: Any, positions: Any, twist: Any, sequence: Any, bundle: str) -> None:
        self.watch.message(self.now)
        stamp = self.now - delay
        reason = self.filter.observe_command(self.now, stamp, names, positions, twist, sequence, bundle_id=bundle)
        assert reason in ReasonCode

    @rule(name=st.sampled_from(["arm", "arm", "rearm", "stop", "release"]))
    def operator(self, name: str) -> None:
        getattr(self.filter, name)()

    @rule()
    def reset(self) -> None:
        self.filter.reset()
        self.watch = Watch(self.filter)

    @rule(clock=st.sampled_from([float("nan"), float("-inf"), None, "noon"]))
    def broken_clock(self, clock: Any) -> None:
        self.watch.check(clock, self.filter.tick(clock))

    @rule()
    def tick(self) -> None:
        self.watch.check(self.now, self.filter.tick(self.now))


def check_machine(examples: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        FilterMachine,
        settings=settings(
            max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=checks, database=None
        ),
    )


def test_operators_clocks_and_spoiled_messages_in_any_order() -> None:
    check_machine(50)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_sequences_of_operators_clocks_and_spoiled_messages() -> None:
    check_machine(2_000)


#: One period: what the clock does, how late the stamps are, what is spoiled or lost, what the operator does.
PERIODS = st.tuples(
    st.sampled_from([PERIOD] * 6 + [0.0, 1e-9, 0.3 * PERIOD, 0.2, 100.0, -0.5]),
    st.sampled_from([0.0] * 6 + [0.01, 0.3, -0.2, float("nan")]),
    st.sampled_from(["", "", "", "", "q", "wish", "twist", "no q", "no wish", "short q", "rival", "order", "twice"]),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e308, 1e3, 1.0]),
    st.sampled_from([""] * 12 + ["stop", "rearm", "rearm", "release"]),
)


def run_periods(periods: list[tuple], seed: int, limits: JointLimits, states: dict[int, int]) -> None:
    """Run a sequence of periods through a new filter and check every output."""
    rng = np.random.default_rng(seed)
    filter_ = SafetyFilter(HAND, SafetyConfig(recovery_ticks=1, blend_time=0.05), joint_limits=limits)
    watch = Watch(filter_)
    now = float(rng.uniform(0, 1e4))
    filter_.arm()
    for sequence, (step, late, spoil, value, operator) in enumerate(periods):
        now += step
        stamp = now - late
        names, wanted = list(ALL), list(ACTUATED)
        q, wish = rng.uniform(HAND.lower, HAND.upper), rng.uniform(HAND.actuated_lower, HAND.actuated_upper)
        twist = rng.normal(0, 0.3, 6)
        if spoil in ("q", "wish", "twist"):
            row = {"q": q, "wish": wish, "twist": twist}[spoil]
            row[rng.integers(len(row))] = value
        elif spoil == "short q":
            names = names[1:]
        elif spoil == "twice":
            wanted[0] = wanted[1]
        elif spoil == "order":
            order, wanted_order = rng.permutation(22), rng.permutation(18)
            names, q = [ALL[i] for i in order], q[order]
            wanted, wish = [ACTUATED[i] for i in wanted_order], wish[wanted_order]
        watch.message(now)
        if spoil != "no q":
            filter_.observe_joint_state(now, stamp, names, q)
        if spoil != "no wish":
            filter_.observe_command(now, stamp, wanted, wish, twist, sequence)
        if spoil == "rival":
            filter_.observe_command(now, stamp, wanted, wish + 0.1, -twist, max(0, sequence - 3), bundle_id="b")
        filter_.observe_wrist(now, now, twist[:3])
        filter_.observe_object(now, now)
        if operator:
            getattr(filter_, operator)()
        out = filter_.tick(now)
        watch.check(now, out)
        states[out.state] += 1


def check_periods(examples: int) -> None:
    states = dict.fromkeys(range(5), 0)

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )
    @given(
        periods=st.lists(PERIODS, min_size=3, max_size=12),
        seed=st.integers(0, 2**32 - 1),
        limits=st.sampled_from(LIMITS),
    )
    def check(periods: list[tuple], seed: int, limits: JointLimits) -> None:
        run_periods(periods, seed, limits, states)

    check()
    # All states were met, so that the invariants were put to the test in each.
    assert all(count > examples // 100 for state, count in states.items() if state != 0), states


def test_good_spoiled_late_and_lost_messages() -> None:
    check_periods(300)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_sequences_of_good_spoiled_late_and_lost_messages(part: int) -> None:
    check_periods(2_500)
