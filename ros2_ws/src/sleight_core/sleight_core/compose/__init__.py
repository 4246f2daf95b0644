"""Composing two skills on one hand (DexCompose): the pose action, who owns its elements, bounded residuals."""

from sleight_core.compose.action import ComposeAction, PoseCommand
from sleight_core.compose.ownership import Ownership
from sleight_core.compose.residual import DualResidual

__all__ = ["ComposeAction", "DualResidual", "Ownership", "PoseCommand"]
