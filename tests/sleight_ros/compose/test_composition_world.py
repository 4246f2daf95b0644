"""The simulated table of a pair: what is where, and that privileged state is the tasks' own."""

import mujoco
import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_ros.simulation.composition import CompositionWorld, Pair
from sleight_sim.tasks.compose.config import COMPOSITION_PLACE
from sleight_sim.tasks.grasp.config import GraspTaskConfig

HAND = load_hand("shadow_compose")


def make(first="GraspBall", second="PushButton", seed=0) -> CompositionWorld:
    config = GraspTaskConfig.model_validate({"hand": "shadow_compose"})
    world = CompositionWorld(HAND, config, Pair.of(first, second, seed))
    world.reset(np.random.default_rng(seed))
    return world


@pytest.mark.parametrize(("second", "joints"), [("PushButton", ("button",)), ("OpenDoor", ("hinge", "lever"))])
def test_object_and_mechanism_lie_on_one_table(second, joints):
    world = make(second=second)
    assert world.joint_names == joints and world.thing.name == f"GraspBall+{second}"
    assert world.goal == pytest.approx([0.0, 0.22, 0.8])
    for _ in range(60):
        world.step()
    seen = world.privileged()
    assert world.finite and seen["mechanism_joints"] == pytest.approx(np.zeros(len(joints)), abs=5e-3)
    assert seen["object_pos"][:2] == pytest.approx(COMPOSITION_PLACE[:2], abs=0.05)
    assert seen["handle_pos"][1] < 0.12 < seen["object_pos"][1]
    assert np.linalg.norm(seen["object_linvel"]) < 0.05
    # The places are of now, not of the step before.
    data = mujoco.MjData(world.model)
    data.qpos[:], data.mocap_pos[:], data.mocap_quat[:] = world.data.qpos, world.data.mocap_pos, world.data.mocap_quat
    mujoco.mj_kinematics(world.model, data)
    assert seen["handle_pos"] == pytest.approx(data.site("handle").xpos, abs=1e-12)


def test_a_pressed_button_is_seen():
    world = make()
    at = int(world.model.joint("button").qposadr[0])
    before = world.privileged()["handle_pos"]
    world.data.qpos[at] = 0.01
    seen = world.privileged()
    assert seen["mechanism_joints"] == pytest.approx([0.01])
    assert seen["handle_pos"] == pytest.approx(before - [0, 0, 0.01], abs=1e-9)


def test_tasks_in_the_wrong_roles_are_refused():
    with pytest.raises(SleightError, match="'PushButton' is no task of kind 'retention'"):
        Pair.of("PushButton", "GraspBall", 0)
    with pytest.raises(SleightError, match="no such DexCompose task"):
        Pair.of("GraspBall", "Fly", 0)
