"""Running a bundle's policy with ONNX Runtime."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sleight_core.errors import BundleError, SleightError

if TYPE_CHECKING:
    from sleight_core.bundle.loader import Bundle

Array = NDArray[np.float32]

_WARM_UP_RUNS = 5


def make_session(data: bytes, field: str) -> ort.InferenceSession:
    """Make a session from the bytes of an ONNX file, so that what was checked is what runs.

    Args:
        data: The file.
        field: The manifest's field, for messages.

    Raises:
        BundleError: ONNX Runtime refuses the model.
    """
    options = ort.SessionOptions()
    # Two threads make the 99th percentile worse (field notes F), and leave no core to the other nodes.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own types, which differ between versions
        found = " ".join(str(error).split())
        remedy = "export the bundle again, or update onnxruntime"
        raise BundleError(
            f"{field}.file", expected="a model that ONNX Runtime runs", found=found, remedy=remedy
        ) from error


@dataclass(frozen=True)
class PolicyOutput:
    """One answer of a policy.

    Attributes:
        action: (A,) in policy units, in the order of the manifest's action parts.
        expert_weights: (k,) mixing weights, for a mixture.
        residual: (A,) what was added to the base action, in policy units, for policies with a residual.
        inference_time: Time inside ONNX Runtime, s.
        expert_actions: (k, A) what each expert wants, for a mixture that tells it.
    """

    action: Array
    expert_weights: Array | None
    residual: Array | None
    inference_time: float
    expert_actions: Array | None = None


class PolicySession:
    """A loaded policy, warmed up. Not thread-safe.

    Args:
        bundle: A verified bundle.

    Raises:
        BundleError: This version cannot run the bundle's composition.
    """

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        if manifest.composition.kind in ("diffusion", "composed_skills"):
            raise BundleError(
                "composition.kind",
                expected="mlp, moe_residual or masked_dual_residual",
                found=manifest.composition.kind,
                remedy="skills in chunks are run by the policy node in simulation, not as a single policy",
            )
        self.bundle = bundle
        self._labels = manifest.observation_labels
        self._action_labels = manifest.action_labels
        self._outputs = [tensor.name for tensor in manifest.policy.outputs]
        self._input = manifest.policy.inputs[0].name
        self._session = make_session(bundle.graphs["policy"], "graphs.policy")
        golden = bundle.golden[self._input]
        for i in range(_WARM_UP_RUNS):
            self.act(golden[i % len(golden)])

    @property
    def observation_size(self) -> int:
        """Elements of the observation."""
        return len(self._labels)

    @property
    def action_size(self) -> int:
        """Elements of the action."""
        return len(self._action_labels)

    def act(self, observation: NDArray[Any]) -> PolicyOutput:
        """Ask the policy.

        Args:
            observation: (D,) or (1, D), after scale and clip, finite.

        Returns:
            The action, with experts' weights and residual where the policy has them.

        Raises:
            SleightError: The observation has another size or is not finite, or the network's answer is not finite.
        """
        obs = np.asarray(observation, dtype=np.float32)
        if obs.shape not in ((self.observation_size,), (1, self.observation_size)):
            raise self._wrong_size(obs)
        obs = obs.reshape(1, -1)
        self._check_finite("observation", obs[0], self._labels)
        started = time.perf_counter()
        values: Any = self._session.run(self._outputs, {self._input: obs})
        elapsed = time.perf_counter() - started
        outputs = dict(zip(self._outputs, (value[0] for value in values), strict=True))
        self._check_finite("action", outputs["action"], self._action_labels)
        return PolicyOutput(
            outputs["action"],
            outputs.get("expert_weights"),
            outputs.get("residual"),
            elapsed,
            outputs.get("expert_actions"),
        )

    def act_batch(self, observations: NDArray[Any]) -> Array:
        """Ask the policy for many observations at once, as an evaluation does.

        Args:
            observations: (B, D), after scale and clip, finite.

        Returns:
            Actions (B, A).

        Raises:
            SleightError: As `act`.
        """
        return self.act_batch_weighing(observations)[0]

    def act_batch_weighing(self, observations: NDArray[Any]) -> tuple[Array, Array | None]:
        """Ask the policy as `act_batch` does, and how a mixture weighs its experts.

        Args:
            observations: (B, D), after scale and clip, finite.

        Returns:
            Actions (B, A), and weights (B, k), or None for a policy without experts.

        Raises:
            SleightError: As `act`.
        """
        obs = np.asarray(observations, dtype=np.float32)
        if obs.ndim != 2 or obs.shape[1] != self.observation_size:
            raise self._wrong_size(obs)
        for row in obs[~np.isfinite(obs).all(axis=1)][:1]:
            self._check_finite("observation", row, self._labels)
        names = ["action", *(name for name in ("expert_weights",) if name in self._outputs)]
        answers = [np.asarray(value) for value in self._session.run(names, {self._input: obs})]
        actions, weights = answers[0], answers[1] if len(answers) > 1 else None
        for row in actions[~np.isfinite(actions).all(axis=1)][:1]:
            self._check_finite("action", row, self._action_labels)
        return actions, weights

    def _wrong_size(self, obs: Array) -> SleightError:
        return SleightError(
            f"observation: expected {self.observation_size} elements, found shape {obs.shape}",
            remedy="build it with the bundle's observation terms",
        )

    @staticmethod
    def _check_finite(what: str, values: Array, labels: list[str]) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            j = int(np.argmin(finite))
            raise SleightError(f"{what} is not finite: {labels[j]} is {values[j]}", remedy="the command is left out")
