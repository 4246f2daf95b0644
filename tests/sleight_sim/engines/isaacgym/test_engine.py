"""The Isaac Gym engine against the contract double: names, orders, units, frames, and the order of calls."""

import ast
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from sleight_core.errors import SleightError
from sleight_core.rotations import quat_multiply, quat_rotate, yaw_quat
from sleight_sim.engines import InitialState
from sleight_sim.engines.isaacgym.assets import WRIST_CHAIN
from sleight_sim.engines.isaacgym.engine import IsaacGymEngine
from sleight_sim.engines.isaacgym.locate import PYTHON, process_folder
from sleight_sim.objects.household import household_object
from sleight_sim.tasks.grasp.config import GraspTaskConfig, RandomisationConfig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.tasks.grasp.make import check_engine, make_grasp_task
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

from .double_session import SHADOW, THINGS, VARIATIONS, make_engine, read_record, unit_quats, use_double

PERIOD = 1.0 / 60.0
J, A = len(SHADOW.joint_names), len(SHADOW.actuated_joint_names)


def starts(rng, count, table=SHADOW):
    share = rng.uniform(0.2, 0.4, (count, len(table.joint_names)))
    yaws = rng.uniform(-np.pi, np.pi, count)
    return InitialState(
        joint_pos=table.lower + share * (table.upper - table.lower),
        wrist_pos=rng.uniform(-0.1, 0.1, (count, 3)) + [0.0, 0.0, 0.8],
        wrist_quat=quat_multiply(yaw_quat(yaws), np.tile(PALM_DOWN, (count, 1))),
        object_pos=rng.uniform(-0.1, 0.1, (count, 3)) + [0.0, 0.0, 0.9],
        object_quat=unit_quats(rng, count),
    )


def same_rotation(a, b):
    return np.abs(np.abs((np.asarray(a) * np.asarray(b)).sum(axis=-1)) - 1.0).max() < 1e-5


@pytest.fixture(scope="module", params=["local", "global"])
def session(request, tmp_path_factory):
    """An engine that has been through everything it can do; frames as the public documents leave them open."""
    record = tmp_path_factory.mktemp("isaacgym") / "record.json"
    with pytest.MonkeyPatch.context() as patch:
        use_double(patch, record, request.param)
        engine = make_engine()
    rng = np.random.default_rng(0)
    found = SimpleNamespace(engine=engine, start=starts(rng, 3))
    engine.reset(np.arange(3), found.start)
    found.at_start = engine.state()
    # Twice before a step, as when an episode is reset by hand; then one environment by itself.
    found.again = starts(rng, 1)
    engine.reset(np.array([1]), found.again)
    found.after_second = engine.state()

    targets = SHADOW.actuated_lower + np.linspace(0.3, 0.5, A) * (SHADOW.actuated_upper - SHADOW.actuated_lower)
    found.targets = np.tile(targets, (3, 1)) + 0.01 * np.arange(3)[:, None]
    found.twist = np.array([[0.1, -0.2, 0.3, 0.2, -0.1, 0.15]] * 3) * np.array([1.0, -1.0, 0.5])[:, None]
    found.before_step = engine.state()
    for _ in range(30):
        engine.step(found.targets, found.twist)
    found.moved = engine.state()
    found.positions = engine.positions()
    falling = found.moved.object_pos.copy()
    engine.apply_force(np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 100.0]]))
    for _ in range(10):
        engine.step(found.targets, 0.0 * found.twist)
    found.pulled = engine.state().object_pos - falling
    found.still = engine.state()
    engine.close()
    found.record = read_record(record)
    return found


def test_a_start_is_where_it_was_asked_for_at_once_and_a_second_one_in_its_place(session):
    start, state = session.start, session.at_start
    for name in ("joint_pos", "wrist_pos", "object_pos"):
        assert np.allclose(getattr(state, name), getattr(start, name), atol=1e-5), name
    assert same_rotation(state.wrist_quat, start.wrist_quat) and same_rotation(state.object_quat, start.object_quat)
    for name in ("joint_vel", "wrist_linvel", "wrist_angvel", "object_linvel", "object_angvel", "fingertip_wrench"):
        assert not getattr(state, name).any()
    after = session.after_second
    assert np.allclose(after.joint_pos[1], session.again.joint_pos[0], atol=1e-5)
    assert np.allclose(after.object_pos[[0, 2]], start.object_pos[[0, 2]], atol=1e-5)


