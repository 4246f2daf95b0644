"""Hand tables and the kinematics made from them."""

from sleight_core.hand.kinematics import FingertipKinematics, Fingertips
from sleight_core.hand.orders import JointOrder
from sleight_core.hand.table import HandTable

__all__ = ["FingertipKinematics", "Fingertips", "HandTable", "JointOrder"]
