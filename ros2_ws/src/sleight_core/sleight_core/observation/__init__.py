"""Observations: named terms with unit, frame, scale, clip and provenance (architecture, contract 2)."""

from sleight_core.observation import reorient as reorient  # registers its terms
from sleight_core.observation.spec import ObservationBuilder, TermSpec
from sleight_core.observation.state import RobotState
from sleight_core.observation.terms import PROVENANCES, TERMS, Provenance

__all__ = ["PROVENANCES", "TERMS", "ObservationBuilder", "Provenance", "RobotState", "TermSpec"]
