"""A contract double of Isaac Gym Preview 4: the calls that our adapter makes, and what the public API asks of them.

It simulates nothing but kinematics. Facts are those of the public API: its names, arguments, tensors, and the order in
which it wants to be called; none of its code is here.
"""

import sys

if "torch" in sys.modules:
    raise ImportError("PyTorch was imported before isaacgym modules.  Please import torch after isaacgym modules.")
