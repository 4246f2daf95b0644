"""Grasp proposals: from datasets, and made for any object and hand (docs/proposals.md)."""

from sleight_sim.grasps.generate import Generator, GeneratorConfig
from sleight_sim.grasps.proposal import GraspProposal, GraspProposals, from_dataset
from sleight_sim.grasps.verify import verify

__all__ = ["Generator", "GeneratorConfig", "GraspProposal", "GraspProposals", "from_dataset", "verify"]
