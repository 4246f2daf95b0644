"""From point clouds to the object: its cloud, its position and how well it is seen."""

from sleight_core.perception.pipeline import ObjectObservation, PerceptionConfig, PerceptionPipeline, PerceptionReason

__all__ = ["ObjectObservation", "PerceptionConfig", "PerceptionPipeline", "PerceptionReason"]
