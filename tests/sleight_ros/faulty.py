"""What a broken driver says: each function takes the messages that a good one would send, and spoils them."""

import numpy as np
from sleight_description import load_hand
from sleight_ros import convert

HAND = load_hand("shadow")
RNG = np.random.default_rng(5)


class FaultyJoints:
    """Makes joint states, spoiled by the faults given at each call."""

    def __init__(self, period):
        self._step = int(1.2e9 * period)
        self._frozen = None
        self._old = None
        self._falling = 0

    def make(self, faults, stamp_ns, pos, vel):
        """A JointState, or None when none is sent."""
        if "joints_stop" in faults or "driver_dies" in faults:
            return None
        if "joints_loss" in faults and RNG.random() < 0.3:
            return None
        names, pos, vel = np.array(HAND.joint_names), pos.copy(), vel.copy()
        if "joints_repeat" in faults:
            self._old = self._old or (pos, vel)
            pos, vel = self._old
        else:
            self._old = None
        if "joint_nan" in faults:
            pos[3] = np.nan
        if "joint_inf" in faults:
            vel[3] = np.inf
        if "joint_outside" in faults:
            pos[3] = 7.0
        if "joint_missing" in faults:
            names, pos, vel = np.delete(names, 5), np.delete(pos, 5), np.delete(vel, 5)
        if "joint_twice" in faults:
            names[5] = names[4]
        if "joints_short" in faults:
            pos = pos[:-1]
        if "joints_shuffled" in faults:
            order = RNG.permutation(len(names))
            names, pos, vel = names[order], pos[order], vel[order]
        if "joints_frozen" in faults:
            self._frozen = self._frozen or stamp_ns
            stamp_ns = self._frozen
        else:
            self._frozen = None
        self._falling = self._falling + 1 if "joints_backward" in faults else 0
        stamp_ns -= self._falling * self._step
        return convert.joint_state_msg(names.tolist(), pos, vel, convert.stamp_from_ns(stamp_ns))


def wrist_state(faults, stamp_ns, msg, frozen, period):
    """Spoil an Odometry, or drop it; `frozen` keeps a stamp between calls."""
    if "wrist_stop" in faults or "driver_dies" in faults:
        return None
    msg.header.stamp = convert.stamp_from_ns(stamp_ns)
    if "wrist_nan" in faults:
        msg.pose.pose.position.x = float("nan")
    if "wrist_quaternion" in faults:
        msg.pose.pose.orientation.w = 3.0
    if "wrist_frame" in faults:
        msg.header.frame_id = "camera"
    if "wrist_frozen" in faults:
        msg.header.stamp = frozen.setdefault("wrist", msg.header.stamp)
    else:
        frozen.pop("wrist", None)
    if "wrist_backward" in faults:
        frozen["back"] = frozen.get("back", 0) + 1
        msg.header.stamp = convert.stamp_from_ns(stamp_ns - int(frozen["back"] * 1.2e9 * period))
    else:
        frozen.pop("back", None)
    return msg


def cloud_points(faults, points):
    """Spoil the points (N, 3) of a cloud in the camera's frame, and the name of that frame."""
    frame = "side_optical"
    if "cloud_empty" in faults:
        points = points[:0]
    elif "cloud_nan" in faults:
        points = np.full_like(points, np.nan)
    elif "cloud_frame" in faults:
        frame = "somewhere"
    elif "cloud_tenfold" in faults:
        points = np.concatenate([points + RNG.normal(0, 0.0005, points.shape) for _ in range(10)])
    elif "cloud_table" in faults:
        points = points[:4000]
    return points, frame
