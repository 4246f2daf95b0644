"""The Shadow Hand's table against published figures, and the models made from it against each other."""

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pytest
import yourdfpy
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics, HandTable
from sleight_core.hand.kinematics import center_of_mass
from sleight_description import hand_names, load_hand
from sleight_description.mjcf import add_hand
from sleight_description.urdf import hand_urdf

#: Published tip positions at q = 0, palm frame (resdex_facts 9.2).
TIPS = {
    "ff": (0.033, 0.0, 0.191),
    "mf": (0.011, 0.0, 0.195),
    "rf": (-0.011, 0.0, 0.191),
    "lf": (-0.034, 0.0, 0.184),
    "th": (0.10292, -0.009, 0.09797),
}


@pytest.fixture(scope="module")
def table():
    return load_hand("shadow")


@pytest.fixture(scope="module")
def model(table):
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    add_hand(spec, table)
    return spec.compile()


@pytest.fixture(scope="module")
def urdf(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("urdf") / "shadow.urdf"
    path.write_text(hand_urdf(table))
    return yourdfpy.URDF.load(str(path), build_scene_graph=True, load_meshes=False)


def test_counts_and_orders(table):
    assert len(table.joint_names) == 22
    assert len(table.actuated_joint_names) == 18
    assert [c.joint for c in table.couplings] == ["FFJ0", "MFJ0", "RFJ0", "LFJ0"]
    assert table.joint_names[:4] == ("FFJ3", "FFJ2", "FFJ1", "FFJ0")
    assert table.actuated_joint_names[-5:] == ("THJ4", "THJ3", "THJ2", "THJ1", "THJ0")
    assert sum(body.inertial.mass for body in table.bodies) == pytest.approx(4.411, abs=1e-3)
    assert center_of_mass(table) == pytest.approx((0.00578, -0.00011, 0.03988), abs=2e-5)


def test_fingertips_at_zero_are_the_published_ones(table, model):
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    for finger, expected in TIPS.items():
        assert data.site(f"{finger}_tip").xpos == pytest.approx(expected, abs=1e-4), finger


def test_mjcf_urdf_and_kinematics_agree_at_random_postures(table, model, urdf):
    data = mujoco.MjData(model)
    addresses = [int(model.joint(name).qposadr[0]) for name in table.joint_names]
    rng = np.random.default_rng(0)
    postures = rng.uniform(table.lower, table.upper, (1000, 22))
    kinematics = FingertipKinematics(table)
    still = np.zeros((1000, 3))
    ours = kinematics.fingertips(
        postures, np.zeros_like(postures), still, np.tile([1.0, 0, 0, 0], (1000, 1)), still, still
    )
    bodies = [finger.distal_body for finger in table.fingers.values()]
    worst = 0.0
    for k, q in enumerate(postures):
        data.qpos[addresses] = q
        mujoco.mj_kinematics(model, data)
        urdf.update_cfg(dict(zip(table.joint_names, q, strict=True)))
        for i, (finger, body) in enumerate(zip(table.fingers, bodies, strict=True)):
            tip = urdf.get_transform(f"{finger}_tip", table.root_body)[:3, 3]
            worst = max(worst, np.abs(tip - data.site(f"{finger}_tip").xpos).max())
            worst = max(worst, np.abs(ours.pos[k, i] - data.body(body).xpos).max())
    assert worst < 1e-6


def test_fingertip_velocities_are_mujocos(table, model):
    data = mujoco.MjData(model)
    rng = np.random.default_rng(1)
    positions = [int(model.joint(name).qposadr[0]) for name in table.joint_names]
    speeds = [int(model.joint(name).dofadr[0]) for name in table.joint_names]
    kinematics = FingertipKinematics(table)
    for _ in range(20):
        data.qpos[:3] = rng.normal(size=3)
        data.qpos[3:7] = rng.normal(size=4)
        data.qpos[3:7] /= np.linalg.norm(data.qpos[3:7])
        data.qpos[positions] = rng.uniform(table.lower, table.upper)
        data.qvel[:] = rng.normal(size=model.nv)
        mujoco.mj_forward(model, data)
        spin = np.zeros(3)
        mujoco.mju_rotVecQuat(spin, data.qvel[3:6], data.qpos[3:7])
        state = [data.qpos[positions], data.qvel[speeds], data.qpos[:3], data.qpos[3:7], data.qvel[:3], spin]
        tips = kinematics.fingertips(*(np.array(part)[None] for part in state))
        for i, finger in enumerate(table.fingers.values()):
            velocity = np.zeros(6)
            body = model.body(finger.distal_body).id
            mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, body, velocity, 0)
            assert tips.angvel[0, i] == pytest.approx(velocity[:3], abs=1e-10)
            assert tips.linvel[0, i] == pytest.approx(velocity[3:], abs=1e-10)


