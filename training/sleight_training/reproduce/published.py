"""A figure that a paper prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A printed figure.

    Attributes:
        value: Per cent, or what the table is about.
        spread: What follows the plus-minus sign; None where there is none.
    """

    value: float
    spread: float | None = None

    def __str__(self) -> str:
        return f"{self.value:.1f}" + (f" ± {self.spread:.1f}" if self.spread is not None else "")
