"""Recordings made on the spot, without a graph: the policy's own code, fed with messages that we make up."""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from rclpy.serialization import serialize_message
from rosbags.serde import SerdeError
from sleight_core.action import ActionSpec
from sleight_core.bundle import write_bundle
from sleight_core.bundle.manifest import MaskedDualResidual, MoeResidual
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand
from sleight_msgs.msg import HandCommand, ObjectEstimate, PolicyTelemetry
from sleight_ros import convert
from sleight_ros.policy_step import PolicyStep
from sleight_ros.recording.typestore import sleight_typestore
from sleight_ros.recording.writer import BagWriter, Room

from ...sleight_core.bundle.toys import batched, toy_info, toy_model, toy_task
from ..bundles import TERMS

HAND = load_hand("shadow")
FRAME = "world"
MS = 1_000_000
PERIOD = 16 * MS
START = 1_700_000_000_000_000_000
ROOM = Room(min_free=0)


def on_the_wire(kind, msg):
    """The bytes that a subscription gets: rclpy's own serialisation leaves unused room at the end."""
    data = serialize_message(msg)
    for end in range(len(data), 0, -4):
        try:
            sleight_typestore().deserialize_cdr(data[:end], kind)
        except SerdeError:
            continue
        return data[:end]
    raise AssertionError(kind)


