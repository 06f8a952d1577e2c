"""Devices and ranks: the one place that talks to them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from dltools.cfgutils import ConfigError


def choose_device(name: str) -> torch.device:
    """Return the device of a name, where `auto` is the best one there is.

    Args:
        name: `auto`, or anything that `torch.device` takes, such as `cpu` or `cuda:1`.

    Raises:
        ConfigError: the name is no device, or this machine does not have it.
    """
    if name == "auto":
        best = torch.accelerator.current_accelerator(check_available=True)
        return best if best is not None else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(":")[0]
        raise ConfigError(f"device={name} cannot be used here ({reason}). Use device=auto or device=cpu.") from error
    return device


def world_size() -> int:
    """Return the number of ranks: 1 where no process group is."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this rank, 0 where no process group is."""
    return dist.get_rank() if world_size() > 1 else 0


def meeting_device() -> torch.device:
    """Return where tensors must be to be sent to other ranks."""
    only_cuda = dist.is_initialized() and dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if only_cuda else torch.device("cpu")


def gather_over_ranks(values: Tensor) -> Tensor:
    """Return the tensors of all ranks, (ranks, ...), of one shape and dtype; every rank must take part."""
    if world_size() == 1:
        return values.unsqueeze(0)
    gathered = values.new_empty(world_size() * values.numel())
    dist.all_gather_into_tensor(gathered, values.flatten())
    return gathered.view(world_size(), *values.shape)


def gather_objects(value: Any) -> list[Any]:
    """Return the objects of all ranks, pickled on their way; every rank must take part."""
    if world_size() == 1:
        return [value]
    gathered: list[Any] = [None] * world_size()
    dist.all_gather_object(gathered, value)
    return gathered


def widest_float(device: torch.device) -> torch.dtype:
    """Return the widest floating-point type of a device: fp64 wherever there is one."""
    return torch.float32 if device.type == "mps" else torch.float64


def sum_over_ranks(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all ranks, differentiable; every rank must take part.

    The gradients are summed over the ranks too. A loss that is computed of such sums is the same on each rank, so that
    each gets the number of ranks times its share of the gradient, and the mean that DistributedDataParallel takes is
    the gradient of one rank with the whole batch.
    """
    return values if world_size() == 1 else _SumOverRanks.apply(values)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _all_reduced(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _all_reduced(gradient)


def _all_reduced(values: Tensor) -> Tensor:
    total = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total
