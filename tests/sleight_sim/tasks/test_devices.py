"""What the grasp task computes in every step stays on the device of its arrays: nothing is mixed with host arrays."""

import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")

from sleight_core.action import ActionSpec  # noqa: E402
from sleight_core.observation import ObservationBuilder, RobotState  # noqa: E402
from sleight_core.observation.spec import term_specs  # noqa: E402
from sleight_core.safety.limits import JointLimits, WristLimits, limit_joint_targets, limit_twist  # noqa: E402
from sleight_description import load_hand  # noqa: E402
from sleight_sim.tasks.grasp.config import GraspTaskConfig  # noqa: E402
from sleight_sim.tasks.grasp.metrics import GraspMetrics  # noqa: E402
from sleight_sim.tasks.grasp.rewards import RewardInputs, base_reward  # noqa: E402

TABLE = load_hand("shadow")
B, J, A, F = 3, len(TABLE.joint_names), len(TABLE.actuated_joint_names), len(TABLE.fingers)


def empty(*shape):
    """A tensor without values on a device of its own: torch refuses to mix it with one of the host."""
    return torch.empty(B, *shape, device="meta")


def test_the_meta_device_refuses_host_tensors():
    with pytest.raises(RuntimeError, match="device"):
        torch.add(empty(3), torch.zeros(3))


def test_actions_and_limits():
    spec = ActionSpec.absolute(TABLE)
    command = spec.decode(empty(spec.size), empty(), empty(A))
    targets = limit_joint_targets(command.joint_targets, empty(A), JointLimits.from_table(TABLE), 1 / 60)
    twist = limit_twist(command.wrist_twist, empty(6), WristLimits.from_table(TABLE), 1 / 60)
    executed = spec.encode(type(command)(targets, twist), empty(), empty(A))
    assert executed.device.type == "meta" and executed.shape == (B, spec.size)


def test_observations_and_rewards():
    config = GraspTaskConfig()
    known = {"object_pos": 3, "object_quat": 4, "object_linvel": 3, "object_angvel": 3, "time_left": 1}
    state = RobotState(
        joint_pos=empty(J),
        joint_vel=empty(J),
        wrist_pos=empty(3),
        wrist_quat=empty(4),
        wrist_linvel=empty(3),
        wrist_angvel=empty(3),
        fingertip_wrench=empty(F, 6),
        canonical_yaw=empty(),
        last_action=empty(6 + A),
        object_pos=empty(3),
        goal_pos=empty(3),
        privileged={name: empty(size) for name, size in known.items()},
    )
    for terms in (config.terms, config.critic_terms):
        builder = ObservationBuilder(TABLE, term_specs(TABLE, terms))
        frame = builder.frame(state)
        assert builder.compute(state, frame).device.type == "meta"
    rewards = base_reward(
        RewardInputs(
            object_pos=empty(3),
            grasp_center=frame.grasp_center,
            finger_points=builder.kinematics.finger_points(frame.fingertips),
            joint_pos=empty(J),
            goal_pos=empty(3),
            vertical_command=empty(),
            action_change=empty(),
            excess=empty(),
            rest_height=empty(),
        ),
        config.reward,
        TABLE.posture("power_grasp"),
    )
    assert {(value.device.type, value.shape) for value in rewards.values()} == {("meta", (B,))}


def test_metrics():
    metrics = GraspMetrics(B, 0.05, 3, empty())
    metrics.update(empty(), empty())
    metrics.reset(torch.empty(2, dtype=torch.long, device="meta"))
    assert metrics.held.device.type == metrics.highest.device.type == "meta"
