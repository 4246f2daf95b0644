"""Figures of the composed rollouts and of the two residuals.

The text that can be read of the paper names the quantities and lost most numbers. [P] marks what it states, [own] what
we chose, with the reason.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from sleight_core.bundle.composed import OthersJoints
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import SEQUENCE_PLACES

from sleight_training.ppo.config import PpoConfig
from sleight_training.presets import choose_preset

Preset = Literal["cpu", "full", "smoke"]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RetentionConfig(_Config):
    """When the first skill's object is still held [P B.4: near the palm centre and above a drop height; figures own].

    Attributes:
        palm_distance: Largest distance of the object's origin from the palm centre (m): a fist's width.
        drop_height: Least height of its origin over where it is when it lies on the table (m).
    """

    palm_distance: float = Field(default=0.12, gt=0)
    drop_height: float = 0.01


class TransitionConfig(_Config):
    """The stage between the first skill's success and the second skill's start [P; figures own].

    Attributes:
        steps: Actions in which released fingers open and the wrist moves to the second task's start: 2 s, since the
            way from a pour to palm down is a quarter turn and more, at most 2 rad/s.
        settle: Actions in which all then stays: 0.33 s for the object to come to rest.
    """

    steps: int = Field(default=60, ge=0)
    settle: int = Field(default=10, ge=0)

    @property
    def length(self) -> int:
        """Actions in all."""
        return self.steps + self.settle


class BoundConfig(_Config):
    """Largest corrections: the paper's delta, lost in its text [own].

    Attributes:
        hold: Preserved fingers (rad): what changes a grip's force by half of a motor's limit, no more.
        wrist_position: m: the width of a fingertip twice.
        wrist_rotation: rad.
        fingers: Released fingers (rad).
    """

    hold: float = Field(default=0.15, ge=0)
    wrist_position: float = Field(default=0.03, ge=0)
    wrist_rotation: float = Field(default=0.15, ge=0)
    fingers: float = Field(default=0.25, ge=0)


class RewardConfig(_Config):
    """Rewards (Eqs. 13, 14).

    Attributes:
        residual: Weight of the squared residual, before its bound [P: small; own].
        distance: alpha, weight of the object's distance from its place in the palm, in the second residual's reward,
            per metre [own: 1 cm costs as much as a hundredth of the interaction].
        far: Distance that counts at most (m); a drop costs what staying there for ever would [own: otherwise an
            early end of the episode would be a gain].
        progress: Weight of the second task's progress, 0 to 1 over the whole interaction [own].
        success: Paid once when it is done [own].
    """

    residual: float = 0.0005
    distance: float = 1.0
    far: float = 0.1
    progress: float = 5.0
    success: float = 5.0


class DisturbanceConfig(_Config):
    """What the stabiliser learns against [P B.1: randomised base motion and finger release; figures own].

    Attributes:
        steps: Actions of an episode.
        position: Half range of the wrist's via points about where it was (m).
        rotation: Half range of their turn, pitch and roll (rad).
        segment: Actions from one via point to the next, least and most.
        release: Actions in which released fingers first go away from the hold, least and most.
        stray: How far released fingers then wander from the open hand, as a share of their joints' ranges.
        push: Largest force on the object (N), in a random direction for a while; 0 [P]: none. `cpu` has 1 N, some three
            times a ball's weight [own: what drops an object in a composition is mostly a stroke of the mechanism].
        push_steps: Actions that a push, or a rest between two, lasts, least and most.
        first_level: Share of all this at the start of the curriculum.
        curriculum: Share of the training after which it is whole.
    """

    steps: int = Field(default=150, ge=1)
    position: float = 0.15
    rotation: float = 0.7
    segment: tuple[int, int] = (12, 45)
    release: tuple[int, int] = (15, 60)
    stray: float = 0.6
    push: float = Field(default=0.0, ge=0)
    push_steps: tuple[int, int] = (5, 20)
    first_level: float = Field(default=0.2, ge=0, le=1)
    curriculum: float = Field(default=0.5, gt=0, le=1)


class CompositionConfig(_Config):
    """A composed rollout.

    Attributes:
        place: Where the first skill's table place lies as seen from the second's (m) [own]: towards the hand, so that
            object and mechanism have room on one table.
        steps: Actions that the second skill has; [P B.2] 200.
        others_joints: What a skill sees of joints that it does not own [own]: "intended": where it would have moved
            them itself, as in its demonstrations; "measured": where they are, holding something, which no skill that
            was trained alone has seen. Residuals always see what is measured.
        retention, transition, bounds: See there.
    """

    place: tuple[float, float, float] = (0.0, 0.22, 0.0)
    others_joints: OthersJoints = "intended"
    steps: int = Field(default=200, ge=1)
    retention: RetentionConfig = RetentionConfig()
    transition: TransitionConfig = TransitionConfig()
    bounds: BoundConfig = BoundConfig()


def composition_of(others_joints: str) -> CompositionConfig:
    """A composed rollout with what skills see of others' joints given by name.

    Raises:
        SleightError: There is no such view.
    """
    for known in get_args(OthersJoints):
        if others_joints == known:
            return CompositionConfig(others_joints=known)
    raise SleightError(
        "what a skill sees of others' joints", value=others_joints, remedy=f"choose from {list(get_args(OthersJoints))}"
    )


class LeaveConfig(_Config):
    """How the hand leaves one mechanism for the next [own].

    Attributes:
        steps: Actions in which the wrist backs off and released fingers open: 1 s.
        retreat: What the wrist moves by (m, task frame): up and towards the hand's side, the side on which every
            mechanism has its handle, so that nothing stands in the way.
    """

    steps: int = Field(default=30, ge=0)
    retreat: tuple[float, float, float] = (0.0, 0.08, 0.08)


class SequenceConfig(CompositionConfig):
    """A rollout of an object that is kept and interactions one after another; each has `steps` actions.

    Attributes:
        places: (K,) where each interaction's own frame lies on the table (m) [own]: left and right of the middle, so
            that two wide mechanisms have room on the table of 1 m.
        leave: Before every transition but the first.
    """

    places: tuple[tuple[float, float, float], ...] = SEQUENCE_PLACES
    leave: LeaveConfig = LeaveConfig()


class ResidualPreset(_Config):
    """One training of one residual."""

    ppo: PpoConfig
    composition: CompositionConfig = CompositionConfig()
    reward: RewardConfig = RewardConfig()
    disturbance: DisturbanceConfig = DisturbanceConfig()


# [own] Hidden layers, log-standard deviation, learning rate, epochs and minibatches: the text lost them. A wide first
# exploration shakes a held object out of the hand, so it starts at exp(-1.5) of the bound.
_NETWORK = {"hidden": (256, 128, 64), "obs_normalization": False, "init_std": 0.22, "gamma": 0.99, "lam": 0.95}
_LEARNING = {
    "learning_rate": 3e-4,
    "epochs": 5,
    "minibatches": 4,
    "value_coef": 1.0,
    "max_grad_norm": 1.0,
    "burn_in": 5,
}


def _ppo(**figures: object) -> PpoConfig:
    return PpoConfig.model_validate({**_NETWORK, **_LEARNING, **figures})


_TINY = {"hidden": (32, 32), "save_every": 1, "burn_in": 0}
_SHORT = CompositionConfig(steps=12, transition=TransitionConfig(steps=6, settle=0))

#: The first residual, the stabiliser. full: [P B.1] 1024 environments, 24 steps, 1000 iterations.
STABILISER: dict[str, ResidualPreset] = {
    "cpu": ResidualPreset(
        ppo=_ppo(num_envs=128, num_steps=24, iterations=250, reward_scale=1.0, average=0.9),
        disturbance=DisturbanceConfig(push=1.0),
    ),
    "full": ResidualPreset(ppo=_ppo(num_envs=1024, num_steps=24, iterations=1000, reward_scale=1.0)),
    "smoke": ResidualPreset(
        ppo=_ppo(num_envs=4, num_steps=6, iterations=2, reward_scale=1.0, **_TINY),
        disturbance=DisturbanceConfig(steps=10, push=1.0),
    ),
}
#: The second residual. full: [P B.2] 8 environments, 200 steps, 1000 iterations.
SECOND: dict[str, ResidualPreset] = {
    "cpu": ResidualPreset(ppo=_ppo(num_envs=32, num_steps=50, iterations=200, reward_scale=0.2, average=0.9)),
    "full": ResidualPreset(ppo=_ppo(num_envs=8, num_steps=200, iterations=1000, reward_scale=0.2)),
    "smoke": ResidualPreset(
        ppo=_ppo(num_envs=4, num_steps=6, iterations=2, reward_scale=0.2, **_TINY), composition=_SHORT
    ),
}


def residual_preset(which: Literal["stabiliser", "second"], name: str) -> ResidualPreset:
    """Return a preset by name.

    Raises:
        SleightError: There is no such preset.
    """
    return choose_preset(STABILISER if which == "stabiliser" else SECOND, name)
