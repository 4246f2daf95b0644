"""The simulated table of a composition: what is where, how it is judged, and what privileged state tells."""

import mujoco
import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, own_mechanism, quantity_of
from sleight_description import load_hand
from sleight_ros.simulation.composition import Composition, CompositionWorld
from sleight_ros.simulation.world import TaskVerdict
from sleight_sim.tasks.compose.config import COMPOSITION_PLACE, SEQUENCE_PLACES
from sleight_sim.tasks.grasp.config import GraspTaskConfig

HAND = load_hand("shadow_compose")
THREE = ("GraspBall", "PushButton", "TurnOnSwitch")


def make(*names, seed=0, places=()) -> CompositionWorld:
    config = GraspTaskConfig.model_validate({"hand": "shadow_compose"})
    world = CompositionWorld(HAND, config, Composition.of(names or THREE[:2], seed, places))
    world.reset(np.random.default_rng(seed))
    return world


def joint(world, name):
    return int(world.model.joint(name).qposadr[0])


def lift(world, height=0.2):
    """Put the object somewhere over its place."""
    at = joint(world, "object")
    world.data.qpos[at : at + 3] = np.add(COMPOSITION_PLACE, [0.0, 0.0, 0.6 + height])


@pytest.mark.parametrize(("second", "joints"), [("PushButton", ("button",)), ("OpenDoor", ("hinge", "lever"))])
def test_object_and_mechanism_lie_on_one_table(second, joints):
    world = make("GraspBall", second)
    assert world.joint_names == {second: joints} and world.thing.name == f"GraspBall+{second}"
    assert world.goal == pytest.approx([0.0, 0.22, 0.8])
    for _ in range(60):
        world.step()
    seen = own_mechanism(world.privileged(), second)
    assert world.finite and seen[MECHANISM_JOINTS] == pytest.approx(np.zeros(len(joints)), abs=5e-3)
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
    handle, joints = quantity_of("PushButton", "handle_pos"), quantity_of("PushButton", MECHANISM_JOINTS)
    before = world.privileged()[handle]
    world.data.qpos[joint(world, "button")] = 0.01
    seen = world.privileged()
    assert seen[joints] == pytest.approx([0.01])
    assert seen[handle] == pytest.approx(before - [0, 0, 0.01], abs=1e-9)


def test_three_tasks_share_a_table_and_each_skill_sees_its_own_mechanism():
    world = make(*THREE)
    assert world.joint_names == {"PushButton": ("button",), "TurnOnSwitch": ("switch",)}
    for _ in range(60):
        world.step()
    told = world.privileged()
    button, switch = (own_mechanism(told, name)["handle_pos"] for name in THREE[1:])
    for handle, place in zip((button, switch), SEQUENCE_PLACES, strict=True):
        assert handle[:2] == pytest.approx(place[:2], abs=0.12)
    assert world.finite and told["object_pos"][:2] == pytest.approx(COMPOSITION_PLACE[:2], abs=0.05)
    assert world.data.site("2_handle").xpos == pytest.approx(switch, abs=1e-6)
    assert "handle_pos" not in own_mechanism(told, "GraspBall")


def test_each_task_is_judged_and_in_its_order():
    world = make(*THREE)
    world.count()
    assert world.verdicts == tuple(TaskVerdict(name, False, False) for name in THREE)
    # What is done before the task between does not count.
    world.data.qpos[joint(world, "2_switch")] = 0.9 * world.thing.draw.further[0].travel / 2
    lift(world)
    world.count()
    assert world.verdicts == (TaskVerdict("GraspBall", True, True), *(TaskVerdict(n, False, False) for n in THREE[1:]))
    world.data.qpos[joint(world, "button")] = 0.012
    world.count()
    assert [one.succeeded for one in world.verdicts] == [True, True, True] and world.succeeded
    # What was done stays done; the object must be kept to the end.
    world.data.qpos[joint(world, "button")] = 0.0
    lift(world, 0.03)
    world.count()
    assert [(one.kept, one.succeeded) for one in world.verdicts] == [(False, True), (True, True), (True, True)]
    assert not world.succeeded


def test_what_is_done_after_the_object_fell_is_not_kept():
    world = make(*THREE)
    world.data.qpos[joint(world, "button")] = 0.012
    world.count()
    assert world.verdicts[1] == TaskVerdict("PushButton", False, True) and not world.succeeded


def test_places_are_those_that_are_given():
    places = (0.1, 0.3, 0.0, -0.2, -0.1, 0.0, 0.2, -0.1, 0.0)
    world = make(*THREE, places=places)
    told = world.privileged()
    assert told["object_pos"][:2] == pytest.approx(places[:2], abs=0.05)
    for name, place in zip(THREE[1:], (places[3:], places[6:]), strict=True):
        assert own_mechanism(told, name)["handle_pos"][:2] == pytest.approx(place[:2], abs=0.12)
    assert world.goal == pytest.approx([0.1, 0.3, 0.8])


@pytest.mark.parametrize(
    ("names", "places", "words"),
    [
        (("PushButton", "GraspBall"), (), "'PushButton' is no task of kind 'retention'"),
        (("GraspBall", "PushButton", "GraspCube"), (), "'GraspCube' is no task of kind 'interaction'"),
        (("GraspBall", "Fly"), (), "no such DexCompose task"),
        (("GraspBall",), (), "two or three different tasks"),
        (("GraspBall", "PushButton", "PushButton"), (), "two or three different tasks"),
        ((*THREE, "OpenDoor"), (), "two or three different tasks"),
        (THREE, (0.0, 0.22, 0.0), "give three numbers for each of GraspBall, PushButton, TurnOnSwitch"),
        (THREE, (0.0, float("nan"), 0.0) * 3, "give three numbers for each"),
        (THREE, (0.0, 0.22, 0.0, *(0.0,) * 6), "'PushButton' and 'TurnOnSwitch' have no room beside each other"),
        (THREE[:2], (0.0,) * 6, "'GraspBall' and 'PushButton' have no room"),
    ],
)
def test_what_does_not_fit_on_a_table_is_refused(names, places, words):
    with pytest.raises(SleightError, match=words):
        Composition.of(names, 0, places)
