"""Terms of the DexCompose skills (appendix A), in the task frame: their hand may face any way.

All that concerns the object or the mechanism is what only a simulator knows: who sees it is for simulation only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sleight_core.arrays import namespace
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.spec import TermSpec
from sleight_core.observation.terms import Frame, term
from sleight_core.rotations import quat_normalize, quat_rotate

Array = Any

#: Joints that a mechanism may have.
MECHANISM_SIZES = (1, 2)
MECHANISM_JOINTS = "mechanism_joints"
#: What terms ask of a mechanism.
MECHANISM_QUANTITIES = ("handle_pos", MECHANISM_JOINTS)
#: Between the name of a mechanism and a quantity of it.
_OF = "/"


def quantity_of(mechanism: str, quantity: str) -> str:
    """Name under which `RobotState.privileged` holds a quantity of one of the mechanisms on a table."""
    return f"{mechanism}{_OF}{quantity}"


def own_mechanism(privileged: Mapping[str, Array], skill: str) -> dict[str, Array]:
    """What a skill sees of the mechanisms on its table, under the names that terms ask for.

    Args:
        privileged: Values by name, those of mechanisms as `quantity_of` names them. Others stay.
        skill: It sees the mechanism of its own name, or the only one that there is; else none.
    """
    there = dict.fromkeys(name.split(_OF)[0] for name in privileged if _OF in name)
    own = skill if skill in there or len(there) != 1 else next(iter(there))
    plain = {name: value for name, value in privileged.items() if _OF not in name}
    named = {name: quantity_of(own, name) for name in MECHANISM_QUANTITIES}
    return plain | {name: privileged[key] for name, key in named.items() if key in privileged}


def _of_mechanism(f: Frame, quantity: str) -> Array:
    if quantity not in f.state.privileged:
        raise SleightError(
            "a skill sees a mechanism that nobody tells of",
            value=quantity,
            remedy="put its mechanism on the table, under the skill's name",
        )
    return f.state.privileged[quantity]


@term(lambda table: len(table.joint_names), unit="1", frame="joint", provenance="proprioception")
def hand_joints(f: Frame) -> Array:
    """Joint positions, -1 to 1 over each joint's range."""
    lower, upper = f.kinematics.range.like(f.state.joint_pos)
    return 2.0 * (f.state.joint_pos - lower) / (upper - lower) - 1.0


@term(4, unit="1", frame="task", provenance="proprioception")
def wrist_quat(f: Frame) -> Array:
    """Orientation of the hand's root body, wxyz, w >= 0."""
    return quat_normalize(f.state.wrist_quat)


def _from_palm(f: Frame, point: Array) -> Array:
    return quat_rotate(f.from_wrist, point - f.palm)


@term(3, unit="m", frame="wrist", provenance="privileged")
def palm_to_object(f: Frame) -> Array:
    """True object position minus grasp centre."""
    return _from_palm(f, f.state.privileged["object_pos"])


@term(3, unit="m", frame="task", provenance="privileged")
def object_to_target(f: Frame) -> Array:
    """Goal position minus true object position."""
    return f.state.goal_pos - f.state.privileged["object_pos"]


@term(4, unit="1", frame="task", provenance="privileged")
def object_quat(f: Frame) -> Array:
    """True orientation of the object, wxyz, w >= 0."""
    return quat_normalize(f.state.privileged["object_quat"])


@term(1, unit="rad", frame="task", provenance="privileged")
def object_tilt(f: Frame) -> Array:
    """Angle between the object's z axis and the vertical, 0 to pi."""
    return tilt(f.state.privileged["object_quat"])[:, None]


def tilt(quat: Array) -> Array:
    """Angle (...,) rad in [0, pi] between the z axes of unit orientations (..., 4) and the vertical."""
    xp = namespace(quat)
    # The vertical part of the turned z axis: 1 - 2 (x^2 + y^2).
    up = 1.0 - 2.0 * (quat[..., 1] ** 2 + quat[..., 2] ** 2)
    return xp.acos(xp.clip(up, -1.0, 1.0))


@term(3, unit="m", frame="wrist", provenance="privileged")
def palm_to_handle(f: Frame) -> Array:
    """True position of the mechanism's handle minus grasp centre."""
    return _from_palm(f, _of_mechanism(f, "handle_pos"))


@term(3, unit="m", frame="task", provenance="privileged")
def handle_pos(f: Frame) -> Array:
    """True position of the mechanism's handle."""
    return _of_mechanism(f, "handle_pos")


def mechanism_term(joints: int) -> str:
    """Name of the term that holds the positions of a mechanism's joints, from base to handle.

    Raises:
        SleightError: There is no such term.
    """
    if joints not in MECHANISM_SIZES:
        raise SleightError(
            "no observation term holds so many joints", value=joints, remedy=f"choose one of {MECHANISM_SIZES}"
        )
    return f"{MECHANISM_JOINTS}_{joints}"


def _register_mechanism(joints: int) -> None:
    def function(f: Frame) -> Array:
        """Positions of the mechanism's joints, from base to handle (rad or m)."""
        return _of_mechanism(f, MECHANISM_JOINTS)

    function.__name__ = mechanism_term(joints)
    term(joints, unit="rad or m", frame="joint", provenance="privileged")(function)


for _joints in MECHANISM_SIZES:
    _register_mechanism(_joints)


def registered_name(name: str, size: int) -> str:
    """Name under which a term of a task's observation is registered; a mechanism's joints are counted in it."""
    return mechanism_term(size) if name == MECHANISM_JOINTS else name


def skill_terms(table: HandTable, sizes: Mapping[str, int]) -> tuple[TermSpec, ...]:
    """Describe a skill's observation in a manifest, in raw units.

    Args:
        table: The hand.
        sizes: Sizes of its terms by their names in the tasks, in order (`ComposeObservation.sizes`).

    Raises:
        SleightError: A term is unknown, or of another size.
    """
    specs = tuple(TermSpec.of(registered_name(name, size), table, clip=None) for name, size in sizes.items())
    for spec, size in zip(specs, sizes.values(), strict=True):
        if spec.size != size:
            raise SleightError(f"observation term '{spec.name}' has {spec.size} elements", value=size)
    return specs
