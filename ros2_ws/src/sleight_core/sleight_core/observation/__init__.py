"""Observations: named terms with unit, frame, scale, clip and provenance (architecture, contract 2)."""

from sleight_core.observation import compose_terms as compose_terms  # registers its terms
from sleight_core.observation import estimated_terms as estimated_terms  # likewise
from sleight_core.observation import reorient as reorient  # likewise
from sleight_core.observation import residual_terms as residual_terms  # likewise
from sleight_core.observation import scene_terms as scene_terms  # likewise
from sleight_core.observation.spec import ObservationBuilder, TermSpec
from sleight_core.observation.state import RobotState
from sleight_core.observation.terms import PROVENANCES, TERMS, Provenance

__all__ = ["PROVENANCES", "TERMS", "ObservationBuilder", "Provenance", "RobotState", "TermSpec"]
