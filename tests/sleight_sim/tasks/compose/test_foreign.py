"""Demonstrations of other systems: brought into ours by names and units, and refused where something does not fit."""

import json

import numpy as np
import pytest
import yaml
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_to_matrix
from sleight_sim.cli.demonstrations import app
from sleight_sim.tasks.compose import demonstrations as demos
from sleight_sim.tasks.compose.action import euler_to_quat
from sleight_sim.tasks.compose.collection import check_file
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.foreign import import_file, read_mapping
from sleight_sim.tasks.compose.make import compose_hand
from typer.testing import CliRunner

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
CONFIG = TASKS["PushButton"]
TABLE = compose_hand(CONFIG)
#: The foreign system's joints: another order, other names, and without the coupled ones.
JOINTS = [f"rh_{name}" for name in reversed(TABLE.joint_names) if name not in {row.joint for row in TABLE.couplings}]

MAPPING = {
    "rate": "control_freq",
    "success": "done",
    "actions": {
        "joints": {
            "key": "teleop/hand",
            "names": "joint_names",
            "rename": {name: name.removeprefix("rh_") for name in JOINTS},
            "unit": "deg",
        },
        "wrist_position": {"key": "teleop/wrist_pos", "unit": "mm"},
        "wrist_rotation": {"key": "teleop/wrist_quat", "quaternion": "xyzw"},
    },
    "observations": {
        "hand_joints": {
            "key": "state/qpos",
            "names": "joint_names",
            "rename": {name: name.removeprefix("rh_") for name in JOINTS},
            "unit": "deg",
        },
        "wrist_quat": {"key": "state/wrist_quat", "quaternion": "xyzw"},
        "palm_to_handle": {"key": "state/palm_to_handle", "unit": "mm"},
        "handle_pos": {"key": "state/handle_pos", "unit": "mm"},
        "mechanism_joints": {"key": "state/button", "unit": "mm"},
    },
}


@pytest.fixture(scope="module")
def recorded():
    return demos.collect(CONFIG, 2, seed=1, num_envs=2, num_threads=1)


@pytest.fixture
def foreign(recorded, tmp_path):
    """The same demonstrations as another system would have written them."""
    path = tmp_path / "teleop.hdf5"
    columns = [TABLE.joint_names.index(name.removeprefix("rh_")) for name in JOINTS]
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "RealRobot", "env_kwargs": {"control_freq": 30}})
        data.attrs["joint_names"] = json.dumps(JOINTS)
        for i, demo in enumerate(recorded):
            group = data.create_group(f"demo_{10 - i}")  # in an order that is not that of the letters
            actions, obs = demo.actions, demo.obs
            unnormalised = TABLE.lower + 0.5 * (obs["hand_joints"] + 1.0) * (TABLE.upper - TABLE.lower)
            for key, value in {
                "teleop/hand": np.degrees(actions[:, 6:][:, columns]),
                "teleop/wrist_pos": 1000.0 * actions[:, :3],
                "teleop/wrist_quat": euler_to_quat(actions[:, 3:6])[:, [1, 2, 3, 0]],
                "state/qpos": np.degrees(unnormalised[:, columns]),
                "state/wrist_quat": -obs["wrist_quat"][:, [1, 2, 3, 0]],
                "state/palm_to_handle": 1000.0 * obs["palm_to_handle"],
                "state/handle_pos": 1000.0 * obs["handle_pos"],
                "state/button": 1000.0 * obs["mechanism_joints"][:, 0],
                "done": demo.success.astype(float),
            }.items():
                group.create_dataset(key, data=value)
    return path


def mapping(tmp_path, **changes):
    """The mapping with changes by dotted path; None removes."""
    told = json.loads(json.dumps(MAPPING))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = told
        for parent in parents:
            place = place[parent]
        if value is None:
            place.pop(last)
        else:
            place[last] = value
    file = tmp_path / "mapping.yaml"
    file.write_text(yaml.safe_dump(told))
    return file


