"""Observations that hold the codes of a task's objects."""

from __future__ import annotations

from sleight_core.observation import ObservationBuilder, RobotState
from sleight_core.observation.terms import Frame
from sleight_sim.tasks.grasp.env import GraspTask

from sleight_training.codes.encoder import Array, Encode, object_codes

TERM = "object_code"


class CodedObservation(ObservationBuilder):
    """Observations of a task whose worlds hold objects of known code.

    Args:
        builder: What to observe.
        codes: (B, 64) code of each environment's object.
    """

    def __init__(self, builder: ObservationBuilder, codes: Array) -> None:
        super().__init__(builder.table, builder.specs, builder.kinematics)
        self.codes = codes

    def frame(self, state: RobotState) -> Frame:
        """Return the shared intermediate results for a batch of states, with the codes among what only we know."""
        state.privileged[TERM] = self.codes
        return super().frame(state)


def add_codes(task: GraspTask, encode: Encode) -> None:
    """Let a task's observation hold its objects' codes, where one of its terms asks for them."""
    if any(spec.name == TERM for spec in task.observation.specs):
        task.observation = CodedObservation(task.observation, object_codes(task.objects, encode))
