"""Objects to grasp: procedural household families and mesh files, all as convex pieces of one fixed layout."""

from sleight_sim.objects.clouds import code_clouds, farthest_points
from sleight_sim.objects.convex import MAX_PIECES, PIECE_VERTICES
from sleight_sim.objects.household import FAMILIES, household_object
from sleight_sim.objects.mesh import load_mesh_object
from sleight_sim.objects.mjcf import add_object
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.objects.spec import ObjectSpec, StablePoses
from sleight_sim.objects.splits import HouseholdSplit

__all__ = [
    "FAMILIES",
    "MAX_PIECES",
    "PIECE_VERTICES",
    "HouseholdSplit",
    "ObjectSpec",
    "StablePoses",
    "add_object",
    "code_clouds",
    "farthest_points",
    "household_object",
    "load_mesh_object",
    "resolve_objects",
]
