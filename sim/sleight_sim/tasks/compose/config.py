"""Configuration of the ten DexCompose tasks: what varies, what counts as success, and for how long.

The paper names tasks, observation contents, the action and the kind of each success condition (section 4.1, appendix
A). What can be read of it gives no sizes, no thresholds, no rate and no time limit: those are ours, with their reasons.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sleight_core.errors import SleightError
from sleight_core.hand.table import Wrist

from sleight_sim.worlds.tabletop import TABLE_HEIGHT


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"a range needs its lower end first, not {value}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
ObjectKind = Literal["ball", "can", "stick", "mug", "cube"]
MechanismKind = Literal["door", "microwave", "drawer", "button", "switch"]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ObjectConfig(_Config):
    """The object of a retention task; each range is drawn uniformly once an environment.

    Attributes:
        kind: Its shape.
        radius: Ball, can, stick, mug: radius; cube: half of an edge (m).
        half_length: Can, mug: half of the height; stick: half of its straight part; ball, cube: not used (m).
        density: kg/m3; a mug's is that of its walls.
        friction: Sliding friction of the object; the larger of object and partner counts in a contact.
    """

    kind: ObjectKind
    radius: Range
    half_length: Range = (0.0, 0.0)
    density: Range = (200.0, 500.0)
    friction: Range = (0.7, 1.2)


class ShapeConfig(_Config):
    """The object of a grasp: any shape, given with each environment instead of drawn (see `ShapeDraw`)."""

    kind: Literal["shape"] = "shape"


class MechanismConfig(_Config):
    """The mechanism of an interaction task; each range is drawn uniformly once an environment.

    Attributes:
        kind: Which mechanism.
        size: Factor on all its lengths.
        travel: Range of the main joint (rad; drawer, button: m).
        stiffness: Spring of button (N/m), or of the door's lever (N m/rad); not used by others.
        damping: Of the main joint (N m s/rad or N s/m).
        friction_loss: Dry friction of the main joint (N m or N).
        snap: Microwave: largest torque of the detent (N m); switch: torque at its ends (N m); not used by others.
        friction: Sliding friction of what the hand touches.
    """

    kind: MechanismKind
    size: Range = (0.9, 1.1)
    travel: Range
    stiffness: Range = (0.0, 0.0)
    damping: Range
    friction_loss: Range
    snap: Range = (0.0, 0.0)
    friction: Range = (0.7, 1.2)


class StartConfig(_Config):
    """Where an episode starts; each range is drawn uniformly once an episode.

    Attributes:
        x, y: Object's or mechanism's place in the task frame (m).
        yaw: Its heading about z (rad).
        wrist_pos: Hand's root in the task frame (m): lower and upper corner.
        wrist_euler: Turn, pitch, roll as in the action (rad).
        wrist_turn: Half range added to the turn (rad).
    """

    x: Range = (-0.03, 0.03)
    y: Range = (-0.03, 0.03)
    yaw: Range = (-0.2, 0.2)
    wrist_pos: tuple[tuple[float, float, float], tuple[float, float, float]]
    wrist_euler: tuple[float, float, float] = (0.0, 0.0, 0.0)
    wrist_turn: float = 0.1


class RetentionSuccess(_Config):
    """When a retention skill has succeeded (appendix A, "Task success criteria"); None: does not count.

    Attributes:
        target: Target position of the object in the task frame (m).
        target_distance: Largest distance from the target (m): GraspBall's only condition.
        min_lift: Least height gained over the object's rest (m).
        orientation: "upright": the object's z axis within `angle` of vertical; "level": within `angle` of horizontal;
            "poured": tilted by at least `angle` from vertical.
        angle: rad.
        hold_steps: Control steps in a row for which all this must hold; 1 is the paper's.
    """

    target: tuple[float, float, float] = (0.0, 0.0, TABLE_HEIGHT + 0.2)
    target_distance: float | None = None
    min_lift: float | None = None
    orientation: Literal["upright", "level", "poured"] | None = None
    angle: float = 0.5
    hold_steps: int = Field(default=1, ge=1)


class InteractionSuccess(_Config):
    """When an interaction skill has succeeded (appendix A).

    Attributes:
        joint: Name of the joint that is read.
        opening: Least position (rad or m), or None.
        share: Least share of the joint's range in that environment, or None.
        hold_steps: Control steps in a row; 1 is the paper's.
    """

    joint: str
    opening: float | None = None
    share: float | None = None
    hold_steps: int = Field(default=1, ge=1)


class ComposeTaskConfig(_Config):
    """One task.

    Attributes:
        name: The paper's name.
        role: "retention" (Task A) or "interaction" (Task B).
        paper: Whether it is one of the paper's eight simulated tasks; the other two are of its real robot.
        object, mechanism: What the hand meets: exactly one of the two.
        success: When it is done.
        start: Where an episode starts.
        control_period: Time between two actions (s). Ours: 30 Hz, half the rate of the bridge, so that a horizon of
            32 actions is 1.07 s and the shortest executed chunk (8) leaves 0.27 s for the next one.
        servo_steps: Wrist servo updates an action: the bridge's 60 Hz.
        substeps: Physics steps a servo update: 180 Hz, as in the tabletop.
        episode_steps: Time limit in actions. Ours: 200, the paper's only figure of this kind (its Task-B rollouts).
        execute_horizon: Actions of a diffusion policy's chunk executed before it plans anew (paper, table 4).
        wrist: Bounds of the wrist. Ours: the speeds of an arm that people teleoperate; ResDex's 0.25 rad/s would need
            5 s for a pour.
        workspace: Corners of the box of the wrist's targets (m, task frame).
        wrist_gain: Speed for each unit of position error of the wrist's position servo (1/s).
    """

    name: str
    role: Literal["retention", "interaction"]
    paper: bool = True
    object: ObjectConfig | ShapeConfig | None = None
    mechanism: MechanismConfig | None = None
    success: RetentionSuccess | InteractionSuccess
    start: StartConfig
    control_period: float = Field(default=1.0 / 30.0, gt=0)
    servo_steps: int = Field(default=2, ge=1)
    substeps: int = Field(default=3, ge=1)
    episode_steps: int = Field(default=200, ge=1)
    execute_horizon: int = Field(default=16, ge=1)
    wrist: Wrist = Wrist(
        linear_speed=0.6,
        angular_speed=2.0,
        force=139.0,
        torque=8.0,
        linear_acceleration=5.0,
        angular_acceleration=20.0,
    )
    workspace: tuple[tuple[float, float, float], tuple[float, float, float]] = (
        (-0.5, -0.5, TABLE_HEIGHT + 0.02),
        (0.5, 0.6, TABLE_HEIGHT + 0.6),
    )
    wrist_gain: float = Field(default=10.0, gt=0)

    @property
    def timestep(self) -> float:
        """Physics step (s)."""
        return self.control_period / (self.servo_steps * self.substeps)


#: Where the first task's table place lies in a composition, as seen from the second's (m) [own]: towards the hand, so
#: that object and mechanism have room on one table.
COMPOSITION_PLACE = (0.0, 0.22, 0.0)
#: Where the tables of two interactions lie in a sequence of three (m) [own]: left and right of the middle, so that two
#: wide mechanisms have room on the table of 1 m.
SEQUENCE_PLACES = ((-0.26, 0.0, 0.0), (0.26, 0.0, 0.0))


def _start(wrist: tuple[float, float, float], **more: object) -> StartConfig:
    """Starts of the hand within 2 cm of a point over the table's centre (m)."""
    centre = (wrist[0], wrist[1], TABLE_HEIGHT + wrist[2])
    corners = tuple(v - 0.02 for v in centre), tuple(v + 0.02 for v in centre)
    return StartConfig.model_validate({"wrist_pos": corners, **more})


