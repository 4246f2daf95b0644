"""State dictionaries that lie beside a run: what it starts from, and what does not learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sleight_core.errors import SleightError

#: Networks that a run starts from, in its folder.
START = "start.safetensors"
#: Keys of what learns, in a checkpoint.
LEARNED = ("actor_state_dict", "critic_state_dict")


def write_states(path: Path, states: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
    """Write state dictionaries by name; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copied, since a file may not hold one tensor twice, and two experts may be the same.
    flat = {f"{name}.{key}": v.clone().contiguous() for name, part in states.items() for key, v in part.items()}
    save_file(flat, path)


def read_states(path: Path) -> dict[str, dict[str, Any]]:
    """Read such a file.

    Raises:
        SleightError: It is missing or damaged.
    """
    try:
        flat = load_file(path)
    except (OSError, SafetensorError) as error:
        raise SleightError("a file of the run cannot be read", value=path, remedy="start the run again") from error
    states: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        name, rest = key.split(".", 1)
        states.setdefault(name, {})[rest] = value
    return states
