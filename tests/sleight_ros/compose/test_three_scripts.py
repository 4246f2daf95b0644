"""Three scripted skills by the board's code on the simulated table, without ROS: stages, owners and verdicts."""

import numpy as np
import pytest
from sleight_core.bundle import load_bundle
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.compose.policy import ComposedPolicy, owned_names
from sleight_core.observation import RobotState
from sleight_core.safety.limits import JointLimits, WristLimits, limit_joint_targets, limit_twist
from sleight_ros.simulation.composition import Composition, CompositionWorld
from sleight_ros.simulation.world import TaskVerdict
from sleight_sim.tasks.grasp.config import GraspTaskConfig

from ...sleight_core.compose.builders import HAND, PERIOD
from ...sleight_core.compose.robot import AtOnce
from .scripted import scripted

THREE = ("GraspBall", "PushButton", "TurnOnSwitch")
JOINTS, WRIST = JointLimits.from_table(HAND), WristLimits.from_table(HAND)


class Played:
    """A policy on a table, tick by tick, within the limits that the bridge keeps."""

    def __init__(self, path, seed):
        loaded = load_bundle(path, HAND, period=PERIOD, simulation=True)
        composed = loaded.manifest.composition
        assert isinstance(composed, ComposedSkills)
        places = [value for skill in composed.skills for value in skill.place]
        self.policy = ComposedPolicy(loaded, HAND, executor=AtOnce())
        config = GraspTaskConfig.model_validate({"hand": "shadow_compose"})
        self.world = CompositionWorld(HAND, config, Composition.of(composed.skill_names, seed, places))
        self.world.reset(np.random.default_rng(seed))
        self.targets = self.world.read().joint_pos[HAND.actuated_index]
        self.twist = np.zeros(6)
        self.stages: list[str] = []

    def state(self):
        read = self.world.read()
        names = ("joint_pos", "joint_vel", "wrist_pos", "wrist_quat", "wrist_linvel", "wrist_angvel")
        zero = np.zeros((1, 3))
        return RobotState(
            **{name: getattr(read, name)[None] for name in names},
            fingertip_wrench=read.wrenches[None],
            canonical_yaw=np.zeros(1),
            last_action=np.zeros((1, 24)),
            object_pos=zero,
            goal_pos=zero,
            privileged={name: value[None] for name, value in self.world.privileged().items()},
        )

    def run(self, seconds):
        """Several ticks; the last one's outcome."""
        for _ in range(round(seconds / PERIOD)):
            out = self.policy.tick(self.state(), self.targets, self.twist)
            if not self.stages or self.stages[-1] != out.stage:
                self.stages.append(out.stage)
            targets = limit_joint_targets(out.command.joint_targets, self.targets[None], JOINTS, PERIOD)
            self.targets = targets[0]
            self.twist = limit_twist(out.command.wrist_twist, self.twist[None], WRIST, PERIOD)[0]
            self.world.command_joints(self.targets)
            self.world.command_twist(self.twist)
            for _ in range(self.world.substeps):
                self.world.step()
            self.world.count()
        return out

    def owner(self, out):
        return dict(zip(owned_names(HAND), out.owners, strict=True))


@pytest.mark.slow
def test_a_ball_is_kept_while_a_button_is_pressed_and_a_switch_turned(tmp_path):
    played = Played(scripted(tmp_path / "toys"), seed=1)
    for name, seconds in zip(THREE, (4.6, 6.0, 7.0), strict=True):
        played.policy.engage(name, 1)
        out = played.run(seconds)
    assert played.stages == ["first", "hold", "transition", "second", "hold", "transition", "third"]
    assert played.world.verdicts == tuple(TaskVerdict(name, True, True) for name in THREE)
    assert played.world.succeeded
    owner = played.owner(out)
    assert owner["THJ1"] == owner["RFJ1"] == "GraspBall" and owner["FFJ1"] == owner["wrist"] == "TurnOnSwitch"
