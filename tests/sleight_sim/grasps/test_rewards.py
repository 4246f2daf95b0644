"""The first stage's reward: the public code's figures, nothing changed without it, proposals drawn right."""

from __future__ import annotations

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_multiply, quat_rotate
from sleight_description import load_hand
from sleight_sim.grasps.hand_shape import HandShape
from sleight_sim.grasps.proposal import NO_CONTACTS, GraspProposals
from sleight_sim.grasps.targets import ProposalTargets, clearances
from sleight_sim.grasps.task import make_proposal_task
from sleight_sim.objects.household import household_object
from sleight_sim.tasks.grasp.config import (
    STAGE_1_REWARD,
    GraspTaskConfig,
    ProposalReward,
    RandomisationConfig,
    RewardConfig,
)
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.tasks.grasp.make import make_grasp_task
from sleight_sim.tasks.grasp.rewards import ProposalErrors, RewardInputs, base_reward, proposal_errors
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

SHADOW = load_hand("shadow")
CYLINDER = household_object("cylinder", 0)


def hands(positions: np.ndarray, quats: np.ndarray) -> GraspProposals:
    """Straight hands at wrist poses."""
    n = len(positions)
    joints = np.zeros((n, len(SHADOW.joint_names)))
    motors = joints[:, SHADOW.actuated_index]
    plane = np.full((n, 4), np.nan)
    return GraspProposals(
        CYLINDER.name, SHADOW, positions, quats, joints, motors, np.ones(n), plane, (NO_CONTACTS,) * n
    )


def over_cylinder(count: int = 8) -> GraspProposals:
    """Palm-down hands over the upright cylinder at different yaws, their grasp centres 2 cm over its top."""
    yaw = np.linspace(-np.pi, np.pi, count, endpoint=False)
    turn = np.column_stack([np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)])
    quats = quat_multiply(turn, np.tile(PALM_DOWN, (count, 1)))
    offset = quat_rotate(quats, np.tile(HandShape(SHADOW).offset, (count, 1)))
    return hands(np.array([0.0, 0.0, 0.09]) - offset, quats)


def inputs(**changes) -> RewardInputs:
    """An object 10 cm over its rest, in the hand, 5 fingers at 5 cm, halfway to the goal."""
    centre = np.array([[0.0, 0.0, TABLE_HEIGHT + 0.13]])
    values = {
        "object_pos": centre,
        "grasp_center": centre + [0.03, 0, 0],
        "finger_points": np.tile(centre[:, None] + [0.05, 0, 0], (1, 5, 1)),
        "joint_pos": np.zeros((1, 22)),
        "goal_pos": centre + [0, 0, 0.1],
        "vertical_command": np.array([0.5]),
        "action_change": np.zeros(1),
        "excess": np.zeros(1),
        "rest_height": np.array([TABLE_HEIGHT + 0.03]),
        "proposal": ProposalErrors(np.array([0.2]), np.array([0.5]), np.array([3.0])),
    }
    return RewardInputs(**{**values, **changes})


def terms(x: RewardInputs) -> dict[str, float]:
    return {name: float(value[0]) for name, value in base_reward(x, STAGE_1_REWARD, np.zeros(22)).items()}


def test_the_figures_of_the_public_code() -> None:
    found = terms(inputs())
    assert found.pop("proposal") == pytest.approx(-(0.30 * 0.2 + 0.02 * 0.5 + 0.05 * 3.0))
    assert found.pop("move") == pytest.approx(0.9 - 2 * 0.1)
    assert found.pop("lift") == pytest.approx(0.1 + 0.1 * 0.5)
    assert found == {"pose": 0.0, "reach": 0.0, "bonus": 0.0}


@pytest.mark.parametrize("errors", [(0.41, 0.5, 3.0), (0.2, 1.01, 3.0), (0.2, 0.5, 6.01)])
def test_every_error_has_its_threshold(errors: tuple[float, float, float]) -> None:
    found = terms(inputs(proposal=ProposalErrors(*(np.array([error]) for error in errors))))
    assert found["move"] == 0.0 and found["lift"] == pytest.approx(0.15)


def test_lifting_begins_when_the_table_is_left_and_ends_20_cm_over_it() -> None:
    low = np.array([[0.0, 0.0, TABLE_HEIGHT + 0.032]])
    near = {"grasp_center": low, "finger_points": np.tile(low[:, None], (1, 5, 1))}
    assert terms(inputs(object_pos=low, **near))["lift"] == 0.0
    high = low + [0, 0, 0.169]
    near = {"grasp_center": high, "finger_points": np.tile(high[:, None], (1, 5, 1))}
    assert terms(inputs(object_pos=high, **near))["lift"] == pytest.approx(0.2)
    assert terms(inputs(object_pos=high, grasp_center=high + [0.13, 0, 0]))["lift"] == 0.0  # the hand is not there


