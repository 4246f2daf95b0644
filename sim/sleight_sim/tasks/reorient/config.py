"""Configuration of the cube reorientation task.

The figures are those of MuJoCo Playground's LeapCubeReorient (field notes A1, C), restated; the shapes are those of our
own hand table.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0)]

#: Name of the task in bundles.
TASK = "cube_reorient"


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServoConfig(_Config):
    """Figures of every finger joint and its servo in this task; they replace those of the hand table.

    Attributes:
        kp: N m/rad.
        damping: N m s/rad.
        armature: kg m2.
        frictionloss: N m.
        torque: Largest torque of the servo, N m: the motor at 600 of its 1000 units of current.
        friction: Sliding friction of the hand; the larger of hand and cube counts in a contact.
        tip_friction: Of the fingers' last links.
        contact_time, contact_damping: Time constant (s) and damping ratio of the hand's contacts.
        contact_impedance: Their impedance at first touch and when deep, and the depth between (m).
    """

    kp: Positive = 3.0
    damping: Share = 0.2
    armature: Share = 0.00149
    frictionloss: Share = 0.02
    torque: Positive = 0.2196
    friction: Positive = 0.2
    tip_friction: Positive = 0.7
    contact_time: Positive = 0.02
    contact_damping: Positive = 1.5
    contact_impedance: Vec3 = (0.9, 0.99, 0.001)


class CubeConfig(_Config):
    """The cube.

    Attributes:
        edge: m.
        mass: kg.
        friction: Sliding friction.
        start: Where its centre is dropped, from the hand's mounting point in the task frame's axes, m.
        start_noise: Half range of that place, m.
    """

    edge: Positive = 0.07
    mass: Positive = 0.108
    friction: Positive = 0.3
    start: Vec3 = (0.1, 0.0, 0.05)
    start_noise: Share = 0.01

    @property
    def name(self) -> str:
        """What episodes call it."""
        return "cube"


class GoalConfig(_Config):
    """How goals follow each other: a reached goal spins away about its own axes and comes to rest.

    Attributes:
        threshold: Angle between cube and goal that counts as reached, rad.
        spin: Mean angular velocity about each axis right after a success, rad/s.
        spin_range: Half range of that, rad/s.
        decay: Factor on the spin a control step.
        gain: Factor on the time for which a step's spin acts.
    """

    threshold: Positive = 0.1
    spin: float = 3.0
    spin_range: Share = 2.0
    decay: float = Field(default=0.8, ge=0, lt=1)
    gain: Positive = 2.0


class SightConfig(_Config):
    """Errors of what the policy sees, drawn anew at every step: none here; see `TRAINED_SIGHT`.

    Attributes:
        joints: Half range, rad.
        position: Half range, m.
        orientation: Standard deviation added to each element of the quaternion before it is normalised.
    """

    joints: Share = 0.0
    position: Share = 0.0
    orientation: Share = 0.0


#: The errors with which Playground trains.
TRAINED_SIGHT = SightConfig(joints=0.05, position=0.02, orientation=0.1)


class ReorientConfig(_Config):
    """The cube reorientation task.

    Attributes:
        hand: Name of the hand.
        control_period: s.
        substeps: Physics steps a control step.
        episode_time: s.
        mount: Place of the hand's mounting point in the task frame, m.
        wrist_pos: The root body from the mounting point, in the task frame's axes, m.
        wrist_quat: Its orientation, wxyz: palm up, fingers forward (+x) and 20 degrees down.
        joints: Where the fingers start, rad by name; the others at 0.
        joint_noise: Standard deviation of that start, rad.
        fall_depth: The cube has fallen when its centre is so far below the mounting point, m.
        margin: Distance kept to the joint limits, rad, as by the safety filter.
    """

    hand: str = "leap"
    control_period: Positive = 0.05
    substeps: int = Field(default=10, ge=1)
    episode_time: Positive = 60.0
    mount: Vec3 = (0.0, 0.0, 0.5)
    wrist_pos: Vec3 = (0.031824, 0.0075, -0.027169)
    wrist_quat: Quat = (0.40632507, -0.5787054, 0.5787054, -0.40632507)
    joints: dict[str, float] = {
        **{f"{finger}_{joint}": 0.8 for finger in ("if", "mf", "rf") for joint in ("mcp", "pip", "dip")},
        "th_cmc": 0.8,
        "th_axl": 0.8,
        "th_mcp": 0.8,
    }
    joint_noise: Share = 0.1
    fall_depth: Positive = 0.05
    margin: Share = 0.01
    servo: ServoConfig = ServoConfig()
    cube: CubeConfig = CubeConfig()
    goal: GoalConfig = GoalConfig()
    sight: SightConfig = SightConfig()

    @property
    def timestep(self) -> float:
        """Physics step, s."""
        return self.control_period / self.substeps

    @property
    def episode_steps(self) -> int:
        """Control steps an episode."""
        return round(self.episode_time / self.control_period)

    @property
    def root_pos(self) -> Vec3:
        """Place of the hand's root body in the task frame, m."""
        x, y, z = (a + b for a, b in zip(self.mount, self.wrist_pos, strict=True))
        return (x, y, z)
