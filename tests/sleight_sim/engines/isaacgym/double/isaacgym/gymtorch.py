"""Between descriptors and torch tensors."""

import torch

from . import gymapi
from .contract import CALLS, CONTRACT, want

CONTRACT.update(wrap_tensor="any", unwrap_tensor="any", acquire_gym="any")


def wrap_tensor(gym_tensor):
    """Return the torch tensor on the simulator's memory."""
    want(isinstance(gym_tensor, gymapi.Tensor), "wrap_tensor takes a descriptor")
    CALLS["wrap_tensor"] += 1
    return gym_tensor.tensor


def unwrap_tensor(torch_tensor):
    """Return a descriptor of a torch tensor's memory, which must be contiguous."""
    want(isinstance(torch_tensor, torch.Tensor), "unwrap_tensor takes a tensor")
    want(torch_tensor.is_contiguous(), "Input tensor must be contiguous")
    CALLS["unwrap_tensor"] += 1
    return gymapi.Tensor(torch_tensor)
