"""Several mechanisms on one table: each skill and its residual see their own, from the skill's own place."""

from typing import Any

import numpy as np
import pytest
from sleight_core.bundle.composed import ResidualSection
from sleight_core.errors import SleightError
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, own_mechanism, quantity_of
from sleight_core.observation.spec import TermSpec

from .builders import GRASP, HAND, PUSH, REST, make, residual, sampler, sequence, skill, three
from .robot import Robot

LEFT, RIGHT = (-0.26, 0.0, 0.0), (0.26, 0.0, 0.0)
#: Where the handles are, each seen from its own place, and how far each joint is.
BUTTON, SWITCH = (np.array([[0.01, 0.02, 0.7]]), 0.004), (np.array([[-0.03, 0.05, 0.9]]), 0.3)


def told(*names: str) -> dict[str, Any]:
    """What a simulator tells of the object and of some mechanisms."""
    values: dict[str, Any] = {
        "object_pos": np.array([[0.0, 0.2, 0.7]]),
        "object_quat": np.array([[1.0, 0.0, 0.0, 0.0]]),
    }
    for name, place, (handle, joint) in (("PushButton", LEFT, BUTTON), ("TurnOnSwitch", RIGHT, SWITCH)):
        if name in names:
            values[quantity_of(name, "handle_pos")] = handle + place
            values[quantity_of(name, MECHANISM_JOINTS)] = np.array([[joint]])
    return values


def test_a_skill_sees_its_own_mechanism_or_the_only_one():
    both = told("PushButton", "TurnOnSwitch")
    assert own_mechanism(both, "PushButton")[MECHANISM_JOINTS] == pytest.approx(0.004)
    assert own_mechanism(both, "TurnOnSwitch")["handle_pos"] == pytest.approx(SWITCH[0] + RIGHT)
    assert set(own_mechanism(both, "GraspBall")) == {"object_pos", "object_quat"}
    assert own_mechanism(told("PushButton"), "MyPush")["handle_pos"] == pytest.approx(BUTTON[0] + LEFT)
    # Where a simulator tells of one alone, without a name, that is everybody's.
    plain = {"handle_pos": BUTTON[0], MECHANISM_JOINTS: np.zeros((1, 1))}
    assert own_mechanism(plain, "PushButton") == plain


def seeing_three(path, **graphs):
    """Three skills that see the simulator's state, each at a place of its own."""
    skills = (
        skill("GraspBall", GRASP, place=(0.0, 0.22, 0.0)),
        skill("PushButton", PUSH, place=LEFT),
        skill("TurnOnSwitch", PUSH, place=RIGHT),
    )
    handle = ResidualSection(graph="residual.third", observation=(TermSpec.of("handle_pos", HAND),))
    composed = three(skills=skills, sequences=(sequence(second_residual=handle),))
    return make(path, composed, simulation=True, **graphs)


def test_each_skill_and_its_residual_see_their_own_mechanism_from_their_own_place(tmp_path):
    seen: dict[str, np.ndarray] = {}

    def watching(name):
        def sample(history, noise):
            seen[name] = np.ravel(history)[-33:]
            return np.tile(REST, (noise.shape[-2], 1)).astype(np.float32)

        return sample

    path = seeing_three(tmp_path / "toys", residual_third=residual(3, 0.0, gain=1.0))
    robot = Robot(path, simulation=True, samplers={n: watching(n) for n in ("PushButton", "TurnOnSwitch")})
    robot.privileged = told("PushButton", "TurnOnSwitch")
    robot.policy.engage("GraspBall", 1)
    robot.run(10)
    robot.policy.engage("PushButton", 2)
    robot.run(40)
    robot.policy.engage("TurnOnSwitch", 3)
    out = robot.run(80)
    assert out.stage == "third"
    for name, (handle, joint) in (("PushButton", BUTTON), ("TurnOnSwitch", SWITCH)):
        assert seen[name][-4:] == pytest.approx([*handle[0], joint], abs=1e-6)
    own = np.array(sequence().mask)
    wanted = np.array(sequence().bounds) * np.tanh(SWITCH[0].mean())
    assert out.residual[own] == pytest.approx(wanted[own], abs=1e-6)


def test_a_skill_whose_mechanism_is_not_there_is_told_so(tmp_path):
    robot = Robot(seeing_three(tmp_path / "toys", skill_GraspBall=sampler(32)), simulation=True)
    robot.privileged = told("PushButton", "TurnOnSwitch")
    robot.policy.engage("GraspBall", 1)
    robot.run(10)
    del robot.privileged[quantity_of("PushButton", "handle_pos")]
    robot.policy.engage("PushButton", 2)
    with pytest.raises(SleightError, match=r"nobody tells of: handle_pos \(put its mechanism on the table"):
        robot.run(40)
