"""Sizes of a reproduction of DexCompose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sleight_core.errors import SleightError

from sleight_training.presets import choose_preset
from sleight_training.reproduce.dexcompose.published import PAIRS, SELECTORS

#: First task, second task.
Pair = tuple[str, str]

#: On two cores the methods that need a residual of their own are compared on these: each task once [own].
FEW: tuple[Pair, ...] = (
    ("GraspBall", "OpenDoor"),
    ("PourMug", "TurnOnSwitch"),
    ("PickCan", "OpenMicrowave"),
    ("PickStick", "PushButton"),
)


class Preset(BaseModel):
    """Sizes of a reproduction.

    Attributes:
        name: Its name.
        training: Preset of the training commands.
        pairs: Pairs on which the method, and all that needs no residual of its own, is judged.
        studied: Those on which the other methods with a second residual of their own are trained and judged.
        selectors: Those on which the heuristic mask is compared.
        states: Who reaches the held states and whose finger use is measured: the learned skills, as in the paper, or
            the scripted experts, where the learned ones are not there or know nothing.
        demonstrations: Of each task ([P] 50).
        sample_steps: Numbers of DDIM steps to try.
        skill_episodes: Episodes with each.
        held: Held states of each retention skill ([P] 4,096).
        held_worlds: Objects that they are of, at most.
        release_rollouts: Rollouts of a release test for each mask.
        use_episodes: Episodes in which finger use is measured.
        seeds, rollouts: Seeds of an evaluation, and rollouts of each ([P] 8, 32).
        device: Device of the skills' learner.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    training: str
    pairs: tuple[Pair, ...] = Field(default=PAIRS, min_length=1)
    studied: tuple[Pair, ...] = PAIRS
    selectors: tuple[Pair, ...] = tuple(SELECTORS)
    states: Literal["learned", "scripted"] = "learned"
    demonstrations: int = Field(default=50, ge=1)
    sample_steps: tuple[int, ...] = Field(default=(1, 2, 5, 10), min_length=1)
    skill_episodes: int = Field(default=128, ge=1)
    held: int = Field(default=4096, ge=1)
    held_worlds: int = Field(default=256, ge=1)
    release_rollouts: int = Field(default=256, ge=1)
    use_episodes: int = Field(default=64, ge=1)
    seeds: int = Field(default=8, ge=1)
    rollouts: int = Field(default=32, ge=1)
    device: str = "cpu"

    @model_validator(mode="after")
    def _known(self) -> Preset:
        if unknown := [pair for pair in self.pairs if pair not in PAIRS]:
            raise ValueError(f"{' + '.join(unknown[0])} is no pair of the paper, such as GraspBall+PushButton")
        if len(set(self.pairs)) != len(self.pairs):
            raise ValueError("a pair is named twice")
        if not {*self.studied, *self.selectors} <= set(self.pairs):
            raise ValueError("a pair is studied that is not among the pairs")
        return self

    @property
    def firsts(self) -> tuple[str, ...]:
        """The retention tasks that occur, in order."""
        return tuple(dict.fromkeys(first for first, _ in self.pairs))

    @property
    def seconds(self) -> tuple[str, ...]:
        """The interaction tasks that occur, in order."""
        return tuple(dict.fromkeys(second for _, second in self.pairs))


_BALL = ("GraspBall", "PushButton")

PRESETS: dict[str, Preset] = {
    "cpu": Preset(name="cpu", training="cpu", studied=FEW),
    # 416 episodes: what the printed standalone figures are shares of.
    "full": Preset(name="full", training="full", sample_steps=(1, 2, 5, 10, 20), skill_episodes=416, device="cuda"),
    # Its learned skills know nothing, so that none of them reaches a state to hold.
    "smoke": Preset(
        name="smoke",
        training="smoke",
        pairs=(_BALL,),
        studied=(_BALL,),
        selectors=(_BALL,),
        states="scripted",
        demonstrations=2,
        sample_steps=(1, 2),
        skill_episodes=2,
        held=8,
        held_worlds=4,
        release_rollouts=2,
        use_episodes=4,
        seeds=1,
        rollouts=2,
    ),
}


def reproduction(name: str, pairs: Sequence[str] = (), states: str = "", device: str = "") -> Preset:
    """Return a preset, with other pairs, source of states or device where they are given.

    Args:
        name: Its name.
        pairs: Pairs, such as "GraspBall+PushButton"; the methods and selectors studied are those of the preset among
            them.
        states: "learned" or "scripted" (see `Preset`).
        device: Device of the skills' learner.

    Raises:
        SleightError: There is no such preset, or a pair or a source is none.
    """
    chosen = choose_preset(PRESETS, name).model_dump()
    if pairs:
        halves = (text.partition("+") for text in pairs)
        wanted = [(first.strip(), second.strip()) for first, _, second in halves]
        chosen["pairs"] = tuple(wanted)
        for which in ("studied", "selectors"):
            chosen[which] = tuple(pair for pair in chosen[which] if pair in wanted)
    chosen.update({key: value for key, value in (("states", states), ("device", device)) if value})
    try:
        return Preset(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--states" if "states" in first["loc"] else "--pair"
        raise SleightError(option, value=first["msg"].removeprefix("Value error, ")) from error