def test_quaternions_are_xyzw_in_the_simulator(session):
    rows = np.array(session.record["seen"]["root"])
    wanted = session.start.object_quat[2]
    objects = [row for row in rows if np.allclose(np.abs(row[3:7]), np.abs(wanted[[1, 2, 3, 0]]), atol=1e-5)]
    assert len(objects) == 1 and np.allclose(objects[0][3:7], wanted[[1, 2, 3, 0]], atol=1e-5)


def test_each_joint_goes_to_its_own_target_whatever_the_simulators_order(session):
    state, index = session.moved, list(SHADOW.joint_names)
    for a, name in enumerate(SHADOW.actuated_joint_names):
        assert np.allclose(state.joint_pos[:, index.index(name)], session.targets[:, a], atol=1e-4), name
    for coupling in SHADOW.couplings:
        ratio = coupling.driver_coefficient / coupling.coefficient
        driven = ratio * state.joint_pos[:, index.index(coupling.driver)]
        joint = SHADOW.joint(coupling.joint)
        assert np.allclose(
            state.joint_pos[:, index.index(coupling.joint)], np.clip(driven, joint.lower, joint.upper), atol=1e-3
        )


def test_the_wrist_moves_with_its_twist_in_the_task_frame(session):
    before, after, twist = session.before_step, session.moved, session.twist
    assert np.allclose(after.wrist_pos - before.wrist_pos, 30 * PERIOD * twist[:, :3], atol=1e-4)
    assert np.allclose(after.wrist_linvel, twist[:, :3], atol=1e-4)
    assert np.allclose(after.wrist_angvel, twist[:, 3:], atol=2e-3)
    # Half a second about an axis that stands still.
    angle = np.linalg.norm(twist[:, 3:], axis=-1) * 30 * PERIOD
    axis = twist[:, 3:] / np.linalg.norm(twist[:, 3:], axis=-1, keepdims=True)
    turn = np.concatenate([np.cos(angle / 2)[:, None], np.sin(angle / 2)[:, None] * axis], axis=-1)
    wanted = quat_rotate(quat_multiply(turn, before.wrist_quat), np.array([[0.0, 0.0, 1.0]] * 3))
    assert np.allclose(quat_rotate(after.wrist_quat, np.array([[0.0, 0.0, 1.0]] * 3)), wanted, atol=5e-3)


def test_an_objects_pull_is_in_newtons_and_the_task_frame(session):
    mass = THINGS[0].mass
    way = 0.5 * 3.0 / mass * (10 * PERIOD) ** 2
    assert session.pulled[0, 0] == pytest.approx(way, rel=0.15) and abs(session.pulled[1, 0]) < 1e-6
    assert session.pulled[2, 2] > 0.1


def test_gains_limits_and_frictions_arrive_in_their_units(session):
    seen = session.record["seen"]
    second = VARIATIONS[1]
    # The last environment has the first variant.
    for name in SHADOW.joint_names:
        row, figures = seen["dofs"][name], SHADOW.dynamics(name)
        assert row["driveMode"] == 1 and row["effort"] == pytest.approx(SHADOW.joint(name).effort)
        assert row["damping"] == pytest.approx(figures.damping) and row["armature"] == pytest.approx(figures.armature)
        assert row["stiffness"] == pytest.approx(1.0)
    wrist = SHADOW.wrist
    for name, kind, _ in WRIST_CHAIN:
        gain = wrist.force / wrist.linear_speed if kind == "prismatic" else wrist.torque / wrist.angular_speed
        row = seen["dofs"][name]
        assert row["driveMode"] == 2 and row["stiffness"] == 0.0 and row["damping"] == pytest.approx(gain)
    assert set(seen["friction"]) == {"hand", "object", "table"}
    assert second.friction == 0.5 and seen["friction"]["object"] == pytest.approx(THINGS[0].friction)


def test_recorded_positions_have_the_layout_of_the_worlds_model(session):
    state = session.moved
    assert session.positions.shape == (3, 7 + J + 7)
    for name in ("wrist_pos", "joint_pos", "object_pos", "object_quat"):
        rows = getattr(state, name)
        assert any(
            np.allclose(session.positions[:, k : k + rows.shape[1]], rows) for k in range(session.positions.shape[1])
        )


