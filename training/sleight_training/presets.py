"""Named sizes of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from sleight_core.errors import SleightError

Preset = TypeVar("Preset")


def choose_preset(presets: Mapping[str, Preset], name: str) -> Preset:
    """Return a preset by name.

    Raises:
        SleightError: There is no such preset.
    """
    if name not in presets:
        raise SleightError("unknown preset", value=name, remedy=f"choose one of {sorted(presets)}")
    return presets[name]
