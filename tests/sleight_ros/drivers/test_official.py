"""The adapter to the official module, without ROS: what it believes, and what it sends."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.drivers.config import LeapConfig
from sleight_ros.drivers.official import MOTORS, OfficialHand, OfficialOptions

from .rig import CONFIG, NAMES

MAPPING = CONFIG.mapping()
OPEN = [math.pi] * MOTORS
ZEROS = [0.0] * MOTORS
SPEED = CONFIG.control.max_velocity


def noisy(k):
    """Currents of a hand that lives."""
    return [1.34 * (1 + (k + motor) % 3) for motor in range(MOTORS)]


class Talk:
    """An adapter and a clock."""

    def __init__(self, config=CONFIG, **options):
        self.hand = OfficialHand(config, OfficialOptions(**options))
        self.now, self.k = 50.0, 0

    def see(self, positions=OPEN, velocities=ZEROS, efforts=None, dt=0.02):
        self.now += dt
        self.k += 1
        return self.hand.observe(self.now, positions, velocities, noisy(self.k) if efforts is None else efforts)

    def send(self, targets, dt=1.0 / 60.0):
        self.now += dt
        assert self.hand.command(np.asarray(targets, dtype=float), self.now) == ""
        return self.hand.next(self.now)


def test_states_come_by_name_with_their_units():
    talk = Talk()
    positions = [math.pi + 0.01 * motor for motor in range(MOTORS)]
    state = talk.see(positions, [0.1 * motor for motor in range(MOTORS)], [134.0] * MOTORS)
    assert state is not None
    for name, angle, speed in zip(NAMES, state.positions, state.velocities, strict=True):
        motor = next(joint.id for joint in CONFIG.joints if joint.name == name)
        assert angle == pytest.approx(0.01 * motor) and speed == pytest.approx(0.1 * motor)
    # The module's client takes mA for 1.34 mA.
    assert state.currents == pytest.approx(np.full(MOTORS, 0.1))
    assert talk.hand.motor_names[:3] == ["if_rot", "if_mcp", "if_pip"] and talk.hand.motor_names[15] == "th_ipl"


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.floats(-0.3, 0.3), min_size=16, max_size=16))
def test_any_order_of_joints_ends_in_the_order_of_the_motors(rng, targets):
    rows = [joint.model_dump() | {"direction": rng.choice([1, -1])} for joint in CONFIG.joints]
    rng.shuffle(rows)
    config = LeapConfig.model_validate({"joints": rows})
    wanted = dict(zip(config.joint_names, targets, strict=True))
    talk = Talk(config)
    talk.see()
    sent = None
    for _ in range(30):
        talk.see()
        sent = talk.send(targets)
    assert sent is not None and len(sent) == MOTORS
    for row in rows:
        assert sent[row["id"]] == pytest.approx(math.pi + row["direction"] * wanted[row["name"]])


@pytest.mark.parametrize("ids", [range(1, 17), [0, 0, *range(2, 16)], range(15)])
def test_other_motors_than_the_modules_are_refused(ids):
    ids = list(ids)
    joints = [CONFIG.joints[k].model_dump() | {"id": one} for k, one in enumerate(ids)]
    with pytest.raises((SleightError, ValueError)):
        OfficialHand(LeapConfig.model_validate({"joints": joints}))


@pytest.mark.parametrize(
    ("positions", "velocities", "efforts", "words"),
    [
        (OPEN[:15], ZEROS, ZEROS, "15 positions"),
        ([], ZEROS, ZEROS, "0 positions"),
        (OPEN, ZEROS[:3], ZEROS, "3 velocities"),
        (OPEN, ZEROS, [*ZEROS, 0.0], "17 efforts"),
        ([math.nan, *OPEN[1:]], ZEROS, ZEROS, "positions are not finite"),
        (OPEN, [math.inf, *ZEROS[1:]], ZEROS, "velocities are not finite"),
        (ZEROS, ZEROS, ZEROS, "is at -3.14 rad"),  # what the module answers before its first read
    ],
)
def test_states_that_cannot_be_are_not_believed(positions, velocities, efforts, words):
    talk = Talk()
    assert talk.see(positions, velocities, efforts) is None
    assert words in talk.hand.problem
    # And nothing is sent on such a ground.
    assert talk.send(np.zeros(16)) is None
    assert talk.see() is not None and talk.hand.problem == ""


def test_repeated_states_while_the_hand_must_move_are_suspected():
    talk = Talk(repeats=5)
    frozen = noisy(0)
    for _ in range(4):
        assert talk.see(efforts=frozen) is not None
    # At rest, identical states are counted and no more.
    for _ in range(20):
        assert talk.see(efforts=frozen) is not None and talk.send(np.zeros(16)) is not None
    assert talk.hand.repeated >= 20 and not talk.hand.suspected
    outcomes = []
    for _ in range(10):
        talk.send(np.full(16, 0.5))
        outcomes.append(talk.see(efforts=frozen))
    assert outcomes[-1] is None and "suspected stale" in talk.hand.problem
    assert talk.send(np.full(16, 0.5)) is None
    # A state that differs ends the suspicion.
    assert talk.see() is not None
    assert talk.send(np.full(16, 0.5)) is not None


def test_a_moving_hand_is_never_suspected():
    talk = Talk(repeats=3)
    position = np.array(OPEN)
    for k in range(60):
        assert talk.see(position.tolist(), ZEROS, ZEROS) is not None
        sent = talk.send(np.full(16, 0.4 * math.sin(k / 10)))
        assert sent is not None
        position += 0.3 * (np.array(sent) - position)


def test_commands_are_clipped_and_rate_limited_from_where_the_hand_is():
    talk = Talk()
    talk.see([math.pi + 0.2] * MOTORS)
    last = np.full(16, math.pi + 0.2)
    for k in range(80):
        talk.see([math.pi + 0.2] * MOTORS, dt=0.0)
        sent = np.array(talk.send(np.full(16, 1e3)))
        assert np.abs(sent - last).max() <= SPEED / 60.0 + 1e-9, k
        last = sent
    assert last == pytest.approx(MAPPING.motor_angles(MAPPING.upper))
    assert talk.hand.counts["commands clipped"] == 80


@pytest.mark.parametrize("bad", [np.full(16, np.nan), np.full(16, np.inf), np.zeros(15), np.zeros(17), np.zeros(0)])
def test_wrong_commands_change_nothing(bad):
    talk = Talk()
    talk.see()
    before = talk.send(np.full(16, 0.1))
    talk.see()
    assert talk.hand.command(bad, talk.now) != ""
    talk.now += 1.0 / 60.0
    after = talk.hand.next(talk.now)
    assert before is not None and after is not None and np.isfinite(after).all() and len(after) == MOTORS


def test_old_commands_and_old_states_send_nothing():
    talk = Talk(command_timeout=0.1, state_timeout=0.25)
    assert talk.hand.hold(talk.now) == "no state yet"
    talk.see()
    assert talk.hand.hold(talk.now) == "no command"
    assert talk.send(np.zeros(16)) is not None
    talk.see(dt=0.11)
    assert talk.hand.hold(talk.now) == "the command is old" and talk.hand.next(talk.now) is None
    assert talk.send(np.zeros(16)) is not None
    assert talk.send(np.zeros(16), dt=0.3) is None
    assert "old" in talk.hand.hold(talk.now)


def test_after_an_outage_the_way_begins_where_the_hand_is():
    talk = Talk()
    for _ in range(40):
        talk.see()
        talk.send(np.full(16, 0.5))
    # The module was restarted, and opened the hand.
    talk.see(OPEN, dt=2.0)
    sent = np.array(talk.send(np.full(16, 0.5)))
    assert sent == pytest.approx(np.full(16, math.pi))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("see"), st.lists(st.floats(), max_size=18), st.lists(st.floats(), max_size=18)),
            st.tuples(st.just("good"), st.floats(-0.3, 0.3), st.floats(0, 1)),
            st.tuples(st.just("send"), st.lists(st.floats(), max_size=18), st.floats(0, 1)),
            st.tuples(st.just("target"), st.floats(-4, 4), st.floats(0, 0.2)),
        ),
        max_size=30,
    )
)
def test_whatever_comes_only_sixteen_sane_angles_go_out(events):
    talk, last = Talk(), None
    low = np.minimum(MAPPING.motor_angles(MAPPING.lower), MAPPING.motor_angles(MAPPING.upper)) - 1e-9
    high = np.maximum(MAPPING.motor_angles(MAPPING.lower), MAPPING.motor_angles(MAPPING.upper)) + 1e-9
    for what, first, second in events:
        if what == "see":
            talk.see(first, second)
        elif what == "good":
            last = None if second > 0.25 else last
            talk.see([math.pi + first] * MOTORS, dt=second)
        else:
            values = np.array(first) if what == "send" else np.full(16, first)
            talk.now += second
            talk.hand.command(values, talk.now)
            sent = talk.hand.next(talk.now)
            if sent is not None:
                angles = np.array(sent)
                assert angles.shape == (MOTORS,) and np.isfinite(angles).all()
                assert (angles >= low).all() and (angles <= high).all()
                if last is not None and last[1] is talk.hand._state:
                    assert np.abs(angles - last[0]).max() <= SPEED * 0.2 + 1e-9
                last = angles, talk.hand._state