def scanned():
    """Every name of the API that the adapter's source uses: calls of the simulator, of modules, and structures."""
    found = {"gym": set(), "module": set()}
    for path in sorted(process_folder().glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute):
                continue
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            if name == "gym":
                found["gym"].add(node.attr)
            elif name in ("gymapi", "gymtorch"):
                found["module"].add(node.attr)
    return found


def test_the_contract_covers_every_call_that_the_adapter_makes_and_each_was_made(session):
    used, record = scanned(), session.record
    assert len(used["gym"]) > 30
    assert used["gym"] <= set(record["contract"]), "calls that the double does not know"
    assert used["gym"] <= set(record["calls"]), "calls that no test has made"
    functions = {name for name in used["module"] if name[0].islower()}
    assert functions <= set(record["calls"])
    text = (process_folder().parents[0] / "process" / "scene.py").read_text()
    assert "importlib" not in text and "getattr" not in text


def test_an_episode_of_the_grasp_task_runs_with_the_same_observations(monkeypatch, tmp_path):
    use_double(monkeypatch, tmp_path / "record.json")
    config = GraspTaskConfig(randomisation=RandomisationConfig(mass=(0.7, 1.6), push=1.0))
    things = [household_object("box", 0), household_object("cylinder", 0)]
    options: dict[str, Any] = {"seed": 3, "num_threads": 1}
    task = make_grasp_task(config, things, 2, engine="isaacgym", **options)
    other = make_grasp_task(config, things, 2, **options)
    try:
        obs, critic = task.reset()
        theirs, their_critic = other.reset()
        # One start, two engines: all terms but the wrench, which MuJoCo measures at once.
        assert obs.shape == theirs.shape and critic.shape == their_critic.shape
        quiet = np.abs(theirs) < 4.9
        column = 0
        for spec in task.observation.specs:
            if spec.name == "fingertip_wrench":
                quiet[:, column : column + spec.size] = False
            column += spec.size
        assert np.allclose(obs[quiet], theirs[quiet], atol=2e-4)
        rng = np.random.default_rng(0)
        for step in range(config.episode_steps):
            result = task.step(rng.uniform(-0.3, 0.3, (2, task.num_actions)))
            assert np.isfinite(result.obs).all() and np.isfinite(result.reward).all()
            assert (result.ended is not None) == (step == config.episode_steps - 1)
        assert np.isfinite(task.engine.positions()).all() and not task.engine.failed().any()
        assert abs(task.sim.object_pos[0, 2] - TABLE_HEIGHT - 0.1) < 0.05
    finally:
        assert isinstance(task.engine, IsaacGymEngine)
        task.engine.close()


def test_without_isaac_gym_the_engine_is_refused_in_one_line_that_names_it(monkeypatch, tmp_path):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv(PYTHON, sys.executable)
    for call in (
        lambda: check_engine("isaacgym"),
        lambda: make_grasp_task(GraspTaskConfig(), [THINGS[0]], 1, engine="isaacgym"),
    ):
        with pytest.raises(SleightError) as error:
            call()
        assert "'isaacgym'" in str(error.value) and PYTHON in str(error.value) and "\n" not in str(error.value)
    monkeypatch.setenv(PYTHON, str(tmp_path / "python"))
    with pytest.raises(SleightError, match="does not run"):
        check_engine("isaacgym")
    monkeypatch.delenv(PYTHON)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SleightError, match="'isaacgym'"):
        check_engine("isaacgym")


def test_what_goes_wrong_in_the_process_comes_out_as_one_line(monkeypatch, tmp_path):
    use_double(monkeypatch, tmp_path / "record.json")
    engine = make_engine((0,))
    engine.reset(np.array([0]), starts(np.random.default_rng(1), 1))
    # Degrees in place of radians: the double refuses, and the engine says why.
    with pytest.raises(SleightError, match="rad, m and seconds") as error:
        engine.step(np.full((1, A), 45.0), np.zeros((1, 6)))
    assert "\n" not in str(error.value)


def test_a_process_that_dies_is_told_with_its_last_words(monkeypatch, tmp_path):
    use_double(monkeypatch, tmp_path / "record.json")
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\necho "libpython3.8.so.1.0: not found"; exit 127\n'
    )
    python.chmod(0o755)
    monkeypatch.setenv(PYTHON, str(python))
    with pytest.raises(SleightError, match="ended with status 127.*libpython3.8") as error:
        make_engine((0,))
    assert "\n" not in str(error.value)