def test_errors_are_zero_at_the_proposal_and_do_not_depend_on_the_frame() -> None:
    rng = np.random.default_rng(0)
    quats = rng.normal(size=(3, 4))
    thing, wrist, other = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    place, centre, joints = rng.normal(size=3), rng.normal(size=3), rng.normal(size=22)
    target = (centre[None], wrist[None], joints[None])

    def errors(turn: np.ndarray, joint_shift: float = 0.0, wrist_turn: np.ndarray | None = None) -> ProposalErrors:
        quat = quat_multiply(turn, thing)
        hand = quat_multiply(quat, wrist if wrist_turn is None else quat_multiply(wrist_turn, wrist))
        return proposal_errors(
            quat_rotate(turn, place)[None],
            quat[None],
            (quat_rotate(turn, place) + quat_rotate(quat, centre))[None],
            hand[None],
            (joints + joint_shift)[None],
            target,
        )

    for turn in (np.array([1.0, 0, 0, 0]), other):
        at = errors(turn)
        # An angle near zero comes from a square root of rounding.
        assert (at.position[0], at.rotation[0], at.joints[0]) == pytest.approx((0, 0, 0), abs=1e-7)
        quarter = np.array([np.cos(0.3), np.sin(0.3), 0, 0])
        off = errors(turn, 0.1, quarter)
        assert off.rotation[0] == pytest.approx(0.6) and off.joints[0] == pytest.approx(2.2)


def test_without_it_nothing_changes() -> None:
    """The terms are those of the reward without the option, bit for bit; the episodes are compared below."""
    assert RewardConfig().proposal is None
    x = inputs(proposal=None)
    plain = base_reward(x, RewardConfig(), np.zeros(22))
    given = base_reward(inputs(), RewardConfig(), np.zeros(22))
    assert list(plain) == list(given) and "proposal" not in plain
    assert all(np.array_equal(plain[name], given[name]) for name in plain)
    assert RewardConfig.model_validate(RewardConfig().model_dump(exclude={"proposal"})) == RewardConfig()


def test_a_reward_that_needs_proposals_says_so() -> None:
    with pytest.raises(SleightError, match="needs grasp proposals"):
        base_reward(inputs(proposal=None), STAGE_1_REWARD, np.zeros(22))


def test_the_task_pays_for_the_step_and_not_for_the_next_start() -> None:
    config = GraspTaskConfig(episode_steps=6, start_yaw="random", reward=STAGE_1_REWARD, poses="upright")
    task = make_proposal_task(config, [CYLINDER], 4, {CYLINDER.name: over_cylinder()}, seed=5, num_threads=1)
    task.reset()
    plain = GraspTaskConfig(episode_steps=6, start_yaw="random", poses="upright")
    same = make_grasp_task(plain, [CYLINDER], 4, seed=5, num_threads=1)
    same.reset()
    rng = np.random.default_rng(0)
    for k in range(12):
        action = rng.normal(0, 0.5, (4, 24))
        goal = task.targets.goal()
        result, other = task.step(action), same.step(action)
        # Observations, starts and ends are those of the task without proposals.
        assert np.array_equal(result.obs, other.obs) and np.array_equal(result.done, other.done)
        assert result.done.all() == (k % 6 == 5)
        assert {"proposal", "move", "lift"} <= set(result.terms)
        if not result.done.any():
            sim = task.sim
            centre = task.observation.kinematics.grasp_center(sim.wrist_pos, sim.wrist_quat)
            off = proposal_errors(sim.object_pos, sim.object_quat, centre, sim.wrist_quat, sim.joint_pos, goal)
            wanted = 0.30 * off.position + 0.02 * off.rotation + 0.05 * off.joints
            assert result.terms["proposal"] == pytest.approx(-wanted.mean())
            last = result.terms["proposal"]
        else:
            # Paid for the old episode's last state: near the step before, not near the new start's.
            assert result.terms["proposal"] == pytest.approx(last, abs=0.03)
        assert np.isfinite(result.reward).all()


def test_what_the_task_refuses() -> None:
    grasps = {CYLINDER.name: over_cylinder()}
    with pytest.raises(SleightError, match="takes no grasp proposals"):
        make_proposal_task(GraspTaskConfig(), [CYLINDER], 2, grasps)
    stage = GraspTaskConfig(reward=RewardConfig(proposal=ProposalReward()))
    with pytest.raises(SleightError, match="no grasp proposals"):
        make_proposal_task(stage, [CYLINDER, household_object("box", 0)], 2, grasps)
    resized = stage.model_copy(update={"randomisation": RandomisationConfig(size=(0.8, 1.2))})
    with pytest.raises(SleightError, match="as they are"):
        make_proposal_task(resized, [CYLINDER], 2, grasps)


def test_proposals_are_drawn_within_reach_and_off_the_table() -> None:
    above = over_cylinder(8)
    below = hands(np.tile([0.0, 0.0, -0.3], (2, 1)), np.tile(PALM_DOWN, (2, 1)))
    both = GraspProposals(
        CYLINDER.name,
        SHADOW,
        *(
            np.concatenate([getattr(above, name), getattr(below, name)])
            for name in ("wrist_positions", "wrist_quats", "joints", "targets", "scores", "planes")
        ),
        contacts=above.contacts + below.contacts,
    )
    upright = int(np.argmax(quat_rotate(CYLINDER.stable_poses.quats, np.array([[0.0, 0.0, 1.0]]))[:, 2]))
    room = clearances(HandShape(SHADOW), both, CYLINDER)
    assert (room[upright, :8] > 0).all() and (room[upright, 8:] < 0).all()
    targets = ProposalTargets(SHADOW, [CYLINDER] * 50, {CYLINDER.name: both})
    ids = np.arange(50)
    quats = np.tile(CYLINDER.stable_poses.quats[upright], (50, 1))
    wrist = quat_multiply(quats, np.tile(above.wrist_quats[3], (50, 1)))
    targets.draw(ids, quats, wrist, np.random.default_rng(0))
    # Neighbours are 45 degrees apart: the third and both beside it are within reach.
    assert set(targets.row.tolist()) == {2, 3, 4}
