"""What release tests and measurements of finger use found, and their JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sleight_core.errors import SleightError
from sleight_core.statistics import wilson_interval

from sleight_training.compose.masks.config import ReleaseConfig, UseConfig
from sleight_training.compose.masks.mask import FingerMask
from sleight_training.reproduce.store import write_text

_Model = TypeVar("_Model", bound="_Report")
_Share = Field(ge=0.0, le=1.0)


class MaskResult(BaseModel):
    """A mask's rollouts.

    Attributes:
        preserved: Fingers that kept the hold.
        released: Fingers that opened.
        rollouts: How many.
        retained: In how many the object was still held.
        clean: In how many the released fingers were free of it.
        both: In how many both.
        turned_mean, turned_p90: How far the object has turned in the hand since the held state where it was retained:
            mean and 90th percentile, rad; None where it never was, or was not measured. No check looks at it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preserved: tuple[str, ...]
    released: tuple[str, ...]
    rollouts: int = Field(ge=1)
    retained: int = Field(ge=0)
    clean: int = Field(ge=0)
    both: int = Field(ge=0)
    turned_mean: float | None = Field(default=None, ge=0.0)
    turned_p90: float | None = Field(default=None, ge=0.0)

    @model_validator(mode="after")
    def _counts(self) -> MaskResult:
        if max(self.retained, self.clean) > self.rollouts or self.both > min(self.retained, self.clean):
            raise ValueError("more rollouts passed a check than there were")
        return self

    @property
    def retention(self) -> float:
        """R, the retention rate."""
        return self.retained / self.rollouts

    @property
    def clean_release(self) -> float:
        """C, the clean-release rate."""
        return self.clean / self.rollouts

    @property
    def retention_ci(self) -> tuple[float, float]:
        """Wilson 95 % interval of the retention rate."""
        return wilson_interval(self.retained, self.rollouts)

    @property
    def clean_ci(self) -> tuple[float, float]:
        """Wilson 95 % interval of the clean-release rate."""
        return wilson_interval(self.clean, self.rollouts)


class _Report(BaseModel):
    """A JSON file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def write(self, path: Path) -> None:
        """Write the file, atomically."""
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls: type[_Model], path: Path) -> _Model:
        """Read the file.

        Raises:
            SleightError: It is missing, or is no such report.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise SleightError("the report cannot be read", value=f"{path}: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "file"
            raise SleightError("this is no such report", value=f"{path}: {where}: {first['msg']}") from None


class ReleaseReport(_Report):
    """The release tests of a retention skill.

    Attributes:
        format: Of the file.
        task: The skill's task.
        about: What its hand holds, in words, where the task's name does not say it.
        fingers: The hand's, in its order.
        config: Figures of the tests.
        states: Held states in the library.
        source: Which skill reached them.
        candidates: The useful masks (see `candidate_masks`); an index into them names a mask.
        all_preserved, none_preserved: The two other masks, as controls: nothing opened, everything opened.
        command: What made it.
        date: When.
        seconds: Time it took.
    """

    format: Literal["sleight-release-1"] = "sleight-release-1"
    task: str
    about: str = ""
    fingers: tuple[str, ...]
    config: ReleaseConfig
    states: int
    source: str
    candidates: tuple[MaskResult, ...] = Field(min_length=1)
    all_preserved: MaskResult
    none_preserved: MaskResult
    command: str = ""
    date: str = ""
    seconds: float = 0.0

    @model_validator(mode="after")
    def _masks(self) -> ReleaseReport:
        for result in self.candidates:
            if set(result.preserved) & set(result.released) or (
                {*result.preserved, *result.released} != set(self.fingers)
            ):
                raise ValueError(f"{result.preserved} and {result.released} are not the hand's fingers")
        return self

    def mask(self, index: int) -> FingerMask:
        """The candidate mask of an index."""
        return FingerMask.of(self.fingers, self.candidates[index].preserved)


class FingerUse(BaseModel):
    """How a finger takes part in a skill's successful episodes.

    Attributes:
        finger: Its name.
        force: Its share of all fingers' contact force on the mechanism, summed over the time to success.
        touched: Share of the episodes in which it touched the mechanism.
        motion: Range that its joints moved through, as a share of their whole ranges; mean over joints and episodes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    finger: str
    force: float = _Share
    touched: float = _Share
    motion: float = _Share


class UseReport(_Report):
    """Which fingers an interaction skill uses.

    Attributes:
        format: Of the file.
        task: The skill's task.
        source: Which skill played.
        config: Figures of the measurement.
        succeeded: Episodes that succeeded; only these count.
        fingers: The hand's, in its order.
        command, date: What made it, and when.
    """

    format: Literal["sleight-finger-use-1"] = "sleight-finger-use-1"
    task: str
    source: str
    config: UseConfig
    succeeded: int = Field(ge=1)
    fingers: tuple[FingerUse, ...] = Field(min_length=1)
    command: str = ""
    date: str = ""

    def weights(self, motion: float) -> dict[str, float]:
        """How much each finger matters, by name; the sum is 1.

        The motion of a finger counts as often as it touches the mechanism: what moves without touching only gets out
        of the way, which a finger that holds something has done already.

        Args:
            motion: Weight of the fingers' motion; the rest is that of their contact force.
        """
        pushed = sum(use.force for use in self.fingers) or 1.0
        moved = sum(use.motion * use.touched for use in self.fingers) or 1.0
        out = {
            use.finger: (1.0 - motion) * use.force / pushed + motion * use.motion * use.touched / moved
            for use in self.fingers
        }
        total = sum(out.values())
        return {name: value / total if total else 1.0 / len(out) for name, value in out.items()}
