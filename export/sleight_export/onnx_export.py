"""A torch policy as an ONNX file that old runtimes read, and proof that both compute the same."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from sleight_core.bundle.loader import GOLDEN_TOLERANCE, named_differences
from sleight_core.bundle.manifest import MAX_IR, MAX_OPSET
from sleight_core.bundle.policy import make_session
from sleight_core.errors import BundleError, SleightError

Array = NDArray[np.float32]

#: Weights of fewer numbers than this stay as they are: nothing would be gained.
SMALL = 256
#: Random observations of the parity check.
PARITY_SAMPLES = 1000


class ClampedPolicy(torch.nn.Module):
    """An actor with its output clamped to [-1, 1], so that the limits of the action are part of the graph.

    Args:
        actor: Observations (B, D) -> actions (B, A), normalisation of observations included; or a tuple whose first
            part they are.
    """

    def __init__(self, actor: torch.nn.Module) -> None:
        super().__init__()
        self.actor = actor

    def forward(self, obs: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Return actions (B, A) in [-1, 1] for observations (B, D), with the further parts of a tuple."""
        out = self.actor(obs)
        if isinstance(out, tuple):
            return torch.clamp(out[0], -1.0, 1.0), *out[1:]
        return torch.clamp(out, -1.0, 1.0)


@dataclass(frozen=True)
class Parity:
    """How well ONNX Runtime repeats torch.

    Attributes:
        samples: Random observations compared.
        golden: Golden observations compared.
        largest: Largest difference of an element of any output.
    """

    samples: int
    golden: int
    largest: float


def compare_graph(
    data: bytes,
    field: str,
    output: str,
    ask: Callable[[Mapping[str, Array]], NDArray[np.floating]],
    *,
    random: Mapping[str, Array],
    golden: Mapping[str, Array],
    tolerance: float,
    remedy: str,
) -> Parity:
    """Compare an ONNX file's output with torch's, in a batch and one by one.

    Args:
        data: The ONNX file.
        field: Its place in a manifest, for errors.
        output: Name of the output.
        ask: Torch's output for inputs by name.
        random: Random inputs by name, (N, ...) each.
        golden: Inputs of real episodes.
        tolerance: Largest difference allowed.
        remedy: What to do about a larger one.

    Raises:
        BundleError: An element differs by more.
    """
    session = make_session(data, field)
    largest = 0.0
    for what, inputs in (("random", random), ("golden", golden)):
        given = dict(inputs)
        wanted = ask(given)
        rows = [{name: value[i : i + 1] for name, value in given.items()} for i in range(len(wanted))]
        batch = np.asarray(session.run([output], given)[0])
        single = np.concatenate([np.asarray(session.run([output], row)[0]) for row in rows])
        difference = float(max(np.abs(batch - wanted).max(), np.abs(single - wanted).max()))
        if not difference <= tolerance:
            raise BundleError(
                field,
                expected=f"torch's {output} within {tolerance:g} on {len(wanted)} {what} inputs",
                found=f"a difference of {difference:.2g}",
                remedy=remedy,
            )
        largest = max(largest, difference)
    samples, kept = (len(next(iter(inputs.values()))) for inputs in (random, golden))
    return Parity(samples, kept, largest)


def to_onnx(
    policy: torch.nn.Module, observation_size: int, *, source: str = "obs", outputs: Sequence[str] = ("action",)
) -> bytes:
    """Export a policy, or a part of one.

    Args:
        policy: Observations (B, D) float32 -> actions (B, A), or a tuple of several outputs.
        observation_size: D.
        source: Name of the input.
        outputs: Names of the outputs.

    Returns:
        The ONNX file: input and outputs as named, batch axis of any size, weights inside, opset and file format as the
        oldest supported runtime reads them.

    Raises:
        SleightError: The policy cannot be traced, or the result is no valid model.
    """
    return trace_onnx(policy, {source: torch.zeros(1, observation_size)}, outputs)


