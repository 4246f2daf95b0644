"""A figure that a paper prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A printed figure.

    Attributes:
        value: Per cent, or what the table is about.
        spread: What follows the plus-minus sign; None where there is none.
        digits: Decimals that are printed.
    """

    value: float
    spread: float | None = None
    digits: int = 1

    def __str__(self) -> str:
        value = f"{self.value:.{self.digits}f}"
        return value if self.spread is None else f"{value} ± {self.spread:.{self.digits}f}"
