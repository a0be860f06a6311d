"""Data-parallel training by single-threaded processes that meet once a step.

On a few CPU cores that other work uses too, threads inside each small operation mostly wait for one another.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import multiprocessing


class Team:
    """The processes of one training. Alone (count 1) every method is the identity."""

    def __init__(self, rank: int = 0, count: int = 1):
        self.rank, self.count = rank, count

    def agree(self, value: float) -> float:
        """The first process's value, in all of them."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return shared.item()

    def total(self, tensors: list[torch.Tensor]) -> None:
        """Each tensor becomes its sum over the processes."""
        if self.count == 1:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def mean_gradients(self, module: torch.nn.Module) -> None:
        """Each gradient becomes its mean over the processes."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        self.total(gradients)
        if self.count > 1:
            torch._foreach_div_(gradients, self.count)


def _member(rank: int, count: int, meeting: str, work: Callable, options) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    work(Team(rank, count), options)
    dist.destroy_process_group()


def run(work: Callable, options, processes: int) -> None:
    """work(team, options) in so many processes; in this one when it is 1 or there is a GPU."""
    if processes <= 1 or torch.cuda.is_available():
        work(Team(), options)
        return
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_member, (processes, os.path.join(folder, "meeting"), work, options), processes)
