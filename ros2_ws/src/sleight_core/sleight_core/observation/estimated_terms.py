"""Estimated twins of the terms that only a simulator knows: the same arithmetic on what a bundle's estimators say.

For each term T of the composed skills and residuals with the provenance `privileged` there is `estimated_T`, with the
provenance `perception`. It reads `RobotState.estimates` where T reads `RobotState.privileged`, and cannot reach the
latter. Estimates come from an estimator's graph in the same bundle, and its inputs are terms as well: the loader checks
that there is one, and that none of them is privileged (`sleight_core.bundle.composed_check`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, MECHANISM_SIZES, mechanism_term
from sleight_core.observation.residual_terms import residual_terms as residual_terms  # registers the residuals' terms
from sleight_core.observation.spec import TermSpec
from sleight_core.observation.state import RobotState
from sleight_core.observation.terms import TERMS, Frame, term

Array = Any

PREFIX = "estimated_"
#: What estimators estimate, by the names in the state, with the sizes that it may have: positions (m, task frame), an
#: orientation (wxyz, task frame), joints from base to handle (rad or m).
QUANTITIES: dict[str, tuple[int, ...]] = {
    "object_pos": (3,),
    "object_quat": (4,),
    "handle_pos": (3,),
    MECHANISM_JOINTS: MECHANISM_SIZES,
}
#: Those that are places: they move with the origin of the frame.
PLACES = ("object_pos", "handle_pos")
#: What each twin is made of, by the name of the term that it is the twin of. What else it uses of a held object the
#: run-time fills in (`sleight_core.compose.estimation`).
_MADE_OF: dict[str, tuple[str, ...]] = {
    "palm_to_object": ("object_pos",),
    "object_to_target": ("object_pos",),
    "object_quat": ("object_quat",),
    "object_tilt": ("object_quat",),
    "palm_to_handle": ("handle_pos",),
    "handle_pos": ("handle_pos",),
    **{mechanism_term(joints): (MECHANISM_JOINTS,) for joints in MECHANISM_SIZES},
    "object_pose": ("object_pos",),
    "object_velocity": ("object_pos",),
    "tip_distance_error": ("object_pos",),
}


def twin(name: str) -> str:
    """Name of a term's twin, or of the term itself where it is not privileged.

    Raises:
        SleightError: It is privileged and has no twin.
    """
    if name not in TERMS or TERMS[name].provenance != "privileged":
        return name
    if name not in _MADE_OF:
        raise SleightError("nothing estimates this term", value=name, remedy=f"there are {sorted(_MADE_OF)}")
    return PREFIX + name


def twins(table: HandTable, specs: Iterable[TermSpec]) -> tuple[TermSpec, ...]:
    """An observation with estimated twins in place of its privileged terms; scales and clips stay.

    Raises:
        SleightError: As `twin`.
    """
    return tuple(TermSpec.of(twin(spec.name), table, scale=spec.scale, clip=spec.clip) for spec in specs)


def made_of(name: str) -> tuple[str, ...]:
    """Names of the quantities that a term needs estimates of; none for any but a twin."""
    return _MADE_OF.get(name.removeprefix(PREFIX), ()) if name.startswith(PREFIX) else ()


def believed(state: RobotState) -> RobotState:
    """A state as who takes the estimates for the truth sees it: they stand where the true values would."""
    return replace(state, privileged=state.estimates)


def _frame(f: Frame) -> Frame:
    if "believed" not in f.cache:
        f.cache["believed"] = Frame(believed(f.state), f.kinematics)
    return f.cache["believed"]


def _register(name: str) -> None:
    original, needed = TERMS[name], _MADE_OF[name]

    def function(f: Frame) -> Array:
        if missing := [quantity for quantity in needed if quantity not in f.state.estimates]:
            raise SleightError(
                "the state holds no estimate that the policy sees", value=missing, remedy="run the bundle's estimator"
            )
        return original.function(_frame(f))

    function.__doc__ = f"{original.function.__doc__ or original.name}: as estimated."
    function.__name__ = PREFIX + name
    term(original.size, unit=original.unit, frame=original.frame, provenance="perception")(function)


for _name in _MADE_OF:
    _register(_name)
