"""A double of the official LEAP module's interface, as a program: same topics, services, habits and weaknesses.

It dies of a NaN and of a wrong length, clips nothing, and begins by opening the hand. Its parameter `fault` breaks it:
freeze (answers what it read before), zeros (has never read anything), short, nan, slow.
"""

import math
import time

import rclpy
from leap_hand.srv import LeapPosition, LeapPosVelEff  # type: ignore[import-not-found]
from rclpy.node import Node
from sensor_msgs.msg import JointState

MOTORS = 16
UNIT = 2.0 * math.pi / 4096


class Double(Node):
    """The hand follows as a first-order system."""

    def __init__(self):
        super().__init__("leaphand_node")
        self.declare_parameter("fault", "")
        self.goals = [2048] * MOTORS
        self.positions = [2048.0] * MOTORS
        self.time = time.monotonic()
        self.count = 0
        self.kept = None
        self.create_subscription(JointState, "cmd_leap", self.on_command, 10)
        self.create_service(LeapPosition, "leap_position", self.answer)
        self.create_service(LeapPosVelEff, "leap_pos_vel", self.answer)
        self.create_service(LeapPosVelEff, "leap_pos_vel_eff", self.answer)

    def on_command(self, msg):
        """Positions only, by place in the list."""
        assert len(msg.position) == MOTORS
        self.goals = [int(angle / UNIT) for angle in msg.position]

    def read(self):
        """Positions, velocities and currents."""
        now = time.monotonic()
        share = -math.expm1(-(now - self.time) / 0.05)
        self.time = now
        steps = [share * (goal - here) for goal, here in zip(self.goals, self.positions, strict=True)]
        self.positions = [here + step for here, step in zip(self.positions, steps, strict=True)]
        self.count += 1
        efforts = [1.34 * (10 + (self.count + motor) % 3) for motor in range(MOTORS)]
        return [UNIT * round(one) for one in self.positions], [0.0] * MOTORS, efforts

    def answer(self, _request, response):
        """Any of the services."""
        fault = self.get_parameter("fault").value
        if fault == "slow":
            time.sleep(0.6)
        lists = self.kept if fault == "freeze" and self.kept else self.read()
        self.kept = lists
        if fault == "zeros":
            lists = [[0.0] * MOTORS] * 3
        elif fault == "short":
            lists = [one[:9] for one in lists]
        elif fault == "nan":
            lists = [[math.nan] * MOTORS] * 3
        for name, values in zip(("position", "velocity", "effort"), lists, strict=True):
            if hasattr(response, name):
                setattr(response, name, values)
        return response


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(Double())
