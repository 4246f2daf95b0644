"""What runs on Isaac Gym's old Python: its syntax, what it imports, its arithmetic, and the double that judges it."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate
from sleight_sim.engines.isaacgym.locate import process_folder
from sleight_sim.engines.isaacgym.process import wire, wrist

DOUBLE = Path(__file__).parent / "double"
OWN = {"wire", "wrist", "scene", "world"}
#: What Isaac Gym's environment has besides the standard library.
GIVEN = {"isaacgym", "numpy", "torch"}
STANDARD = {"json", "math", "socket", "struct", "sys", "typing"}
FILES = sorted([*process_folder().glob("*.py"), *DOUBLE.rglob("*.py")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_python_3_6(path):
    """Python 3.8 is what the public code uses; Isaac Gym Preview 4 exists for 3.6 and 3.7 as well."""
    for version in ((3, 6), (3, 8)):
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=version)


@pytest.mark.parametrize("path", sorted(process_folder().glob("*.py")), ids=lambda path: path.name)
def test_nothing_of_ours_is_imported_from_outside_the_folder(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            imported.add(node.module.split(".")[0])
    assert imported <= OWN | GIVEN | STANDARD
    # Isaac Gym before torch, wherever both are wanted.
    if path.name == "__main__.py":
        assert "torch" not in imported


def newer_names(path):
    """What later versions of Python brought that the parser does not see."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and any(word.arg == "strict" for word in node.keywords):
            yield "strict="
        if isinstance(node, ast.Attribute) and node.attr in ("removeprefix", "removesuffix", "bit_count"):
            yield node.attr
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        for part in ast.walk(annotation) if annotation is not None else ():
            if isinstance(part, ast.BinOp):
                yield "X | Y"
            owner = part.value if isinstance(part, ast.Subscript) else None
            if isinstance(owner, ast.Name) and owner.id in ("list", "dict", "tuple", "set"):
                yield f"{owner.id}[...]"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_uses_what_later_versions_brought(path):
    assert not list(newer_names(path))


@pytest.mark.parametrize("version", ["3.6", "3.8"])
def test_an_old_python_compiles_the_files(version, tmp_path):
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Python {version} here")
    code = "import sys\nfor path in sys.argv[1:]: compile(open(path, encoding='utf-8').read(), path, 'exec')"
    subprocess.run([python, "-c", code, *map(str, FILES)], check=True, timeout=60)


ANGLES = st.tuples(st.floats(-3.1, 3.1), st.floats(-1.4, 1.4), st.floats(-3.1, 3.1))
VECTORS = st.tuples(*[st.floats(-1.0, 1.0)] * 3)


@settings(deadline=None)
@given(ANGLES)
def test_angles_and_quaternions_are_one_rotation(angles):
    quat = wrist.quat_of(torch.tensor([angles], dtype=torch.float64)).numpy()[0]
    wanted = np.array([1.0, 0.0, 0.0, 0.0])
    for axis, angle in zip(np.eye(3)[::-1], angles, strict=True):  # yaw about z, then pitch about y, then roll about x
        wanted = quat_multiply(wanted, np.array([np.cos(angle / 2), *np.sin(angle / 2) * axis]))
    assert abs(abs(quat @ wanted) - 1.0) < 1e-9
    back = wrist.angles_of(torch.tensor(quat[None])).numpy()[0]
    assert np.allclose(back, angles, atol=1e-6)


@settings(deadline=None)
@given(ANGLES, VECTORS)
def test_rates_turn_the_hand_at_the_angular_velocity(angles, angvel):
    tensor, wanted = torch.tensor([angles], dtype=torch.float64), torch.tensor([angvel], dtype=torch.float64)
    rates = wrist.rates_of(tensor, wanted)
    assert np.allclose(wrist.angvel_of(tensor, rates).numpy(), wanted.numpy(), atol=1e-9)
    # By differences: what a short time does to the rotation.
    dt = 1e-6
    quat, later = wrist.quat_of(tensor).numpy()[0], wrist.quat_of(tensor + dt * rates).numpy()[0]
    step = quat_multiply(later, quat_conjugate(quat))
    found = 2.0 * step[1:] * np.sign(step[0]) / dt
    assert np.allclose(found, angvel, atol=1e-4)
    assert np.allclose(quat_rotate(quat, np.zeros(3)), 0.0)


def test_near_the_singular_pitch_the_rates_stay_finite():
    tensor = torch.tensor([[0.3, np.pi / 2, 0.1], [0.3, -np.pi / 2, 0.1]])
    assert wrist.rates_of(tensor, torch.ones((2, 3))).abs().max() < 50.0


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 3))
def test_frames_are_read_as_they_were_written_and_none_other(widths, rows):
    matrices = [np.arange(rows * width, dtype=np.float32).reshape(rows, width) + k for k, width in enumerate(widths)]
    content = b"".join(wire.floats(matrix) for matrix in matrices)
    for found, wanted in zip(wire.read_floats(content, widths, rows), matrices, strict=True):
        assert np.array_equal(found, wanted)
    with pytest.raises(ValueError, match="bytes"):
        wire.read_floats(content + b"\0", widths, rows)


