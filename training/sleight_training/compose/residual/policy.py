"""A trained residual as a file: its network, what it sees and which elements it writes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sleight_core.errors import SleightError
from torch import nn

from sleight_training.compose.residual.network import prefix_norm_mlp

#: A trained residual, in its run's folder.
POLICY = "policy.safetensors"
#: Under which the file says what it holds.
METADATA = "residual"


class ResidualSpec(BaseModel):
    """What a residual network is.

    Attributes:
        kind: "first", the stabiliser, or "second".
        tasks: The first task alone, or both of the pair.
        masks: Preserved fingers of each mask it was trained on.
        unmasked: It acts on every element (Eq. 16).
        terms: Its input: sizes by name, in order.
        columns: Elements of the action that its output is for; the others get 0.
        bounds: (28,) largest correction of each element, m and rad.
        hidden: Hidden layers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["first", "second"]
    tasks: tuple[str, ...]
    masks: tuple[tuple[str, ...], ...]
    unmasked: bool = False
    terms: dict[str, int]
    columns: tuple[int, ...]
    bounds: tuple[float, ...]
    hidden: tuple[int, ...]

    def check(self, kind: str, tasks: tuple[str, ...], mask: tuple[str, ...]) -> None:
        """Check that it was trained for some tasks and a mask's preserved fingers.

        Raises:
            SleightError: It was trained for something else.
        """
        if self.kind != kind or self.tasks != tasks:
            raise SleightError(
                f"this is no {kind} residual of {' and '.join(tasks)}",
                value=f"{self.kind} of {' and '.join(self.tasks)}",
            )
        if mask not in self.masks:
            raise SleightError(
                f"the {kind} residual was not trained with these fingers preserved",
                value=list(mask),
                remedy=f"it knows {[list(known) for known in self.masks]}",
            )


class Residual(Protocol):
    """A trained residual, in torch or from a bundle."""

    @property
    def spec(self) -> ResidualSpec:
        """What it is."""
        ...

    def __call__(self, joined: NDArray[np.floating]) -> NDArray[np.float64]:
        """Outputs before squashing (B, 28) for inputs (B, n) (see `ResidualFeatures.join`)."""
        ...


class ResidualPolicy:
    """A residual network that is asked with numpy arrays.

    Args:
        spec: What it is.
        network: (B, inputs) to (B, len(columns)).
    """

    def __init__(self, spec: ResidualSpec, network: nn.Module) -> None:
        self.spec = spec
        self.network = network.eval()

    @classmethod
    def untrained(cls, spec: ResidualSpec) -> ResidualPolicy:
        """A residual that corrects nothing."""
        return cls(spec, prefix_norm_mlp(sum(spec.terms.values()), len(spec.columns), spec.hidden))

    def __call__(self, joined: NDArray[np.floating]) -> NDArray[np.float64]:
        """Outputs before squashing (B, 28) for inputs (B, n) (see `ResidualFeatures.join`)."""
        with torch.inference_mode():
            out = self.network(torch.from_numpy(np.asarray(joined, dtype=np.float32))).double().numpy()
        return scatter(out, self.spec.columns, len(self.spec.bounds))

    def save(self, path: Path) -> None:
        """Write it, replacing the file at once."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        part = path.with_suffix(".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part, metadata={METADATA: self.spec.model_dump_json()})
        os.replace(part, path)

    @classmethod
    def load(cls, path: Path) -> ResidualPolicy:
        """Read a residual's file, or that of a run's folder.

        Raises:
            SleightError: There is none, or it is damaged.
        """
        path = path / POLICY if path.is_dir() else path
        try:
            with safe_open(path, framework="pt") as file:
                spec = ResidualSpec.model_validate(json.loads((file.metadata() or {})[METADATA]))
                states = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            policy = cls.untrained(spec)
            policy.network.load_state_dict(states)
        except (OSError, SafetensorError, KeyError, ValueError, ValidationError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SleightError(
                "a residual cannot be read", value=path, remedy=f"give what 'sleight compose residual' wrote: {reason}"
            ) from error
        return policy


def scatter(values: NDArray[np.float64], columns: tuple[int, ...], size: int) -> NDArray[np.float64]:
    """Put values (B, n) at their columns of (B, size); 0 elsewhere."""
    out = np.zeros((len(values), size))
    out[:, list(columns)] = values
    return out
