"""The graph under test, as processes of its own around the double."""

import os
import signal
import time

import numpy as np
from lifecycle_msgs.msg import Transition
from sleight_core.safety import SafetyState
from sleight_description import load_hand
from sleight_ros import convert
from sleight_ros.processes import Processes

from .bundles import tiny_bundle
from .double import CAMERA_POS, CAMERA_QUAT, HAND, OBJECT, PERIOD, Double

#: Something to do that changes all joints and both parts of the twist.
BIAS = np.concatenate([[0.05, 0.0, 0.1, 0.0, 0.0, 0.1], np.full(18, 0.3)])
FOLLOWING = (SafetyState.BLENDING, SafetyState.ACTIVE)
#: Age limits in force, s.
STATE_AGE, COMMAND_AGE, OBJECT_AGE = max(2 * PERIOD, 0.05), max(3 * PERIOD, 0.05), max(15 * PERIOD, 0.25)
#: From a joint state to its command, as in the shipped simulation profile, s.
LATENCY = 0.005
#: Tests share their machine with whatever runs there.
PATIENCE = max(30.0, 600 * PERIOD)


class Rig:
    """Bridge, policy and, if asked, perception, around a robot double; a context manager.

    Args:
        folder: For the bundle and the logs.
        perception: Run perception on the double's camera, instead of letting the double estimate the object.
        make_bundle: Writes the policy's bundle into a folder.
        hand: Name of the hand; its joints are the Shadow Hand's.
    """

    def __init__(self, folder, *, perception=False, make_bundle=None, hand="shadow"):
        self.folder = folder
        self.bundle = folder / "bundle"
        if make_bundle is None:
            tiny_bundle(self.bundle, bias=BIAS, period=PERIOD)
        else:
            make_bundle(self.bundle)
        self.hand = hand
        self.robot = Double(estimates=not perception, clouds=perception, table=load_hand(hand))
        self.processes = Processes(folder / "graph", int(os.environ["ROS_DOMAIN_ID"]))
        self.perception = perception

    def __enter__(self):
        self.robot.__enter__()
        try:
            self.start_bridge()
            self.start_policy()
            if self.perception:
                self.start_perception()
            self.robot.wait(lambda: self.robot.heard.status, 2 * PATIENCE, "the bridge")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        self.processes.stop()
        self.robot.__exit__()

    # Processes ---------------------------------------------------------------------------------------------------

    def start_bridge(self, **parameters):
        """Start the bridge."""
        parameters = {
            "blend_time": 0.2,
            "command_latency": LATENCY,
            "control_period": PERIOD,
            "object_max_age": OBJECT_AGE,
            "hand": self.hand,
            **parameters,
        }
        self.processes.node("hand_bridge", "sleight_ros.nodes.bridge_node", parameters)

    def start_policy(self, **parameters):
        """Start the policy node."""
        ages = {
            "joints_max_age": STATE_AGE,
            "wrist_max_age": STATE_AGE,
            "wrenches_max_age": STATE_AGE,
            "object_max_age": OBJECT_AGE,
        }
        ages |= {"sent_max_age": 2 * STATE_AGE, "control_period": PERIOD, "hand": self.hand}
        parameters = {"bundle": str(self.bundle), **ages, **parameters}
        self.processes.node("policy_node", "sleight_ros.nodes.policy_node", parameters)

    def start_perception(self, **parameters):
        """Start perception with the double's camera."""
        pose = [*CAMERA_POS.tolist(), *CAMERA_QUAT.tolist()]
        parameters = parameters or {"cameras": ["side"], "camera.side.pose": pose}
        parameters = {"cloud_max_age": OBJECT_AGE, "state_max_age": 2 * STATE_AGE, **parameters}
        self.processes.node("perception_node", "sleight_ros.nodes.perception_node", parameters)

    def end_policy(self):
        """End the policy node, if it runs; `follow` starts another one."""
        if "policy_node" in self.processes.running:
            self.processes.end("policy_node")

    def send(self, name, number):
        """Send a signal to a process that runs on or is to end by itself."""
        self.processes.running[name].popen.send_signal(number)

    def interrupt(self, name, number=signal.SIGINT):
        """End a process by a signal, as Ctrl-C does; return its exit status."""
        popen = self.processes.running[name].popen
        popen.send_signal(number)
        status = popen.wait(timeout=PATIENCE)
        self.processes.running.pop(name)
        return status

    def log(self, name):
        """What a node has printed."""
        return (self.processes.folder / f"{name}.log").read_text()

    # Bringing the graph to where it is needed -----------------------------------------------------------------------

    def heal(self):
        """Take all faults of the double away."""
        robot = self.robot
        robot.faults.clear()
        robot.rogue.faults.clear()
        robot.clock_offset = 0
        robot.object_pos = OBJECT.copy()

    def follow(self, *, rogue=False):
        """Bring the graph to where the hand follows the policy (or the rogue one), whatever it was before."""
        robot = self.robot
        self.heal()
        if "policy_node" not in self.processes.running:
            self.start_policy()
        if rogue:
            if not robot.rogue.active:
                robot.trigger("policy/release", PATIENCE)
                robot.rogue.active = True
        else:
            robot.rogue.active = False
            answer = robot.trigger("policy/engage", PATIENCE)
            assert answer.success, answer.message
        assert robot.trigger("bridge/rearm", PATIENCE).success
        self.wait_for(SafetyState.ACTIVE)
        time.sleep(0.1)
        self.wait_for(SafetyState.ACTIVE)

    def activate_bridge(self):
        """Activate the bridge anew: its targets begin at the measured pose."""
        self.robot.monitor.restarts += 1
        self.robot.reach("hand_bridge", Transition.TRANSITION_ACTIVATE, "active")

    def wait_for(self, state, timeout=PATIENCE):
        """Wait until the bridge says that it is in a state."""
        self.robot.wait(lambda: self.robot.last_status()[0] == state.name, timeout, state.name)

    def assert_active_hold(self):
        """Messages go on, the pose stays, and the wrist has come to rest."""
        robot = self.robot
        time.sleep(9 * PERIOD)
        count = len(robot.heard.trajectories)
        robot.wait(lambda: len(robot.heard.trajectories) > count + 5, PATIENCE, "an active hold")
        last = [np.array(msg.points[0].positions) for _, msg in robot.heard.trajectories[-5:]]
        assert all(np.array_equal(row, last[0]) for row in last)
        assert not convert.twist_from_msg(robot.heard.twists[-1][1]).any()


__all__ = ["BIAS", "COMMAND_AGE", "HAND", "LATENCY", "OBJECT_AGE", "PERIOD", "STATE_AGE", "Rig"]