def mixed_bundle(folder: Path, *, kind="moe_residual", names=("grasp", "lift", "hold"), period=1 / 60, spec=None):
    """Write a bundle with experts, weights and a residual, or with a mask and a residual."""
    specs = term_specs(HAND, TERMS)
    spec = spec or ActionSpec.absolute(HAND)
    inputs, outputs, k = sum(s.size for s in specs), spec.size, 3
    rng = np.random.default_rng(1)

    def matrix(columns):
        return (0.02 * rng.normal(size=(inputs, columns))).astype(np.float32)

    tables = {"base": matrix(outputs), "mix": matrix(k), "rest": (0.1 * matrix(outputs)).astype(np.float32)}
    nodes = [
        helper.make_node("MatMul", ["obs", "base"], ["raw"]),
        helper.make_node("Tanh", ["raw"], ["wanted"]),
        helper.make_node("MatMul", ["obs", "rest"], ["residual"]),
        helper.make_node("Add", ["wanted", "residual"], ["action"]),
    ]
    sizes = {"action": outputs, "residual": outputs}
    composition = MaskedDualResidual(mask=(False,) * 6 + (True,) * (outputs - 6), bounds=(0.1,) * outputs)
    if kind == "moe_residual":
        nodes += [
            helper.make_node("MatMul", ["obs", "mix"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["expert_weights"], axis=1),
        ]
        sizes = {"action": outputs, "expert_weights": k, "residual": outputs}
        composition = MoeResidual(k=k, normalisation="softmax", expert_names=names)
    else:
        del tables["mix"]
    constants = [numpy_helper.from_array(values, name) for name, values in tables.items()]
    model = toy_model(nodes, constants, batched({"obs": inputs}), batched(sizes))
    golden = rng.normal(size=(4, inputs)).astype(np.float32)
    residual = golden @ tables["rest"]
    answers = {"obs": golden, "action": np.tanh(golden @ tables["base"]) + residual, "residual": residual}
    if kind == "moe_residual":
        logits = np.exp(golden @ tables["mix"])
        answers["expert_weights"] = logits / logits.sum(axis=1, keepdims=True)
    sections = {"observation": tuple(specs), "action": spec.parts, "composition": composition}
    task = toy_task(quat=(1.0, 0.0, 0.0, 0.0))
    info = toy_info(kind.replace("_", "-"), HAND, period=period, task=task, **sections)
    return write_bundle(folder, info, {"policy": model}, answers)


class Story:
    """Plays a robot and its policy, and tells a bag what happened, each message with a delay of its own.

    Args:
        bundle: The policy.
        seed: Of motion and delays.
        delay: Largest delay of a recorded message, ms: how far the recorder's order may differ from the policy's.
        prefix: Namespace.
    """

    def __init__(self, bundle, *, seed=0, delay=0.0, prefix=""):
        self.step = PolicyStep(bundle, HAND)
        self.bundle_id = bundle.id
        self.inputs = self.step.make_inputs(None, FRAME)
        self.rng = np.random.default_rng(seed)
        self.delay, self.prefix = delay, prefix
        self.time = START
        self.sequence = 0
        self.told, self.heard = [], {}
        self.joints = np.clip(0.3 * np.ones(len(HAND.joint_names)), HAND.lower, HAND.upper)
        self.wrist = np.array([0.0, 0.0, 0.8])
        self.quat = np.array([1.0, 0.0, 0.0, 0.0])

    def tell(self, topic, kind, msg):
        """Record a message somewhat later, in the order of its topic."""
        heard = self.time + int(self.rng.uniform(0.0, self.delay) * MS)
        self.heard[topic] = heard = max(heard, self.heard.get(topic, 0))
        self.told.append((heard, f"{self.prefix}/{topic}", kind, on_the_wire(kind, msg)))

    def move(self):
        """One period of the robot's: its sensors speak."""
        self.time += PERIOD
        stamp = convert.stamp_from_ns(self.time)
        rng = self.rng
        self.joints = np.clip(self.joints + rng.normal(scale=0.01, size=self.joints.shape), HAND.lower, HAND.upper)
        self.wrist = self.wrist + rng.normal(scale=0.002, size=3)
        turn = self.quat + rng.normal(scale=0.01, size=4)
        self.quat = turn / np.linalg.norm(turn)
        wrist = (self.wrist, self.quat, rng.normal(size=3), rng.normal(size=3))
        odometry = convert.odometry_msg(*wrist, frame=FRAME, child_frame="hand", stamp=stamp)
        wrenches = convert.wrenches_msg(HAND.finger_names, rng.normal(size=(len(HAND.finger_names), 6)), stamp)
        order = rng.permutation(len(HAND.joint_names))
        names = [HAND.joint_names[i] for i in order]
        joints = convert.joint_state_msg(names, self.joints[order], rng.normal(size=len(order)), stamp)
        sensors: Any = (
            ("wrist/odometry", "nav_msgs/msg/Odometry", odometry, self.inputs.take_wrist),
            ("fingertip_wrenches", "sleight_msgs/msg/FingertipWrenches", wrenches, self.inputs.take_wrenches),
            ("joint_states", "sensor_msgs/msg/JointState", joints, self.inputs.take_joints),
        )
        for topic, kind, msg, take in sensors:
            self.tell(topic, kind, msg)
            take(msg, 0.0)

    def see(self, reason=0):
        """An estimate of the object."""
        self.time += MS
        msg = ObjectEstimate(position=convert.point_to_msg(self.rng.normal(scale=0.1, size=3)), reason=reason)
        msg.header.stamp, msg.header.frame_id = convert.stamp_from_ns(self.time), FRAME
        self.tell("object/estimate", "sleight_msgs/msg/ObjectEstimate", msg)
        self.inputs.take_object(msg, 0.0)

    def engage(self):
        """Begin an engagement."""
        self.time += MS
        self.inputs.engage(0.0)
        self.telemetry(PolicyTelemetry.ENGAGED)

    def release(self):
        """End it."""
        self.time += MS
        self.telemetry(PolicyTelemetry.IDLE)

    def telemetry(self, state, **fields):
        """What the policy says."""
        msg = PolicyTelemetry(state=state, bundle_id=self.bundle_id, sequence=self.sequence)
        msg.header.frame_id = FRAME
        for name, value in fields.items():
            setattr(msg, name, value)
        self.tell("policy/telemetry", "sleight_msgs/msg/PolicyTelemetry", msg)

    def tick(self, *, alter=None):
        """The policy acts, and the bridge sends somewhat less than it asked for."""
        observation = self.step.observe(self.inputs)
        result = self.step.act(observation)
        command = self.step.command(result.action, self.inputs)
        self.time += MS
        self.sequence += 1
        kind = "sleight_msgs/msg/HandCommand"
        names, targets = HAND.actuated_joint_names, command.joint_targets[0]
        common = {"frame": FRAME, "stamp": convert.stamp_from_ns(self.time), "bundle_id": self.bundle_id}
        common |= {"state_stamp": convert.stamp_from_ns(self.inputs.joints.stamp), "sequence": self.sequence}
        asked = convert.command_msg(names, targets, command.wrist_twist[0], **common)
        self.tell("policy/command", kind, asked)
        fields = {"observation": observation.tolist(), "action": result.action.tolist(), "tick_time": 0.001}
        for name in ("expert_weights", "residual"):
            if (values := getattr(result, name)) is not None:
                fields[name] = values.tolist()
        if alter is not None:
            alter(fields)
        self.telemetry(PolicyTelemetry.ENGAGED, **fields)
        self.time += MS
        low, high = HAND.lower[HAND.actuated_index] + 0.01, HAND.upper[HAND.actuated_index] - 0.01
        sent = convert.command_msg(names, np.clip(0.9 * targets, low, high), 0.5 * command.wrist_twist[0], **common)
        self.tell("bridge/sent", kind, sent)
        self.inputs.take_sent(sent, 0.0)

    def farewell(self):
        """A command without joints."""
        self.tell("policy/command", "sleight_msgs/msg/HandCommand", HandCommand())

    def run(self, ticks, *, engage=True):
        """An engagement of so many ticks."""
        for _ in range(3):
            self.move()
            self.see()
        if engage:
            self.engage()
        for i in range(ticks):
            self.move()
            if i % 4 == 0:
                self.see()
            self.tick()
        return self

    def write(self, folder, without=()):
        """Write the bag and return its folder."""
        writer = BagWriter(folder, "bag", ROOM)
        for stamp, topic, kind, data in sorted(self.told, key=lambda row: row[0]):
            if not topic.endswith(tuple(without) or ("no such topic",)):
                writer.write(topic, kind, stamp, data)
        writer.close()
        return folder / "bag"
