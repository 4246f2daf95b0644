"""One row of a check's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """What was found.

    Attributes:
        name: What was looked at.
        status: "ok"; "warn": it works, or may work, without; "fail": it will not.
        detail: What was found.
        remedy: What to do, "" with ok.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""
