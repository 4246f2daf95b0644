"""A trained estimator and the file that it is kept in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import TermSpec
from sleight_sim.tasks.compose.make import compose_hand

from sleight_training.checkpoint import replaced
from sleight_training.compose.vision.config import FeatureRun
from sleight_training.compose.vision.network import FeatureNetwork

#: The estimator of a run, in its folder.
ESTIMATOR = "estimator.safetensors"


def estimator_terms(table: HandTable, names: Sequence[str]) -> tuple[TermSpec, ...]:
    """What an estimator sees, raw: units, frames and provenance of its terms (`EstimatorConfig.terms`)."""
    return tuple(TermSpec.of(name, table, clip=None) for name in names)


def build_network(run: FeatureRun) -> FeatureNetwork:
    """Build a run's network with fresh weights."""
    terms = estimator_terms(compose_hand(run.task), run.network.terms)
    return FeatureNetwork(run.network, terms, run.quantities, run.units)


class Estimator:
    """A trained network that is asked with numpy arrays.

    Args:
        run: What it was trained as.
        network: The network.
    """

    def __init__(self, run: FeatureRun, network: FeatureNetwork) -> None:
        self.run = run
        self.network = network.eval()

    @classmethod
    def load(cls, path: Path) -> Estimator:
        """Read the file of `save`, or that of a run's folder.

        Raises:
            SleightError: There is none, it is damaged, of another kind, or not finite.
        """
        path = path / ESTIMATOR if path.is_dir() else path
        remedy = "train one with 'sleight train features'"
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if "features" not in metadata:
                    raise SleightError("no estimator is in this file", value=path, remedy=remedy)
                run = FeatureRun.model_validate_json(metadata["features"])
                network = build_network(run)
                network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except FileNotFoundError as error:
            raise SleightError("no such estimator", value=path, remedy=remedy) from error
        except (SafetensorError, RuntimeError, ValidationError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SleightError("the estimator cannot be read", value=path, remedy=f"{remedy} ({reason})") from error
        if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
            raise SleightError("the estimator's weights are not finite", value=path, remedy=remedy)
        return cls(run, network)

    def save(self, path: Path, progress: dict[str, object]) -> None:
        """Write it with its run's configuration (atomic)."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        with replaced(path) as part:
            save_file(tensors, part, {"features": self.run.model_dump_json(), "progress": json.dumps(progress)})

    def __call__(self, seen: NDArray[np.floating]) -> NDArray[np.float64]:
        """Features (B, E) for observations (B, D)."""
        with torch.inference_mode():
            return self.network(torch.from_numpy(np.asarray(seen, dtype=np.float32))).double().numpy()
