"""How held states are collected. [P] is the paper's (B.3), [own] ours: what can be read of it gives no more figures."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class HeldConfig(BaseModel):
    """Figures of a collection.

    Attributes:
        count: Held states to find: 4,096 [P].
        worlds: Objects that they are of, at most [own: what a batch compiles at most; 16 states each, so that an
            environment, which keeps its object, has several states to start from]. A task's own skill meets each object
            once a round; a grasp bundle shares a round's episodes among the objects that it is given.
        settle: Actions for which the hand then stands still, 0.5 s [own: the success condition holds at an instant of
            a movement; what slips out at once is no state to build on].
        speed: Largest speed of the object at the end of that (m/s) [own: 2 cm/s; a thing that slides does more].
        palm_distance: Largest distance of the object's origin from the palm's centre (m) [own: the paper's retention
            condition has such a limit; the release test asks for the same].
        drop_height: Least height of its origin over where it is when it lies on the table (m) [as for the distance].
        seed: Of worlds, starts and skill.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(default=4096, ge=1)
    worlds: int = Field(default=256, ge=1)
    settle: int = Field(default=15, ge=0)
    speed: float = Field(default=0.02, gt=0)
    palm_distance: float = Field(default=0.12, gt=0)
    drop_height: float = Field(default=0.05, ge=0)
    seed: int = Field(default=0, ge=0)