#: Roll that turns the thumb up and the palm towards +x: the side grasp of cans and mugs.
THUMB_UP = -1.5707963

GRASP_BALL = ComposeTaskConfig(
    name="GraspBall",
    role="retention",
    object=ObjectConfig(kind="ball", radius=(0.028, 0.036)),
    success=RetentionSuccess(target_distance=0.05),
    start=_start((0.0, 0.10, 0.16)),
    execute_horizon=8,
)
PICK_CAN = ComposeTaskConfig(
    name="PickCan",
    role="retention",
    object=ObjectConfig(kind="can", radius=(0.028, 0.034), half_length=(0.05, 0.062)),
    success=RetentionSuccess(min_lift=0.10, orientation="upright", angle=0.5236),
    start=_start((-0.15, 0.08, 0.10), wrist_euler=(0.0, 0.0, THUMB_UP)),
)
PICK_STICK = ComposeTaskConfig(
    name="PickStick",
    role="retention",
    object=ObjectConfig(kind="stick", radius=(0.009, 0.013), half_length=(0.08, 0.11), density=(400.0, 800.0)),
    success=RetentionSuccess(min_lift=0.10, orientation="level", angle=0.5236),
    start=_start((0.0, 0.10, 0.16)),
)
POUR_MUG = ComposeTaskConfig(
    name="PourMug",
    role="retention",
    object=ObjectConfig(kind="mug", radius=(0.032, 0.038), half_length=(0.042, 0.05), density=(500.0, 1000.0)),
    success=RetentionSuccess(min_lift=0.08, orientation="poured", angle=1.0472),
    start=_start((-0.15, 0.08, 0.10), wrist_euler=(0.0, 0.0, THUMB_UP), yaw=(-0.3, 0.3)),
)
GRASP_CUBE = ComposeTaskConfig(
    name="GraspCube",
    role="retention",
    paper=False,
    object=ObjectConfig(kind="cube", radius=(0.024, 0.030)),
    success=RetentionSuccess(target_distance=0.05),
    start=_start((0.0, 0.10, 0.16)),
    execute_horizon=8,
)
OPEN_DOOR = ComposeTaskConfig(
    name="OpenDoor",
    role="interaction",
    mechanism=MechanismConfig(
        kind="door",
        travel=(1.4, 1.6),
        stiffness=(0.3, 0.6),
        damping=(0.1, 0.3),
        friction_loss=(0.02, 0.1),
    ),
    success=InteractionSuccess(joint="hinge", opening=0.5236),
    start=_start((0.0, 0.32, 0.22), x=(-0.04, 0.04), y=(-0.12, -0.08), yaw=(-0.15, 0.15)),
    execute_horizon=24,
)
OPEN_MICROWAVE = ComposeTaskConfig(
    name="OpenMicrowave",
    role="interaction",
    mechanism=MechanismConfig(
        kind="microwave",
        travel=(1.6, 1.9),
        damping=(0.1, 0.3),
        friction_loss=(0.02, 0.1),
        snap=(0.4, 0.9),
    ),
    success=InteractionSuccess(joint="hinge", opening=0.7854),
    start=_start((0.0, 0.36, 0.20), x=(-0.04, 0.04), y=(-0.12, -0.08), yaw=(-0.15, 0.15)),
    execute_horizon=24,
)
PUSH_BUTTON = ComposeTaskConfig(
    name="PushButton",
    role="interaction",
    mechanism=MechanismConfig(
        kind="button",
        travel=(0.014, 0.020),
        stiffness=(150.0, 400.0),
        damping=(1.0, 4.0),
        friction_loss=(0.05, 0.3),
    ),
    success=InteractionSuccess(joint="button", opening=0.010),
    start=_start((0.0, 0.22, 0.20), x=(-0.06, 0.06), y=(-0.06, 0.06)),
    execute_horizon=16,
)
TURN_ON_SWITCH = ComposeTaskConfig(
    name="TurnOnSwitch",
    role="interaction",
    mechanism=MechanismConfig(
        kind="switch",
        travel=(0.6, 0.9),
        damping=(0.004, 0.01),
        friction_loss=(0.0, 0.01),
        snap=(0.06, 0.15),
    ),
    success=InteractionSuccess(joint="switch", share=0.8),
    start=_start((0.0, 0.25, 0.20), x=(-0.06, 0.06), y=(-0.06, 0.06)),
    execute_horizon=30,
)
OPEN_DRAWER = ComposeTaskConfig(
    name="OpenDrawer",
    role="interaction",
    paper=False,
    mechanism=MechanismConfig(
        kind="drawer",
        travel=(0.18, 0.24),
        damping=(2.0, 6.0),
        friction_loss=(0.5, 2.0),
    ),
    success=InteractionSuccess(joint="drawer", opening=0.12),
    start=_start((0.0, 0.34, 0.18), x=(-0.04, 0.04), y=(-0.14, -0.10), yaw=(-0.15, 0.15)),
    execute_horizon=16,
)

#: All tasks by name: retention skills, then interaction skills; the two of the real robot last in each.
TASKS: dict[str, ComposeTaskConfig] = {
    task.name: task
    for task in (
        GRASP_BALL,
        POUR_MUG,
        PICK_CAN,
        PICK_STICK,
        GRASP_CUBE,
        OPEN_DOOR,
        PUSH_BUTTON,
        OPEN_MICROWAVE,
        TURN_ON_SWITCH,
        OPEN_DRAWER,
    )
}


def task_config(name: str) -> ComposeTaskConfig:
    """Return a task by the paper's name.

    Raises:
        SleightError: There is no such task.
    """
    if name not in TASKS:
        raise SleightError("there is no such DexCompose task", value=name, remedy=f"choose one of {list(TASKS)}")
    return TASKS[name]
