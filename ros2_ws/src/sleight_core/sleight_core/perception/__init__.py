"""From point clouds to the object: its cloud, its position and how well it is seen."""

from sleight_core.perception.pipeline import ObjectObservation, PerceptionConfig, PerceptionPipeline, PerceptionReason
from sleight_core.perception.views import CameraView

__all__ = ["CameraView", "ObjectObservation", "PerceptionConfig", "PerceptionPipeline", "PerceptionReason"]
