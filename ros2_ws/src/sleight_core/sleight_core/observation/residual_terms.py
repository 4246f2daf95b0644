"""Terms of the two residuals (DexCompose B.1, B.2): `sleight_core.compose.features` as a manifest names them.

What a composition keeps of its own course is in the state's `memory`, by the names of `MEMORY`. The terms are scaled
already; clip 5 makes them what the networks were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sleight_core.compose.features import HoldReference, ResidualFeatures
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.compose_terms import registered_name
from sleight_core.observation.spec import TermSpec
from sleight_core.observation.state import RobotState
from sleight_core.observation.terms import Frame, Provenance, term

Array = Any

#: What a composition puts into the state's memory: preserved joints (B, 22) bool, finger mask (B, F), sent targets
#: (B, M) rad, sent twist (B, 6), the stabiliser's last output squashed (B, 28), phase (B, 2), the object's place in the
#: palm (B, 3) m and the fingertips' distances to it (B, F) m when the first skill had succeeded, the nominal action
#: (B, 28), and where the hand is as an action (B, 28).
MEMORY = (
    "preserved",
    "fingers",
    "targets",
    "base_action",
    "previous_residual",
    "phase",
    "hold_object_pos",
    "hold_tip_distance",
    "nominal",
    "here",
)
#: Before the names of the second task's own terms, in the trainer's records.
SECOND_PREFIX = "second_"


@dataclass
class SeenObject:
    """A state with its object's true motion, as `ResidualFeatures` asks for it; at rest at 0 where nobody knows it."""

    state: RobotState

    def __getattr__(self, name: str) -> Array:
        if name not in ("object_pos", "object_quat", "object_linvel", "object_angvel"):
            return getattr(self.state, name)
        known = self.state.privileged.get(name)
        if known is not None:
            return known
        if name != "object_quat":
            return self.state.wrist_pos * 0.0
        unit = self.state.wrist_quat * 0.0
        unit[..., 0] = 1.0
        return unit


_kept: dict[int, tuple[HandTable, ResidualFeatures]] = {}


def residual_features(table: HandTable) -> ResidualFeatures:
    """What computes the features of a hand, made once."""
    if id(table) not in _kept:
        _kept[id(table)] = (table, ResidualFeatures(table))
    return _kept[id(table)][1]


def hold_memory(table: HandTable, state: RobotState, hold: Array) -> dict[str, Array]:
    """What is to be remembered of the object when the first skill has succeeded, by the names of `MEMORY`."""
    reference = residual_features(table).reference(SeenObject(state), hold)  # pyright: ignore[reportArgumentType]
    return {"hold_object_pos": reference.object_pos, "hold_tip_distance": reference.tip_distance}


def _stabiliser(f: Frame) -> dict[str, Array]:
    if "stabiliser" not in f.cache:
        memory = f.state.memory
        if missing := [name for name in MEMORY if name not in memory]:
            raise SleightError("a residual is asked outside a composition", value=f"no {missing}")
        reference = HoldReference(memory["here"], memory["hold_object_pos"], memory["hold_tip_distance"])
        f.cache["stabiliser"] = residual_features(f.kinematics.table).stabiliser(
            SeenObject(f.state),  # pyright: ignore[reportArgumentType]
            reference,
            preserved=memory["preserved"],
            targets=memory["targets"],
            previous=memory["previous_residual"],
            base_action=memory["base_action"],
            phase=memory["phase"],
        )
    return f.cache["stabiliser"]


def _register(name: str, frame: str, provenance: Provenance) -> None:
    def function(f: Frame) -> Array:
        return _stabiliser(f)[name]

    function.__name__ = name
    term(lambda table: residual_features(table).stabiliser_sizes[name], unit="1", frame=frame, provenance=provenance)(
        function
    )


_register("preserved_joint_pos", "joint", "proprioception")
_register("preserved_joint_vel", "joint", "proprioception")
_register("previous_residual", "joint", "memory")
_register("object_pose", "wrist", "privileged")
_register("object_velocity", "wrist", "privileged")
_register("tip_distance_error", "none", "privileged")
_register("contacts", "none", "proprioception")
_register("preserved_torque", "joint", "proprioception")
_register("base_action", "wrist", "memory")
_register("phase", "none", "memory")


@term(lambda table: residual_features(table).second_sizes["nominal"], unit="1", frame="task", provenance="command")
def nominal(f: Frame) -> Array:
    """The frozen second skill's action, relative to where the hand is."""
    memory = f.state.memory
    features = residual_features(f.kinematics.table)
    return features.second(memory["nominal"], memory["here"], memory["fingers"])["nominal"]


@term(lambda table: residual_features(table).second_sizes["mask"], unit="1", frame="none", provenance="memory")
def mask(f: Frame) -> Array:
    """The finger mask: 1 for one that the first skill keeps."""
    return f.state.memory["fingers"]


def residual_terms(table: HandTable, sizes: Mapping[str, int]) -> tuple[TermSpec, ...]:
    """Describe a residual's observation in a manifest.

    Args:
        table: The hand.
        sizes: Sizes of its terms by the trainer's names, in order (`ResidualSpec.terms`).

    Raises:
        SleightError: A term is unknown, or of another size.
    """
    specs = tuple(
        TermSpec.of(registered_name(name.removeprefix(SECOND_PREFIX), size), table) for name, size in sizes.items()
    )
    for spec, size in zip(specs, sizes.values(), strict=True):
        if spec.size != size:
            raise SleightError(f"observation term '{spec.name}' has {spec.size} elements", value=size)
    return specs
