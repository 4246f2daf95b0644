"""Which motor moves which joint: by names, and nothing that cannot be."""

import math

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.drivers.config import DEFAULT, LeapConfig, load_config
from sleight_ros.drivers.xc330 import RAD_PER_TICK

CONTENT = yaml.safe_load(DEFAULT.read_text())


def changed(change):
    content = yaml.safe_load(DEFAULT.read_text())
    change(content)
    return content


def test_the_shipped_hand_is_the_one_of_its_makers():
    config = load_config()
    fingers = [f"{finger}_{joint}" for finger in ("if", "mf", "rf") for joint in ("rot", "mcp", "pip", "dip")]
    assert list(config.joint_names) == [*fingers, "th_cmc", "th_axl", "th_mcp", "th_ipl"]
    assert config.ids == tuple(range(16))
    assert [joint.id for joint in config.joints if joint.side] == [0, 4, 8]
    mapping = config.mapping()
    # Open is a motor at pi, whatever the joint.
    assert mapping.ticks(np.zeros(16)) == [2048] * 16
    low = [-1.047, -0.314, -0.506, -0.366] * 3 + [-0.349, -0.47, -1.20, -1.34]
    high = [1.047, 2.23, 1.885, 2.042] * 3 + [2.094, 2.443, 1.90, 1.88]
    assert mapping.lower.tolist() == low and mapping.upper.tolist() == high


joints = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.floats(-0.5, 0.5), st.floats(-1.5, 1.5)), min_size=1, max_size=16
)


@settings(deadline=None)
@given(joints, st.randoms(use_true_random=False))
def test_joints_keep_their_motors_in_any_order(rows, rng):
    ids = rng.sample(range(253), len(rows))
    listed = [
        {"name": f"j{k}", "id": ids[k], "direction": direction, "offset": offset, "lower": -1.6, "upper": 1.6}
        for k, (direction, offset, _) in enumerate(rows)
    ]
    angles = {f"j{k}": angle for k, (_, _, angle) in enumerate(rows)}
    config = LeapConfig.model_validate({"joints": listed})
    expected = dict(
        zip(config.ids, config.mapping().ticks(np.array([angles[n] for n in config.joint_names])), strict=True)
    )
    rng.shuffle(listed)
    other = LeapConfig.model_validate({"joints": listed})
    mapping = other.mapping()
    ticks = mapping.ticks(np.array([angles[name] for name in other.joint_names]))
    assert dict(zip(other.ids, ticks, strict=True)) == expected
    back = mapping.from_ticks(np.array(ticks))
    for name, angle in zip(other.joint_names, back, strict=True):
        assert abs(angle - angles[name]) <= 0.51 * RAD_PER_TICK


def test_direction_and_offset():
    joint = {"name": "a", "id": 3, "direction": -1, "offset": 0.5, "lower": -1.0, "upper": 1.0}
    mapping = LeapConfig.model_validate({"joints": [joint]}).mapping()
    assert mapping.motor_angles(np.array([0.25])) == pytest.approx(math.pi + 0.5 - 0.25)
    assert mapping.joint_angles(np.array([math.pi])) == pytest.approx(0.5)
    assert mapping.along(np.array([2.0])) == -2.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["joints"][1].update(name="if_rot"), "name given twice: if_rot"),
        (lambda c: c["joints"][1].update(id=0), "id given twice: 0"),
        (lambda c: c["joints"][1].update(id=253), r"joints\.1\.id"),
        (lambda c: c["joints"][1].update(lower=3.0), "lower limit 3.0 is not below"),
        (lambda c: c["joints"][1].update(lower=float("nan")), r"joints\.1\.lower"),
        (lambda c: c["joints"][1].update(direction=2), r"joints\.1\.direction"),
        (lambda c: c["joints"][1].update(gain=2), r"joints\.1\.gain"),
        (lambda c: c.update(joints=[]), "joints"),
        (lambda c: c["control"].update(current_limit=5.0), r"control\.current_limit"),
        (lambda c: c["control"].update(p_gain=-1), r"control\.p_gain"),
        (lambda c: c["protection"].update(warm=70.0), "must be below 'hot'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, change, words):
    path = tmp_path / "hand.yaml"
    path.write_text(yaml.safe_dump(changed(change)))
    with pytest.raises(SleightError, match=words):
        load_config(path)


@pytest.mark.parametrize("text", ["", "joints: [", "- 1", "joints: 3", "!!python/object:os.system {}", "\x00"])
def test_files_that_are_no_hand_are_refused(tmp_path, text):
    path = tmp_path / "hand.yaml"
    path.write_text(text)
    with pytest.raises(SleightError):
        load_config(path)
    with pytest.raises(SleightError, match="cannot be read"):
        load_config(tmp_path / "nothing.yaml")
