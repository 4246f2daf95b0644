"""Base policies as frozen experts, from a training run, its weights, or an exported bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from sleight_core.bundle import Bundle, load_bundle
from sleight_core.bundle.manifest import MANIFEST
from sleight_core.errors import SleightError
from sleight_core.observation import TermSpec
from sleight_sim.tasks.grasp.arm import arm_config
from torch import nn

from sleight_training.checkpoint import read_checkpoint
from sleight_training.hyper.config import ExpertConfig
from sleight_training.ppo.runner import actor_state
from sleight_training.run import CONFIG, RunConfig, read_run
from sleight_training.weights import SUFFIX, read_weights

#: What rsl-rl's normaliser adds to the standard deviation.
_NORMALISER_EPS = 1e-2
_GOLDEN_TOLERANCE = 1e-5


class Expert(nn.Module):
    """A base policy's deterministic network: normalised observations (B, D) -> actions (B, A), not clamped.

    Args:
        inputs: D.
        hidden: Hidden layers.
        outputs: A.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, inputs))
        self.register_buffer("scale", torch.ones(1, inputs))
        layers: list[nn.Module] = []
        sizes = [inputs, *hidden]
        for a, b in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(a, b), nn.ELU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
        self.requires_grad_(False).eval()

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Return actions (B, A) for observations (B, D)."""
        return self.mlp((obs - self.mean) / self.scale)


def load_expert(path: Path) -> tuple[ExpertConfig, Expert]:
    """Load a base policy.

    Args:
        path: The folder of a run, the ``.safetensors`` file kept of one, or the folder of a bundle.

    Raises:
        SleightError: It is none of these, no base policy, or damaged.
    """
    if path.suffix == SUFFIX:
        run, data = read_weights(path)
        return _from_run(path.stem, run, data, path)
    if (path / MANIFEST).is_file():
        return _from_bundle(load_bundle(path))
    if (path / CONFIG).is_file():
        checkpoint = path / "checkpoint.pt"
        return _from_run(path.resolve().name, read_run(path), read_checkpoint(checkpoint), checkpoint)
    remedy = f"give a run of 'sleight train base', its {SUFFIX} file, or a bundle"
    raise SleightError("no base policy", value=path, remedy=remedy)


def _from_run(name: str, run: RunConfig, data: dict[str, Any], path: Path) -> tuple[ExpertConfig, Expert]:
    if run.kind != "base":
        raise SleightError("an expert is a base policy", value=path, remedy=f"this run is of kind '{run.kind}'")
    tensors = _actor_tensors(data, normalised=run.ppo.obs_normalization)
    about = {"name": name, "objects": run.objects, "hand": run.task.hand, "terms": run.task.terms, "arm": run.task.arm}
    return _build(tensors, about, path)


def actor_network(run: RunConfig, data: dict[str, Any], path: Path) -> Expert:
    """Return the actor of any run of PPO as a deterministic, frozen network.

    Args:
        run: The run's configuration.
        data: A checkpoint of the run.
        path: Where it came from, for messages.

    Raises:
        SleightError: It holds no such network, or one that is not finite.
    """
    return _network(_actor_tensors(data, normalised=run.ppo.obs_normalization), path)[0]


def _actor_tensors(data: dict[str, Any], *, normalised: bool) -> dict[str, torch.Tensor]:
    state = dict(actor_state(data))
    tensors = {key: value for key, value in state.items() if key.startswith("mlp.")}
    if normalised:
        tensors["mean"] = state["obs_normalizer._mean"]
        tensors["scale"] = state["obs_normalizer._std"] + _NORMALISER_EPS
    return tensors


def _from_bundle(bundle: Bundle) -> tuple[ExpertConfig, Expert]:
    """Read an exported network back, and prove on the golden vectors that it is the same."""
    manifest, path = bundle.manifest, bundle.path
    if manifest.composition.kind != "mlp":
        raise SleightError("an expert is one network", value=path, remedy=f"this is a '{manifest.composition.kind}'")
    for spec in manifest.observation:
        if spec.clip != TermSpec.model_fields["clip"].default:
            raise SleightError("an expert's observation is clipped unlike ours", value=f"{spec.name}: {spec.clip}")
    graph = onnx.load_from_string(bundle.graphs["policy"]).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {f"mlp.{name.split('mlp.', 1)[1]}": value for name, value in arrays.items() if "mlp." in name}
    for node in graph.node:
        key = {"Sub": "mean", "Div": "scale"}.get(node.op_type)
        if key is not None and node.input[1] in arrays:
            tensors[key] = arrays[node.input[1]]
    about = {
        "name": manifest.name,
        "objects": manifest.task.object.set,
        "hand": manifest.hand.name,
        "terms": tuple((spec.name, spec.scale) for spec in manifest.observation),
        "arm": arm_config(manifest.action),
    }
    config, expert = _build({name: torch.tensor(value) for name, value in tensors.items()}, about, path)
    golden = torch.from_numpy(bundle.golden["obs"])
    answer = torch.clamp(expert(golden), -1.0, 1.0).numpy() if golden.shape[1] == expert.mean.shape[1] else np.inf
    if not np.abs(answer - bundle.golden["action"]).max() <= _GOLDEN_TOLERANCE:
        remedy = f"give its training run or its {SUFFIX} file instead"
        raise SleightError("the bundle's network is not one that can be read back", value=path, remedy=remedy)
    return config, expert


def _build(tensors: dict[str, torch.Tensor], about: dict[str, Any], path: Path) -> tuple[ExpertConfig, Expert]:
    expert, hidden = _network(tensors, path)
    return ExpertConfig(**about, hidden=hidden, sha256=_digest(expert)), expert


def _network(tensors: dict[str, torch.Tensor], path: Path) -> tuple[Expert, tuple[int, ...]]:
    weights = [tensors[key] for key in sorted(tensors, key=_layer) if key.endswith(".weight")]
    if not weights:
        raise SleightError("no layers of a network are in it", value=path)
    hidden = tuple(int(weight.shape[0]) for weight in weights[:-1])
    inputs = int(weights[0].shape[1])
    expert = Expert(inputs, hidden, int(weights[-1].shape[0]))
    state = {"mean": torch.zeros(1, inputs), "scale": torch.ones(1, inputs), **tensors}
    try:
        expert.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise SleightError("an expert is of another network", value=path, remedy=reason) from error
    if not all(bool(torch.isfinite(value).all()) for value in expert.state_dict().values()):
        raise SleightError("an expert's weights are not finite", value=path, remedy="train it again")
    return expert, hidden


def _layer(name: str) -> int:
    return int(name.split(".")[1]) if name.startswith("mlp.") else -1


def _digest(expert: Expert) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(expert.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()
