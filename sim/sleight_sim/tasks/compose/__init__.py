"""The tasks of DexCompose (appendix A): four retention and four interaction skills, and the two of its real robot."""

from sleight_sim.tasks.compose.action import ComposeAction, PoseCommand
from sleight_sim.tasks.compose.config import TASKS, ComposeTaskConfig, task_config

__all__ = ["TASKS", "ComposeAction", "ComposeTaskConfig", "PoseCommand", "task_config"]
