"""Readers of the public grasp datasets: UniDexGrasp / ResDex trees and DexGraspNet files.

Their files hold pickles; nothing in them is trusted or run (`unpickle`).
"""

from sleight_sim.objects.datasets.dexgraspnet import DexGraspNet
from sleight_sim.objects.datasets.grasps import DATASET_JOINTS, DatasetGrasps
from sleight_sim.objects.datasets.unidexgrasp import UniDexGrasp

__all__ = ["DATASET_JOINTS", "DatasetGrasps", "DexGraspNet", "UniDexGrasp"]
