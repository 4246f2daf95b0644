"""The LEAP Hand's table against published figures, its models against each other, and the public joint orders."""

import json
from itertools import permutations
from pathlib import Path

import mujoco
import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics, HandTable
from sleight_core.hand.orders import permutation
from sleight_core.rotations import quat_rotate
from sleight_description import hand_names, load_hand
from sleight_description.mjcf import add_hand
from sleight_description.urdf import hand_urdf

from .chain import link_poses, load

PUBLISHED = json.loads((Path(__file__).parent / "leap_menagerie.json").read_text())

#: Joint numbers as the makers' Isaac Lab task has them in its own order: its published real_to_sim permutation.
ISAAC_LAB = (1, 12, 5, 9, 0, 13, 4, 8, 2, 14, 6, 10, 3, 15, 7, 11)
#: And back, its sim_to_real permutation.
ISAAC_LAB_TO_MOTOR = (4, 0, 8, 12, 6, 2, 10, 14, 7, 3, 11, 15, 1, 5, 9, 13)
#: Limits in motor order as the makers' driver clips (motor zero taken off).
DRIVER_LOWER = (*(-1.047, -0.314, -0.506, -0.366) * 3, -0.349, -0.47, -1.20, -1.34)
DRIVER_UPPER = (*(1.047, 2.23, 1.885, 2.042) * 3, 2.094, 2.443, 1.90, 1.88)


@pytest.fixture(scope="module")
def table():
    return load_hand("leap")


@pytest.fixture(scope="module")
def model(table):
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    add_hand(spec, table)
    return spec.compile()


def test_counts_and_orders(table):
    assert "leap" in hand_names()
    assert len(table.joint_names) == len(table.actuated_joint_names) == 16
    assert table.joint_names == tuple(PUBLISHED["joint_names"])
    assert list(table.fingers) == ["if", "mf", "rf", "th"]
    assert table.wrist_mode == "floating"
    assert sum(body.inertial.mass for body in table.bodies) == pytest.approx(0.746 + 0.06, abs=1e-3)


def test_fingertips_are_the_published_ones(table, model):
    data = mujoco.MjData(model)
    palm = data.body("palm")
    for row in PUBLISHED["postures"]:
        for name, value in zip(PUBLISHED["joint_names"], row["joint_pos"], strict=True):
            data.qpos[model.joint(name).qposadr[0]] = value
        mujoco.mj_kinematics(model, data)
        for finger, expected in row["tips"].items():
            tip = palm.xmat.reshape(3, 3).T @ (data.site(f"{finger}_tip").xpos - palm.xpos)
            assert tip == pytest.approx(expected, abs=1e-5), finger


def test_mjcf_urdf_and_kinematics_agree_at_random_postures(table, model, tmp_path):
    urdf = load(tmp_path / "leap.urdf", hand_urdf(table))
    data = mujoco.MjData(model)
    addresses = [int(model.joint(name).qposadr[0]) for name in table.joint_names]
    postures = np.random.default_rng(0).uniform(table.lower, table.upper, (1000, 16))
    kinematics = FingertipKinematics(table)
    still = np.zeros((1000, 3))
    tips = kinematics.fingertips(postures, 0 * postures, still, np.tile([1.0, 0, 0, 0], (1000, 1)), still, still)
    ours = tips.pos + quat_rotate(tips.quat, np.broadcast_to(kinematics.tips, tips.pos.shape))
    expected = np.empty_like(ours)
    for k, q in enumerate(postures):
        data.qpos[addresses] = q
        mujoco.mj_kinematics(model, data)
        expected[k] = [data.site(f"{finger}_tip").xpos for finger in table.fingers]
    by_name = dict(zip(table.joint_names, postures.T, strict=True))
    for i, finger in enumerate(table.fingers):
        assert np.abs(link_poses(urdf, f"{finger}_tip", by_name)[0] - expected[:, i]).max() < 1e-6
    assert np.abs(ours - expected).max() < 1e-6
    urdf.update_cfg({name: values[7] for name, values in by_name.items()})
    assert urdf.get_transform("th_tip", table.root_body)[:3, 3] == pytest.approx(expected[7, 3], abs=1e-6)


def test_the_hand_is_right_and_closes_towards_the_palm(table, model):
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    straight = {finger: data.site(f"{finger}_tip").xpos.copy() for finger in table.fingers}
    assert straight["if"][0] > straight["mf"][0] > straight["rf"][0]
    assert straight["th"][0] > straight["if"][0]
    assert all(straight[finger][2] > 0.2 for finger in ("if", "mf", "rf"))
    for name, value in zip(table.joint_names, table.posture("power_grasp"), strict=True):
        data.qpos[model.joint(name).qposadr[0]] = value
    mujoco.mj_kinematics(model, data)
    assert all(data.site(f"{finger}_tip").xpos[1] < -0.1 for finger in table.fingers)
    mujoco.mj_collision(model, data)
    assert data.ncon == 0, "the power grasp closes on itself"


