"""Figures of release tests and selectors. [P] is the paper's (B.4, B.7), [own] ours: its text lost most numbers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReleaseConfig(_Config):
    """A release test.

    Attributes:
        rollouts: Held states a mask, drawn uniformly with replacement [P]; 256 [own: a rate is known to 6 points].
        ramp: Actions in which released fingers go from the hold to the open pose, linearly [P]; 2 s [own: slow enough
            that the opening itself throws nothing].
        steps: Actions of a rollout; 3 s [own: the hand is open for the last second, in which a bad grip lets go].
        palm_distance: Largest distance of the object's origin from the palm's centre at the end, m [P; own: 12 cm, a
            fist's width; held states are within 8 cm].
        drop_height: Least height of the origin over where it is when the object lies on the table, m [P; own: 5 cm,
            about half of the least lift that counts as success].
        force: Net contact force under which a released finger is free, N [P; own: 0.1 N, half of what the lightest
            object weighs].
        clean_steps: Actions at the end in which it must be free: 20 [P].
        num_envs: Rollouts side by side; those of all masks share the batches.
        seed: Of the drawn states. All masks get the same ones, so that their difference is the masks' alone [own].
    """

    rollouts: int = Field(default=256, ge=1)
    ramp: int = Field(default=60, ge=1)
    steps: int = Field(default=90, ge=1)
    palm_distance: float = Field(default=0.12, gt=0)
    drop_height: float = Field(default=0.05, ge=0)
    force: float = Field(default=0.1, gt=0)
    clean_steps: int = Field(default=20, ge=1)
    num_envs: int = Field(default=512, ge=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _end_is_open(self) -> ReleaseConfig:
        if self.steps < self.clean_steps:
            raise ValueError(f"a rollout of {self.steps} actions has no last {self.clean_steps}")
        return self


class UseConfig(_Config):
    """Measuring which fingers a skill uses.

    Attributes:
        episodes: Episodes [own: 64; shares of five fingers settle long before].
        force: Contact force from which a finger touches, N [own: as in the release test].
        seed: Of worlds, starts and skill.
    """

    episodes: int = Field(default=64, ge=1)
    force: float = Field(default=0.1, gt=0)
    seed: int = Field(default=0, ge=0)


class HeuristicConfig(_Config):
    """Eq. 17.

    Attributes:
        least_released: Fingers that must be released: 2 [P].
    """

    least_released: int = Field(default=2, ge=1)


class TaskAwareConfig(_Config):
    """The deterministic selector's weights.

    Attributes:
        motion: Share of a finger's motion in its use; the rest is its share of the contact force [own: a hooked finger
            shares the force with its neighbours as it happens, and their motion says more].
        unclean: What is left of a mask's score when its release is never clean [own: a finger that still touches may
            drag the object along, but need not].
        tie: Scores that are closer than this share of the best are equal [own: less than what the intervals of the
            usual number of rollouts tell apart]; then the mask that preserves most fingers wins: the test stands
            still, the composition will not.
    """

    motion: float = Field(default=0.2, ge=0, le=1)
    unclean: float = Field(default=0.5, ge=0, le=1)
    tie: float = Field(default=0.03, ge=0, lt=1)