def trace_onnx(network: torch.nn.Module, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str]) -> bytes:
    """Export a network with any number of inputs.

    Args:
        network: Deterministic; its arguments are the inputs in their order, its results the outputs.
        inputs: Examples by name, a batch of one each.
        outputs: Names of the outputs.

    Returns:
        The ONNX file, see `to_onnx`.

    Raises:
        SleightError: The network cannot be traced, or the result is no valid model.
    """
    network = network.eval()
    buffer = io.BytesIO()
    try:
        with _quiet(), torch.no_grad():
            # The traced exporter writes opset 17 itself; the newer one writes 18, converts it down when it can, and
            # records source paths of the exporting machine in the file.
            torch.onnx.export(
                network,
                tuple(inputs.values()),
                buffer,  # type: ignore[arg-type]  # file objects are accepted, the annotation is not complete
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs)},
                opset_version=MAX_OPSET,
                dynamo=False,
            )
        model = onnx.load_from_string(buffer.getvalue())
        for node in model.graph.node:
            node.ClearField("doc_string")
        model.ir_version = min(model.ir_version, MAX_IR)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # torch and onnx raise a dozen types; each means that this network cannot be exported
        reason = " ".join(str(error).split())
        raise SleightError(
            "the policy cannot be exported to ONNX", value=f"{type(error).__name__}: {reason}"
        ) from error
    return model.SerializeToString()


def check_parity(
    policy: torch.nn.Module,
    data: bytes,
    golden: Array,
    labels: Sequence[str],
    *,
    outputs: Sequence[str] = ("action",),
    samples: int = PARITY_SAMPLES,
    tolerance: float = GOLDEN_TOLERANCE,
) -> Parity:
    """Compare an ONNX file with the torch policy that it came from.

    Args:
        policy: The torch policy, (B, D) -> (B, A), or a tuple of several outputs.
        data: The ONNX file.
        golden: Observations of real episodes (N, D); the random ones are drawn from the range that they span.
        labels: Names of the A action elements, for the message.
        outputs: Names of the outputs.
        samples: Number of random observations.
        tolerance: Largest difference allowed.

    Raises:
        BundleError: An element differs by more.
    """
    low, high = golden.min(axis=0), golden.max(axis=0)
    room = 0.1 * (high - low) + 0.01
    drawn = np.random.default_rng(0).uniform(low - room, high + room, (samples, golden.shape[1])).astype(np.float32)
    session = make_session(data, "graphs.policy")
    largest = 0.0
    for what, obs in (("random", drawn), ("golden", golden)):
        expected = torch_outputs(policy, obs)
        # In one batch and one by one, as a robot asks: the two take different paths in the matrix products.
        names = list(outputs)
        rows = [session.run(names, {"obs": row[None]}) for row in obs]
        single = [np.concatenate(parts) for parts in zip(*rows, strict=True)]
        batch = session.run(names, {"obs": obs})
        for answers in (batch, single):
            for name, answer, wanted in zip(names, answers, expected, strict=True):
                difference = np.abs(np.asarray(answer, dtype=np.float64) - wanted).reshape(len(obs), -1)
                if not difference.max() <= tolerance:
                    elements = list(labels) if name == "action" else [f"{name}[{i}]" for i in range(wanted[0].size)]
                    raise BundleError(
                        "graphs.policy",
                        expected=f"torch's actions within {tolerance:g} on {len(obs)} {what} observations",
                        found=named_differences(difference, elements, tolerance),
                        remedy="remove from the network what ONNX computes otherwise",
                    )
                largest = max(largest, float(difference.max()))
    return Parity(samples, len(golden), largest)


def torch_outputs(policy: torch.nn.Module, obs: Array) -> list[Array]:
    """Return all outputs of a torch policy for observations (N, D)."""
    with torch.no_grad():
        out = policy.eval()(torch.from_numpy(np.ascontiguousarray(obs, dtype=np.float32)))
    return [part.cpu().numpy() for part in (out if isinstance(out, tuple) else (out,))]


def torch_actions(policy: torch.nn.Module, obs: Array) -> Array:
    """Return a torch policy's actions (N, A) for observations (N, D)."""
    return torch_outputs(policy, obs)[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's advice about itself; its errors are raised."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def store_halves(data: bytes) -> bytes:
    """Store weights in 16 bits where these hold all of them; the runtime widens them when it loads the graph.

    Args:
        data: An ONNX file.

    Returns:
        One that computes the same to the bit.
    """
    model = onnx.load_model_from_string(data)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size < SMALL or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()