#: What the API forbids: code for which `gym`, `sim`, `hand` and `env` are there, and words of the double's refusal.
MISUSES = {
    "gym.acquire_dof_state_tensor(sim)": "before prepare_sim",
    "gym.simulate(sim)": "before prepare_sim",
    "gymapi.SimParams().timestep = 1.0": "no 'timestep'",
    "gymapi.SimParams().dt = '1'": "is no float",
    "gym.load_asset(sim, root, 'none.urdf', gymapi.AssetOptions())": "no file",
    "gym.create_actor(env, hand, gymapi.Transform(), 'b', 7, 0, 0)": "collides with other environments",
    "gym.create_actor(env, hand, gymapi.Transform(), 'b')": "takes 7 arguments",
    "gym.get_actor_index(env, 0, gymapi.DOMAIN_ENV)": "over the whole simulation",
    "gym.set_actor_dof_properties(env, 0, gym.get_asset_dof_properties(hand))": "has no drive",
    "go(); gym.create_env(sim, low, high, 1)": "after prepare_sim",
    "go(); gym.refresh_dof_state_tensor(sim)": "never acquired",
    "go(); gym.simulate(sim)": "no targets",
    "go(); drive(45.0)": "rad, m and seconds",
    "go(); drive(0.1); gym.simulate(sim); gym.simulate(sim)": "not fetched",
    "go(); state(); drive(0.1); gym.simulate(sim); gym.refresh_dof_state_tensor(sim)": "before the results",
    "go(); drive(0.1); gym.fetch_results(sim, True)": "no results",
    "go(); put(torch.zeros(1, dtype=torch.int64))": "int32",
    "go(); put(torch.zeros(2, dtype=torch.int32))": "named twice",
    "go(); put(torch.tensor([9], dtype=torch.int32))": "no such actor",
    "go(); put(zero); put(zero)": "twice between two steps",
    "go(); gymtorch.unwrap_tensor(torch.zeros(4, 4).t())": "contiguous",
    "go(); gym.set_dof_position_target_tensor(sim, gymtorch.unwrap_tensor(torch.zeros(dofs)))": "was freed",
    "go(); gym.set_dof_position_target_tensor(sim, gymtorch.unwrap_tensor(double))": "one a joint",
    "go(); gym.apply_rigid_body_force_tensors(sim, gymapi.Tensor(double), None, gymapi.LOCAL_SPACE)": "task frame",
    "go(); gym.no_such_call(sim)": "no attribute",
}
HARNESS = """
import sys
from isaacgym import gymapi, gymtorch
import torch
root = sys.argv[1]

def world():
    gym = gymapi.acquire_gym()
    params = gymapi.SimParams()
    params.up_axis, params.gravity = gymapi.UP_AXIS_Z, gymapi.Vec3(0.0, 0.0, -9.81)
    sim = gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
    hand = gym.load_asset(sim, root, 'hand.urdf', gymapi.AssetOptions())
    low, high = gymapi.Vec3(-1.0, -1.0, 0.0), gymapi.Vec3(1.0, 1.0, 1.0)
    env = gym.create_env(sim, low, high, 1)
    gym.create_actor(env, hand, gymapi.Transform(), 'a', 0, 0, 0)
    dofs = len(gym.get_asset_dof_names(hand))
    zero, double = torch.zeros(1, dtype=torch.int32), torch.zeros(dofs, dtype=torch.float64)
    kept = []

    def go():
        props = gym.get_asset_dof_properties(hand)
        props['driveMode'], props['damping'], props['effort'] = gymapi.DOF_MODE_POS, 1.0, 1.0
        gym.set_actor_dof_properties(env, 0, props)
        gym.prepare_sim(sim)

    def state():
        if not kept:
            kept.append(gymtorch.wrap_tensor(gym.acquire_dof_state_tensor(sim)))
        return kept[0]

    def drive(value):
        targets = torch.full((dofs,), value)
        gym.set_dof_position_target_tensor(sim, gymtorch.unwrap_tensor(targets))
        gym.set_dof_velocity_target_tensor(sim, gymtorch.unwrap_tensor(targets))

    def put(index):
        unwrap = gymtorch.unwrap_tensor
        gym.set_dof_state_tensor_indexed(sim, unwrap(state()), unwrap(index), len(index))

    return dict(globals(), **locals())

for code in sys.stdin.read().splitlines():
    try:
        exec(code, world())
    except Exception as error:
        print(type(error).__name__ + ': ' + str(error))
    else:
        print('nothing')
"""


def test_the_double_refuses_what_the_api_forbids(tmp_path):
    ends = '<parent link="a"/><child link="b"/><limit lower="-1" upper="1" velocity="1" effort="1"/>'
    joint = f'<joint name="j" type="revolute">{ends}</joint>'
    inertia = '<inertial><mass value="1"/><inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>'
    text = f'<robot name="r"><link name="a"/><link name="b">{inertia}</link>{joint}</robot>'
    (tmp_path / "hand.urdf").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", HARNESS, str(tmp_path)],
        input="\n".join(MISUSES),
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
        env={"PYTHONPATH": str(DOUBLE)},
    )
    said = dict(zip(MISUSES, done.stdout.splitlines(), strict=True))
    assert {code: words for code, words in said.items() if MISUSES[code] not in words} == {}


def test_torch_may_not_be_imported_before_isaac_gym():
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['torch'] = sys; import isaacgym"],
        capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(DOUBLE)},
    )  # fmt: skip
    assert done.returncode and "imported before isaacgym" in done.stderr
