"""Joint maps: there and back, the tendons' rule, and the real Shadow Hand against its public kinematics."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics
from sleight_core.rotations import quat_multiply, quat_rotate
from sleight_ros.bridges.joint_map import JointMap, MapSection, load_map
from sleight_ros.bridges.state_map import StateMap

from .builders import HAND, LIMITS, inside

NAMES = LIMITS.names
KINEMATICS = FingertipKinematics(HAND)
SHARES = st.lists(st.floats(0.0, 1.0), min_size=18, max_size=18)
SECTIONS = {
    "own": MapSection(),
    "renamed": MapSection(prefix="left_", reversed=("FFJ2", "THJ4"), offsets={"FFJ2": 0.3}, names={"RFJ1": "x"}),
    "shadow joints": MapSection(map="shadow_e3m5", prefix="rh_"),
    "shadow sums": MapSection(map="shadow_e3m5", prefix="rh_", tendons="sums"),
}


@pytest.mark.parametrize("kind", SECTIONS)
@settings(deadline=None)
@given(share=SHARES)
def test_targets_go_there_and_back(kind, share):
    commands = JointMap(HAND, SECTIONS[kind]).commands(NAMES)
    positions = inside(share)
    assert np.allclose(commands.decode(commands.encode(positions)), positions, atol=1e-12)


def test_our_own_names_and_numbers_stay_bit_for_bit():
    commands = JointMap(HAND, MapSection()).commands(NAMES)
    positions = inside(np.random.default_rng(0).uniform(size=18))
    assert commands.theirs == NAMES
    assert np.array_equal(commands.encode(positions), positions)
    assert np.array_equal(commands.decode(positions), positions)


@settings(deadline=None)
@given(share=SHARES)
def test_on_a_tendon_the_distal_joint_never_bends_more_than_the_middle_one(share):
    joints = JointMap(HAND, SECTIONS["shadow joints"]).commands(NAMES)
    sums = JointMap(HAND, SECTIONS["shadow sums"]).commands(NAMES)
    both = dict(zip(joints.theirs, joints.encode(inside(share)), strict=True))
    motors = dict(zip(sums.theirs, sums.encode(inside(share)), strict=True))
    assert len(both) == 22 and len(motors) == 18
    for finger in ("FF", "MF", "RF", "LF"):
        distal, middle = both[f"rh_{finger}J1"], both[f"rh_{finger}J2"]
        assert 0.0 <= distal <= middle + 1e-12
        assert motors[f"rh_{finger}J0"] == pytest.approx(distal + middle)
    assert (joints.encode(inside(share)) >= joints.lower - 2e-3).all()
    assert (joints.encode(inside(share)) <= joints.upper + 2e-3).all()


def states(section, names, positions, velocities=None):
    msg = JointState(name=list(names), position=[float(v) for v in positions])
    if velocities is not None:
        msg.velocity = [float(v) for v in velocities]
    return StateMap(JointMap(HAND, section), HAND.joint_names).read(msg)


@settings(deadline=None)
@given(data=st.data())
def test_joint_states_are_read_by_name_in_any_order_among_others(data):
    section = SECTIONS["shadow joints"]
    rows = JointMap(HAND, section).rows
    names = [row.name for row in rows.values()] + ["ra_elbow_joint", "rh_WRJ1"]
    order = data.draw(st.permutations(names))
    values = {name: data.draw(st.floats(-3.0, 3.0)) for name in names}
    state = states(section, order, [values[n] for n in order], [2.0 * values[n] for n in order])
    assert state.names == HAND.joint_names and not state.problem and state.velocity is not None
    for name, position, velocity in zip(state.names, state.position, state.velocity, strict=True):
        theirs = rows[name].sign * values[rows[name].name]
        assert position == theirs and velocity == 2.0 * theirs


def test_a_sum_is_shared_between_both_joints_of_a_tendon():
    section = SECTIONS["shadow joints"]
    state = states(section, ["rh_FFJ0", "rh_FFJ3"], [1.0, 0.2], [0.4, 0.1])
    assert state.names == ("FFJ2", "FFJ1", "FFJ0")
    assert state.position.tolist() == [0.2, 0.5, 0.5]
    assert state.velocity is not None and state.velocity.tolist() == [0.1, 0.2, 0.2]
    # Where both joints are measured, the sum is not asked.
    assert states(section, ["rh_FFJ0", "rh_FFJ1", "rh_FFJ2"], [9.0, 0.1, 0.6]).position.tolist() == [0.6, 0.1]


def test_a_joint_state_that_cannot_be_read_says_why():
    own = SECTIONS["own"]
    assert "2 names and 1 positions" in states(own, ["FFJ3", "FFJ2"], [0.0]).problem
    assert "velocities" in states(own, ["FFJ3", "FFJ2"], [0.0, 0.0], [1.0]).problem
    assert "twice: FFJ3" in states(own, ["FFJ3", "FFJ3"], [0.0, 0.0]).problem
    assert states(own, ["other", "other", "FFJ3"], [0.0, 0.0, 1.0]).names == ("FFJ3",)
    nan = states(own, ["FFJ3", "FFJ2"], [np.nan, 0.5])
    assert not nan.problem and np.isnan(nan.position[0]) and nan.position[1] == 0.5


def test_a_map_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    for content, words in (
        ("joints: {FFJ3: {name: a, sign: 2}}", "joints.FFJ3.sign"),
        ("joints: {FFJ3: {nam: a}}", "did you mean 'name'"),
        ("[1, 2]", "must be a section"),
        ("a: [", "cannot be read"),
    ):
        path.write_text(content)
        with pytest.raises(SleightError) as error:
            load_map(str(path))
        assert words in str(error.value), error.value


#: MuJoCo Menagerie "Shadow Hand E3M5", right: body -> parent, position, quaternion wxyz, joint, axis.
E3M5 = {
    **{
        f"{finger}knuckle": ("palm", pos, (1, 0, 0, 0), f"{finger.upper()}J4", (0, side, 0))
        for finger, pos, side in (
            ("ff", (0.033, 0, 0.095), -1),
            ("mf", (0.011, 0, 0.099), -1),
            ("rf", (-0.011, 0, 0.095), 1),
        )
    },
    "lfmetacarpal": ("palm", (-0.033, 0, 0.02071), (1, 0, 0, 0), "LFJ5", (0.573576, 0, 0.819152)),
    "lfknuckle": ("lfmetacarpal", (0, 0, 0.06579), (1, 0, 0, 0), "LFJ4", (0, 1, 0)),
    **{
        f"{finger}{link}": (f"{finger}{before}", pos, (1, 0, 0, 0), f"{finger.upper()}J{j}", (1, 0, 0))
        for finger in ("ff", "mf", "rf", "lf")
        for link, before, pos, j in (
            ("proximal", "knuckle", (0, 0, 0), 3),
            ("middle", "proximal", (0, 0, 0.045), 2),
            ("distal", "middle", (0, 0, 0.025), 1),
        )
    },
    "thbase": ("palm", (0.034, -0.00858, 0.029), (0.92388, 0, 0.382683, 0), "THJ5", (0, 0, -1)),
    "thproximal": ("thbase", (0, 0, 0), (1, 0, 0, 0), "THJ4", (1, 0, 0)),
    "thhub": ("thproximal", (0, 0, 0.038), (1, 0, 0, 0), "THJ3", (1, 0, 0)),
    "thmiddle": ("thhub", (0, 0, 0), (1, 0, 0, 0), "THJ2", (0, -1, 0)),
    "thdistal": ("thmiddle", (0, 0, 0.032), (np.sqrt(0.5), 0, 0, -np.sqrt(0.5)), "THJ1", (1, 0, 0)),
}


def real_tips(angles):
    """Fingertips of the real hand in its palm, from joint angles by its names."""
    poses = {"palm": (np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))}
    for body, (parent, pos, quat, joint, axis) in E3M5.items():
        at, turn = poses[parent]
        half = 0.5 * angles[joint]
        bend = np.concatenate([[np.cos(half)], np.sin(half) * np.asarray(axis, dtype=float)])
        rest = np.asarray(quat, dtype=float)
        poses[body] = (
            at + quat_rotate(turn, np.asarray(pos, dtype=float)),
            quat_multiply(quat_multiply(turn, rest / np.linalg.norm(rest)), bend),
        )
    tips = {f: HAND.fingers[f].tip for f in HAND.fingers}
    return np.array(
        [poses[f"{f}distal"][0] + quat_rotate(poses[f"{f}distal"][1], np.array(tips[f])) for f in HAND.fingers]
    )


def our_tips(joints):
    """Fingertips of our hand in its root body."""
    still, upright = np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0, 0.0]])
    distal = KINEMATICS.fingertips(joints[None], np.zeros((1, len(joints))), still, upright, still, still)
    return distal.pos[0] + quat_rotate(distal.quat[0], KINEMATICS.tips)


def test_every_joint_of_the_real_shadow_hand_moves_its_fingertip_the_way_ours_does():
    joints = JointMap(HAND, MapSection(map="shadow_e3m5"))
    rng = np.random.default_rng(0)
    for _ in range(20):
        ours = HAND.lower + rng.uniform(0.2, 0.8, len(HAND.lower)) * (HAND.upper - HAND.lower)
        for j, name in enumerate(HAND.joint_names):
            moved = ours.copy()
            moved[j] += 0.05
            steps = []
            for values in (ours, moved):
                angles = {
                    joints.rows[n].name: joints.rows[n].sign * v for n, v in zip(HAND.joint_names, values, strict=True)
                }
                steps.append((our_tips(values), real_tips(angles)))
            (our_before, real_before), (our_after, real_after) = steps
            ours_way, real_way = (our_after - our_before).ravel(), (real_after - real_before).ravel()
            cosine = ours_way @ real_way / np.linalg.norm(ours_way) / np.linalg.norm(real_way)
            assert cosine > 0.99, (name, joints.rows[name].name, cosine)


def test_the_shadow_map_names_every_joint_of_the_real_hand_once():
    names = [row.name for row in load_map("shadow_e3m5").joints.values()]
    assert sorted(names) == sorted(joint for *_, joint, _ in E3M5.values())
