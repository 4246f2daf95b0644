"""Observations that hold the codes of a task's objects."""

from __future__ import annotations

from sleight_sim.tasks.grasp.env import GraspTask

from sleight_training.codes.encoder import Encode, object_codes

TERM = "object_code"


def add_codes(task: GraspTask, encode: Encode) -> None:
    """Let a task know its objects' codes, where a term of its observations asks for them."""
    specs = (*task.observation.specs, *task.critic_observation.specs)
    if any(spec.name == TERM for spec in specs):
        task.known[TERM] = object_codes(task.objects, encode)
