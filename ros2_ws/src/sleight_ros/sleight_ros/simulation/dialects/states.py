"""What the simulated robot says of itself: joint states by the robot's names, and the wrist's odometry."""

from __future__ import annotations

from array import array
from typing import Literal

import numpy as np
from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from pydantic import Field
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError

from sleight_ros import convert
from sleight_ros.bridges.joint_map import JointMap, MapSection
from sleight_ros.bridges.section import Section, nearest
from sleight_ros.nodes.base import STATE
from sleight_ros.simulation.dialects.base import Dialect, Reading


class JointStatesDriver(MapSection):
    """Section of a joint state broadcaster.

    Attributes:
        topic: Where it publishes.
        joints: Our joints that it says; empty: all. A hand and its arm have a driver each.
        velocity: Whether it says velocities.
        sums: Say only the sum of the joints on a tendon.
        order: "table": as our table has them; "mixed": by `seed`, as a real broadcaster promises no order.
        seed: Of the order.
        extra: More joints that the robot has, always at 0.
    """

    dialect: Literal["joint_states"] = "joint_states"
    topic: str = Field(default="joint_states", min_length=1)
    joints: tuple[str, ...] = ()
    velocity: bool = True
    sums: bool = False
    order: Literal["table", "mixed"] = "table"
    seed: int = Field(default=0, ge=0)
    extra: tuple[str, ...] = ()


class JointStatesDialect(Dialect[JointStatesDriver]):
    """Publishes joint states."""

    last = True

    def setup(self) -> None:
        """Work out names and order."""
        config, table = self.config, self.context.table
        joints = JointMap(table, config, f"driver.{self.name}")
        index = {name: i for i, name in enumerate(table.joint_names)}
        rows: list[tuple[str, dict[int, float], float]] = []
        hidden: set[str] = set()
        if config.sums:
            for tendon in joints.tendons:
                both = [joints.rows[name] for name in (tendon.middle, tendon.distal)]
                factors = {index[n]: float(r.sign) for n, r in zip((tendon.middle, tendon.distal), both, strict=True)}
                rows.append((tendon.name, factors, sum(row.offset for row in both)))
                hidden |= {tendon.middle, tendon.distal}
        if unknown := sorted(set(config.joints) - set(joints.rows)):
            remedy = nearest(unknown[0], list(joints.rows))
            raise SleightError(f"parameter 'driver.{self.name}.joints': no such joint", value=unknown[0], remedy=remedy)
        hidden |= {name for name in joints.rows if config.joints and name not in config.joints}
        rows += [(r.name, {index[n]: float(r.sign)}, r.offset) for n, r in joints.rows.items() if n not in hidden]
        rows += [(name, {}, 0.0) for name in config.extra]
        if config.order == "mixed":
            rows = [rows[i] for i in np.random.default_rng(config.seed).permutation(len(rows))]
        self._names = [row[0] for row in rows]
        self._matrix = np.array([[row[1].get(i, 0.0) for i in range(len(index))] for row in rows])
        self._offset = np.array([row[2] for row in rows])
        self._publisher = self.context.node.publish_on(JointState, config.topic, STATE)

    def publish(self, stamp: Time, reading: Reading) -> None:
        """Publish one joint state."""
        msg = JointState()
        msg.header.stamp = stamp
        msg.name = self._names
        msg.position = array("d", (self._matrix @ reading.joint_pos + self._offset).tobytes())
        if self.config.velocity:
            msg.velocity = array("d", (self._matrix @ reading.joint_vel).tobytes())
        self._publisher.publish(msg)


class OdometryDriver(Section):
    """Section of the wrist's odometry.

    Attributes:
        topic: Where it is published.
    """

    dialect: Literal["odometry"] = "odometry"
    topic: str = Field(default="wrist/odometry", min_length=1)


class OdometryDialect(Dialect[OdometryDriver]):
    """Publishes the wrist's pose and velocity."""

    def setup(self) -> None:
        """Create the publisher."""
        self._publisher = self.context.node.publish_on(Odometry, self.config.topic, STATE)

    def publish(self, stamp: Time, reading: Reading) -> None:
        """Publish one odometry."""
        msg = convert.odometry_msg(
            reading.wrist_pos,
            reading.wrist_quat,
            reading.wrist_linvel,
            reading.wrist_angvel,
            frame=self.context.frame,
            child_frame=self.context.table.root_body,
            stamp=stamp,
        )
        self._publisher.publish(msg)