def test_wrist_is_a_velocity_servo(table, model):
    data = mujoco.MjData(model)
    model.opt.timestep = 1 / 180
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    data.ctrl[model.actuator("wrist_vx").id] = 0.2
    data.ctrl[model.actuator("wrist_wz").id] = 0.1
    for _ in range(18):
        mujoco.mj_step(model, data)
    assert data.qvel[0] == pytest.approx(0.2, abs=0.01)
    assert data.qvel[5] == pytest.approx(0.1, abs=0.01)


def test_coupled_joints_follow(table, model):
    data = mujoco.MjData(model)
    model.opt.timestep = 1 / 180
    data.ctrl[model.actuator("act_FFJ1").id] = 1.0
    for _ in range(300):
        mujoco.mj_step(model, data)
    middle, distal = (data.qpos[model.joint(name).qposadr[0]] for name in ("FFJ1", "FFJ0"))
    assert middle > 0.5
    assert abs(0.00705 * distal - 0.00805 * middle) <= 0.001 + 3e-4


def test_urdf_names_limits_and_mimic(table):
    root = ET.fromstring(hand_urdf(table, prefix="rh_", mimic=True))
    parts = {(joint.get("name"), part.tag): part.attrib for joint in root.iter("joint") for part in joint}
    for name in table.joint_names:
        limit = parts[f"rh_{name}", "limit"]
        assert float(limit["lower"]) == table.joint(name).lower
        assert float(limit["upper"]) == table.joint(name).upper
    assert parts["rh_FFJ0", "mimic"]["joint"] == "rh_FFJ1"


def test_unknown_names_are_refused_with_the_choices(table):
    with pytest.raises(SleightError, match="shadow"):
        load_hand("shadowy")
    with pytest.raises(SleightError, match="FFJ3"):
        table.joint("FFJ9")
    assert "shadow" in hand_names()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("name: palm\n", "before its parent"),
        ("lower: -0.349, upper: 0.349", "lower"),
        ("{FFJ2: 0.85", "unknown joints"),
    ],
)
def test_a_broken_table_is_refused(table, tmp_path, change, said):
    import sleight_description

    text = (sleight_description._HANDS / "shadow" / "shadow.yaml").read_text()
    broken = {
        "name: palm\n": text.replace("name: palm\n", "name: plam\n", 1),
        "lower: -0.349, upper: 0.349": text.replace("lower: -0.349, upper: 0.349", "lower: 0.349, upper: -0.349", 1),
        "{FFJ2: 0.85": text.replace("{FFJ2: 0.85", "{FFJ7: 0.85", 1),
    }[change]
    path = tmp_path / "broken.yaml"
    path.write_text(broken)
    with pytest.raises(SleightError, match=said):
        HandTable.from_yaml(path)


def test_digest_changes_with_what_a_policy_depends_on(table):
    assert table.digest() == load_hand("shadow").digest()
    wrist = table.wrist.model_copy(update={"linear_speed": 0.5})
    assert table.model_copy(update={"wrist": wrist}).digest() != table.digest()
    assert table.model_copy(update={"title": "other"}).digest() == table.digest()
