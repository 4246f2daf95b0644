"""Training in several processes that `torchrun` starts: each steps its own environments, gradients are averaged."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from sleight_core.errors import SleightError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process among those of one training.

    Attributes:
        rank: Its number; 0 writes logs and checkpoints.
        local: Its number on this machine, and that of its GPU.
        count: Processes in all.
    """

    rank: int = 0
    local: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process speaks for all."""
        return self.rank == 0

    def rsl_rl(self) -> dict[str, int] | None:
        """What rsl-rl calls `multi_gpu`."""
        if self.count == 1:
            return None
        return {"global_rank": self.rank, "local_rank": self.local, "world_size": self.count}

    def once(self, make: Callable[[], Value]) -> Value:
        """Return what `make` returns in the first process, in all of them.

        Raises:
            SleightError: `make` raised it; the other processes end without a word.
        """
        if self.count == 1:
            return make()
        box: list[Any] = [None, False]
        try:
            if self.first:
                box = [make(), True]
        finally:
            dist.broadcast_object_list(box, src=0)
        if not box[1]:
            raise SystemExit(1)
        return box[0]

    def any(self, flag: bool, device: str) -> bool:
        """Whether any process says so; all get the same answer."""
        if self.count == 1:
            return flag
        said = torch.tensor(float(flag), device=device)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return bool(said)

    def mean(self, value: float, device: str) -> float:
        """The mean over all processes; all get the same answer."""
        if self.count == 1:
            return value
        said = torch.tensor(value, device=device)
        dist.all_reduce(said, op=dist.ReduceOp.SUM)
        return float(said) / self.count


def ranks() -> Ranks:
    """What `torchrun` says of this process; alone without it.

    Raises:
        SleightError: Its environment variables make no sense.
    """
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
    found = {name: os.environ[name] for name in names if name in os.environ}
    if "WORLD_SIZE" not in found:
        return Ranks()
    try:
        rank, local, count = (int(found[name]) for name in names)
    except (KeyError, ValueError) as error:
        raise SleightError("torchrun sets RANK, LOCAL_RANK and WORLD_SIZE", value=found) from error
    if not 0 <= local <= rank < count:
        raise SleightError("a process' rank must be below the number of processes", value=found)
    return Ranks(rank, local, count)


def learner_device(engine: str, here: Ranks) -> str:
    """Where a process learns: beside its physics, on GPU `here.local` for an engine that runs there, else the CPU.

    Raises:
        SleightError: There are more processes on this machine than GPUs.
    """
    if engine not in ("mujoco_warp", "isaacgym") or not torch.cuda.is_available():
        return "cpu"
    if here.local >= torch.cuda.device_count():
        raise SleightError(
            "there are more processes than GPUs",
            value=f"process {here.local} of a machine with {torch.cuda.device_count()}",
            remedy="give torchrun --nproc-per-node at most that number",
        )
    return f"cuda:{here.local}"


@contextlib.contextmanager
def joined(here: Ranks, device: str) -> Iterator[Ranks]:
    """Join the processes of a training (gloo on the CPU, NCCL on GPUs) for as long as the context lasts."""
    if here.count == 1:
        yield here
        return
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.set_device(here.local)
    dist.init_process_group("nccl" if cuda else "gloo", rank=here.rank, world_size=here.count)
    try:
        yield here
    finally:
        dist.destroy_process_group()
