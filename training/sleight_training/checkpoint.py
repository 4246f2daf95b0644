"""Checkpoints: written so that a kill leaves a whole one, and read without running anything that is in them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from sleight_core.errors import SleightError

#: The newest checkpoint of a run, in its folder.
CHECKPOINT = "checkpoint.pt"


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a file to write beside `path`, which takes its place in the end (a kill leaves the old one or the new)."""
    part = path.with_suffix(".part")
    yield part
    os.replace(part, path)


def write_checkpoint(path: Path, data: Mapping[str, Any]) -> None:
    """Write a checkpoint, atomically."""
    with replaced(path) as part:
        torch.save(dict(data), part)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        SleightError: There is none, or it is damaged.
    """
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError as error:
        raise SleightError("no checkpoint to resume from", value=path, remedy="start without --resume") from error
    except Exception as error:  # torch raises many types for damaged files
        raise SleightError("checkpoint cannot be read", value=path, remedy="delete it and start again") from error


@contextlib.contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Refuse a checkpoint in one line when what is loaded from it does not fit.

    Raises:
        SleightError: It is of another network.
    """
    try:
        yield
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SleightError("checkpoint is of another network", value=path, remedy=reason) from error
