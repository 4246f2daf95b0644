"""The tabletop grasp of ResDex: lift an object to a goal 20 cm above the table and hold it there."""

from sleight_sim.tasks.grasp.config import GraspTaskConfig, RandomisationConfig, RewardConfig

__all__ = ["GraspTaskConfig", "RandomisationConfig", "RewardConfig"]
