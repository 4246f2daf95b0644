"""Which motor moves which joint of a LEAP Hand, and what its motors may do: a YAML file, by names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sleight_core.errors import SleightError

from sleight_ros.drivers.xc330 import MODELS, RAD_PER_TICK

#: The shipped file: a right LEAP Hand v1 as it leaves the workshop.
DEFAULT = Path(__file__).with_name("leap_right.yaml")
Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class JointMotor(_Model):
    """One joint and its motor: motor angle = pi + offset + direction * joint angle, rad.

    Attributes:
        name: Joint.
        id: Motor.
        side: A side-to-side joint, which gets softer gains.
        direction: 1, or -1 for a motor that is mounted the other way round.
        offset: How far the horn is off, rad.
        lower: Joint limit, rad.
        upper: Joint limit, rad.
    """

    name: Annotated[str, Field(min_length=1)]
    id: Annotated[int, Field(ge=0, le=252)]
    side: bool = False
    direction: Literal[1, -1] = 1
    offset: Annotated[float, Field(ge=-math.pi, le=math.pi)] = 0.0
    lower: float
    upper: float

    @model_validator(mode="after")
    def _in_order(self) -> JointMotor:
        if not self.lower < self.upper:
            raise ValueError(f"joint {self.name}: lower limit {self.lower} is not below upper limit {self.upper}")
        return self


class Control(_Model):
    """Settings of the motors.

    Attributes:
        p_gain: Position P gain (register 84).
        i_gain: Position I gain (82).
        d_gain: Position D gain (80).
        side_scale: Factor on P and D of the side joints.
        current_limit: Goal current of every motor (102), A.
        max_velocity: Goals move no faster, rad/s.
        torque_constant: Torque per current for the effort that is reported, N m/A.
    """

    p_gain: Annotated[int, Field(ge=1, le=16383)] = 800
    i_gain: Annotated[int, Field(ge=0, le=16383)] = 0
    d_gain: Annotated[int, Field(ge=0, le=16383)] = 200
    side_scale: Fraction = 0.75
    current_limit: Annotated[float, Field(gt=0.0, le=1.5)] = 0.35
    max_velocity: Annotated[float, Field(gt=0.0, le=20.0)] = 6.0
    torque_constant: Positive = 0.52


class Protection(_Model):
    """When the driver takes current away, and when it stops.

    Attributes:
        warm: From this temperature on less current is allowed, degrees C.
        hot: Here the hand stops, degrees C.
        warm_share: Share of the current limit that is left just below `hot`.
        continuous_current: Mean current that a motor may draw for ever, A; above it, less is allowed.
        averaging: Time constant of that mean, s.
        excess_current: So far above its limit a motor's current stops the hand, A.
        excess_time: When it lasts so long, s.
        low_voltage: Below this supply diagnostics warn, V.
        position_slack: How far outside its limits a joint may be before it is not believed, rad.
    """

    warm: Annotated[float, Field(ge=30.0, le=80.0)] = 55.0
    hot: Annotated[float, Field(ge=30.0, le=80.0)] = 65.0
    warm_share: Fraction = 0.4
    continuous_current: Positive = 0.3
    averaging: Positive = 5.0
    excess_current: Positive = 0.3
    excess_time: Positive = 0.2
    low_voltage: Positive = 4.5
    position_slack: Annotated[float, Field(ge=0.0, le=math.pi)] = 0.5

    @model_validator(mode="after")
    def _in_order(self) -> Protection:
        if not self.warm < self.hot:
            raise ValueError(f"'warm' ({self.warm}) must be below 'hot' ({self.hot})")
        return self


class LeapConfig(_Model):
    """A LEAP Hand.

    Attributes:
        models: Accepted model numbers of the motors.
        joints: Joints with their motors, in the order in which the driver reports them.
        control: Settings of the motors.
        protection: Limits that the driver watches.
    """

    models: Annotated[tuple[int, ...], Field(min_length=1)] = tuple(MODELS)
    # More motors would not fit into one reply.
    joints: Annotated[tuple[JointMotor, ...], Field(min_length=1, max_length=16)]
    control: Control = Control()
    protection: Protection = Protection()

    @model_validator(mode="after")
    def _unique(self) -> LeapConfig:
        for what in ("name", "id"):
            values = [getattr(joint, what) for joint in self.joints]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what} given twice: {', '.join(map(str, twice))}")
        return self

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names in the order of the joints."""
        return tuple(joint.name for joint in self.joints)

    @property
    def ids(self) -> tuple[int, ...]:
        """Motor ids in the order of the joints."""
        return tuple(joint.id for joint in self.joints)

    def describe(self, index: int) -> str:
        """A joint and its motor in words."""
        joint = self.joints[index]
        return f"{joint.name} (motor {joint.id})"

    def mapping(self) -> JointMapping:
        """The conversion between joints and motors."""
        return JointMapping(self)


class JointMapping:
    """Between joint angles (rad, in the order of the joints) and motor positions.

    Args:
        config: The hand.

    Attributes:
        lower: (J,) joint limits, rad.
        upper: (J,) rad.
    """

    def __init__(self, config: LeapConfig) -> None:
        self.lower = np.array([joint.lower for joint in config.joints])
        self.upper = np.array([joint.upper for joint in config.joints])
        self._direction = np.array([float(joint.direction) for joint in config.joints])
        self._zero = np.array([math.pi + joint.offset for joint in config.joints])

    def motor_angles(self, joints: np.ndarray) -> np.ndarray:
        """Motor angles, rad, of joint angles."""
        return self._zero + self._direction * joints

    def joint_angles(self, motors: np.ndarray) -> np.ndarray:
        """Joint angles, rad, of motor angles."""
        return self._direction * (motors - self._zero)

    def ticks(self, joints: np.ndarray) -> list[int]:
        """Motor positions, ticks, of joint angles."""
        return np.rint(self.motor_angles(joints) / RAD_PER_TICK).astype(int).tolist()

    def from_ticks(self, ticks: np.ndarray) -> np.ndarray:
        """Joint angles, rad, of motor positions, ticks."""
        return self.joint_angles(np.asarray(ticks, dtype=float) * RAD_PER_TICK)

    def along(self, motor_values: np.ndarray) -> np.ndarray:
        """Velocities, currents or torques of the joints from those of the motors."""
        return self._direction * motor_values


def load_config(path: Path | str | None = None) -> LeapConfig:
    """Read a LEAP Hand's file.

    Args:
        path: The file; None or "": the shipped one.

    Raises:
        SleightError: It cannot be read, or says something that cannot be.
    """
    file = Path(path) if path else DEFAULT
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SleightError("the LEAP Hand's file cannot be read", value=file) from error
    except yaml.YAMLError as error:
        raise SleightError("the LEAP Hand's file is no YAML", value=" ".join(str(error).split())) from error
    try:
        return LeapConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}." for part in first["loc"]).rstrip(".")
        words = first["msg"].removeprefix("Value error, ")
        raise SleightError(f"{file.name}: {where + ': ' if where else ''}{words}") from error