def test_limits_are_within_the_drivers(table):
    order = table.joint_order("motor")
    assert (order.from_ours(table.lower) >= DRIVER_LOWER).all()
    assert (order.from_ours(table.upper) <= DRIVER_UPPER).all()


def test_servos_reach_their_targets_and_stay_calm(table, model):
    data = mujoco.MjData(model)
    model.opt.timestep = 1 / 180
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    target = table.posture("power_grasp")
    for name, value in zip(table.joint_names, target, strict=True):
        data.ctrl[model.actuator(f"act_{name}").id] = value
    for _ in range(360):
        mujoco.mj_step(model, data)
    reached = np.array([data.qpos[model.joint(name).qposadr[0]] for name in table.joint_names])
    assert np.abs(reached - target).max() < 0.02
    assert np.abs(data.qvel).max() < 0.01


# --- The four public orders, and the makers' Isaac Gym one --------------------------------------------------------

ORDERS = ("motor", "urdf", "menagerie", "isaac_lab", "isaac_gym")


def test_every_public_order_is_there(table):
    assert set(ORDERS) <= set(table.joint_orders)
    with pytest.raises(SleightError, match="isaac_lab"):
        table.joint_order("isaac")


def test_orders_are_those_published(table):
    motor = table.joint_order("motor")
    assert motor.theirs == tuple(map(str, range(16)))
    assert motor.ours[:4] == ("if_rot", "if_mcp", "if_pip", "if_dip")
    assert table.joint_order("urdf").theirs[:8] == ("1", "0", "2", "3", "5", "4", "6", "7")
    assert table.joint_order("menagerie").theirs == table.joint_names
    lab = table.joint_order("isaac_lab")
    assert lab.theirs == tuple(f"a_{k}" for k in ISAAC_LAB)
    assert tuple(permutation(motor, lab)) == ISAAC_LAB
    assert tuple(permutation(lab, motor)) == ISAAC_LAB_TO_MOTOR
    gym = table.joint_order("isaac_gym")
    assert tuple(permutation(motor, gym)) == (1, 0, 2, 3, 12, 13, 14, 15, 5, 4, 6, 7, 9, 8, 10, 11)


@pytest.mark.parametrize(("first", "second"), list(permutations(ORDERS, 2)))
def test_any_two_orders_agree_on_every_joint(table, first, second):
    a, b = table.joint_order(first), table.joint_order(second)
    assert sorted(a.ours) == sorted(b.ours) == sorted(table.joint_names)
    values = np.random.default_rng(3).normal(size=(5, 16))
    there = a.from_ours(values)
    assert np.array_equal(b.from_ours(values), there[..., permutation(a, b)])
    assert np.array_equal(a.to_ours(there, np.zeros((5, 16))), values)
    joints = {name: value for name, value in zip(a.ours, there[0], strict=True)}
    assert [joints[b.our_name(name)] for name in b.theirs] == list(b.from_ours(values)[0])
    # All but the menagerie number the joints as the motors are numbered.
    number = {name: table.joint_order("motor").their_name(name) for name in table.joint_names}
    for order in (a, b):
        if order.name != "menagerie":
            assert all(order.their_name(name).split("_")[-1] == number[name] for name in table.joint_names)


def test_orders_take_torch_and_leave_other_joints(table):
    torch = pytest.importorskip("torch")
    order = table.joint_order("isaac_lab")
    values = torch.arange(32.0).reshape(2, 16)
    back = order.to_ours(order.from_ours(values), torch.full((2, 16), -1.0))
    assert torch.equal(back, values)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('if_rot: "0", if_mcp: "1", if_pip', 'if_rot: "0", if_pip', "joint order 'motor'"),
        ('if_rot: "0", if_mcp: "1", if_pip', 'if_rot: "1", if_mcp: "1", if_pip', "joint order 'motor'"),
        ("wrist_mode: floating", "wrist_mode: arm", "arm_joints"),
        ("{name: palm_rear,", "{name: palm_front,", "two shapes"),
        ("- name: mf_bs\n", "- name: if_bs\n", "two bodies"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, old, new, said):
    import sleight_description

    text = (sleight_description._HANDS / "leap" / "leap.yaml").read_text()
    assert old in text
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SleightError, match=said):
        HandTable.from_yaml(path)


def test_digest_leaves_out_what_a_policy_does_not_depend_on(table):
    assert table.model_copy(update={"joint_orders": {}}).digest() == table.digest()
    joint = table.bodies[2].joint
    assert joint is not None and joint.dynamics is None


def test_shadows_digest_is_that_of_the_shipped_bundle():
    """New fields must not change the digests of tables that do not use them."""
    manifest = Path(__file__).parents[2] / "policies" / "shadow_base" / "manifest.json"
    assert load_hand("shadow").digest() == json.loads(manifest.read_text())["hand"]["table_digest"]
