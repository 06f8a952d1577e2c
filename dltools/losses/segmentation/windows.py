"""Largest values of square windows, in passes over the dimensions, and the soft edges that they give.

The borders of an image are no edges: windows end there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dltools.cfgutils import FieldError


def soft_edges(probability: Tensor, size: int) -> Tensor:
    """Return max(1 - p) over the window minus 1 - p: 1 at the places of a region that have others near, 0 elsewhere.

    Bokhovkin and Burnaev 2019, arXiv:1905.07852, eq. 1.

    Args:
        probability: (N, C, *spatial).
        size: side of the window, odd.
    """
    return probability + window_max(-probability, size)


def window_max(values: Tensor, size: int) -> Tensor:
    """Return the largest value of the window around each place, with the gradient to one place that has it.

    Args:
        values: (N, C, *spatial).
        size: side of the window, odd.
    """
    if torch.compiler.is_compiling() or not values.requires_grad:
        for dim in range(2, values.dim()):
            values = _pass(values, dim, size)
        return values
    return _WindowMax.apply(values, size)


def edges_of(ids: Tensor, size: int) -> Tensor:
    """Return where a region (an id of 0 or more) has another id in the window around it, in the shape of the ids.

    Args:
        ids: (M, *spatial) integers.
        size: side of the window, odd.
    """
    channel = ids.unsqueeze(1)
    other = (window_max(channel, size) != channel) | (window_max(-channel, size) != -channel)
    return other.squeeze(1) & (ids >= 0)


def check_window(field: str, size: int, least: int) -> None:
    """Refuse the side of a window that has no middle or is too small.

    Raises:
        FieldError: naming the field.
    """
    if size % 2 == 0 or size < least:
        raise FieldError(field, f"must be odd and at least {least}, got {size}")


def _pass(values: Tensor, dim: int, size: int) -> Tensor:
    """Return the largest value along one dimension of the window."""
    lowest = -torch.inf if values.is_floating_point() else torch.iinfo(values.dtype).min
    shape = list(values.shape)
    shape[dim] = size // 2
    margin = values.new_full(shape, lowest)
    padded = torch.cat([margin, values, margin], dim)
    return reduce(torch.maximum, (padded.narrow(dim, start, values.shape[dim]) for start in range(size)))


class _WindowMax(torch.autograd.Function):
    """Keeps for each pass which neighbour was the largest, in a byte a place: 0 is the place itself."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, size: int) -> Tensor:
        result = torch.empty_like(values, memory_format=torch.contiguous_format)
        choices = values.new_zeros((values.dim() - 2, *values.shape), dtype=torch.uint8)
        for images in _blocks(values):
            block = values[images]
            for dim in range(2, values.dim()):
                best, choice = block.clone(), choices[dim - 2, images]
                for code, (here, there) in enumerate(_shifts(block.shape[dim], size), start=1):
                    old, new, chosen = _part(best, dim, here), _part(block, dim, there), _part(choice, dim, here)
                    torch.maximum(chosen, (new > old).view(torch.uint8).mul_(code), out=chosen)
                    torch.maximum(old, new, out=old)
                block = best
            result[images] = block
        ctx.save_for_backward(choices)
        ctx.size = size
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_result: Tensor) -> tuple[Tensor, None]:
        (choices,) = ctx.saved_tensors
        gradient = torch.empty_like(of_result)
        for images in _blocks(of_result):
            block = of_result[images]
            for dim in reversed(range(2, of_result.dim())):
                choice = choices[dim - 2, images]
                pulled = block * _is(choice, 0, block.dtype)
                for code, (here, there) in enumerate(_shifts(block.shape[dim], ctx.size), start=1):
                    chosen = _is(_part(choice, dim, here), code, block.dtype)
                    _part(pulled, dim, there).addcmul_(_part(block, dim, here), chosen)
                block = pulled
            gradient[images] = block
        return gradient, None


def _blocks(values: Tensor) -> Iterator[slice]:
    """Yield the images one by one on the CPU, whose cache has room for one, and all at once elsewhere."""
    step = 1 if values.device.type == "cpu" else max(len(values), 1)
    return (slice(first, first + step) for first in range(0, len(values), step))


def _shifts(length: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield the places that have a neighbour at each distance to either side, and those neighbours."""
    for distance in range(1, min(size // 2, length - 1) + 1):
        near, far = slice(0, length - distance), slice(distance, length)
        yield near, far
        yield far, near


def _part(values: Tensor, dim: int, places: slice) -> Tensor:
    return values.narrow(dim, places.start, places.stop - places.start)


def _is(choice: Tensor, code: int, dtype: torch.dtype) -> Tensor:
    """Return 1 where bytes are the code and 0 elsewhere; bytes to bytes to floats is the fast way there."""
    return torch.eq(choice, code, out=torch.empty_like(choice)).to(dtype)