def test_names_units_and_orders_come_out_as_ours(recorded, foreign, tmp_path):
    done = import_file(foreign, CONFIG, read_mapping(mapping(tmp_path)))
    assert len(done.demonstrations) == 2 and done.failed == 0
    for demo, wanted in zip(done.demonstrations, reversed(recorded), strict=True):
        assert demo.actions == pytest.approx(wanted.actions, abs=1e-9)
        assert not demo.replayable and (demo.success == wanted.success).all()
        assert list(demo.obs) == list(wanted.obs)
        for name in ("palm_to_handle", "handle_pos", "mechanism_joints"):
            assert demo.obs[name] == pytest.approx(wanted.obs[name], abs=1e-9)
        same = quat_to_matrix(demo.obs["wrist_quat"]), quat_to_matrix(wanted.obs["wrist_quat"])
        assert same[0] == pytest.approx(same[1], abs=1e-9) and (demo.obs["wrist_quat"][:, 0] >= 0).all()
        own = [TABLE.joint_names.index(name.removeprefix("rh_")) for name in JOINTS]
        assert demo.obs["hand_joints"][:, own] == pytest.approx(wanted.obs["hand_joints"][:, own], abs=1e-9)


def test_what_is_imported_is_written_read_and_checked(foreign, tmp_path):
    arguments = ["import", str(foreign), "--task", "PushButton", "--mapping", str(mapping(tmp_path))]
    out = tmp_path / "own" / "PushButton.hdf5"
    result = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert demos.read_source(out)["imported_from"] == "teleop.hdf5"
    checked = check_file(out, num_threads=1)
    assert checked.problems == () and (checked.episodes, checked.replayed) == (2, 0)
    with pytest.raises(SleightError, match="cannot be replayed"):
        demos.replay(*demos.read(out))
    again = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    assert isinstance(again.exception, SleightError) and "there already" in str(again.exception)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 20}, "rate: expected 30 Hz as the task acts, found 20 Hz (resample"),
        ({"rate": "fps"}, "no such attribute"),
        ({"actions__joints__unit": None}, "unit: rad, deg or normalised, found None"),
        ({"actions__joints__names": None}, "not matched by index"),
        ({"actions__joints__names": "columns"}, "an attribute 'columns' with the joints' names"),
        ({"actions__joints__rename": {}}, "missing ['FF"),
        ({"actions__joints__unit": "rad"}, "action "),
        ({"actions__wrist_position__unit": "m"}, "action wrist_z: expected 0.620 to 1.200"),
        ({"actions__wrist_position__key": "teleop/wrist_quat"}, "shape (N, 3), found ("),
        ({"actions__wrist_rotation__quaternion": None}, "wxyz or xyzw"),
        ({"actions__wrist_rotation__key": "teleop/none"}, "a dataset 'teleop/none', found only ["),
        ({"observations__handle_pos": None}, "missing ['handle_pos'], unknown []"),
        ({"observations__speed": {"key": "x", "unit": "m"}}, "unknown ['speed']"),
        ({"success": "state/qpos"}, "rows as actions.joints has"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_refusals_name_the_field_both_values_and_the_remedy(foreign, tmp_path, changes, words):
    with pytest.raises(SleightError) as refusal:
        import_file(foreign, CONFIG, read_mapping(mapping(tmp_path, **changes)))
    assert words in str(refusal.value)


def test_damaged_files_are_refused(foreign, tmp_path):
    told = read_mapping(mapping(tmp_path))
    with h5py.File(foreign, "a") as file:
        file["data/demo_9/teleop/hand"][3, 0] = np.nan
    with pytest.raises(SleightError, match="finite numbers, found nan"):
        import_file(foreign, CONFIG, told)
    with h5py.File(foreign, "a") as file:
        del file["data/demo_9"]
        file["data/demo_10/done"][...] = 0.0
    with pytest.raises(SleightError, match="none of 1 demonstrations succeeds"):
        import_file(foreign, CONFIG, told)
    with h5py.File(foreign, "w") as file:
        file.create_group("episodes")
    with pytest.raises(SleightError, match="expected a group 'data'"):
        import_file(foreign, CONFIG, told)
    foreign.write_text("no HDF5")
    with pytest.raises(SleightError, match="cannot be read"):
        import_file(foreign, CONFIG, told)
    for text, words in (("a: [", "no YAML"), ("rate: 30", "Field required")):
        (tmp_path / "m.yaml").write_text(text)
        with pytest.raises(SleightError, match=words):
            read_mapping(tmp_path / "m.yaml")
