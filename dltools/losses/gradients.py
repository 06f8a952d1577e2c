"""Values whose gradient is known, so that autograd need not find it by many operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 2**16
"""Elements of a block, few enough for several buffers of that size in the cache of a core."""


def with_gradient(
    input: Tensor, values: tuple[Tensor, ...], gradient: Callable[..., Tensor], *constants: Tensor
) -> tuple[Tensor, ...]:
    """Return values on the graph of the input they were computed from, differentiable once.

    Args:
        input: what the values are a function of.
        values: computed without a graph.
        gradient: given the constants, then the gradient of a loss with respect to each value, returns that with respect
            to the input. It must hold nothing that leads to the returned values, which would never be freed.
        constants: kept for the gradient.
    """
    return _Known.apply(input, gradient, constants, *values)  # type: ignore[no-any-return,unused-ignore]


def with_slope(input: Tensor, function: Callable[..., tuple[Tensor, Tensor]], *constants: Tensor) -> Tensor:
    """Return an elementwise function of the input on its graph, differentiable once.

    On the CPU it runs in blocks whose temporaries stay in the cache, and only the slope is kept for the gradient.

    Args:
        input: of any shape.
        function: of the constants and of nothing else, returns the values and their derivatives by the input.
        constants: what the values are made of, without a graph and of the shape of the input.
    """
    value, slope = _in_blocks(function, constants)
    return with_gradient(input, (value,), torch.mul, slope)[0]


def _in_blocks(function: Callable[..., tuple[Tensor, Tensor]], tensors: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    first = tensors[0]
    if first.device.type != "cpu" or not all(tensor.is_contiguous() for tensor in tensors):
        return function(*tensors)
    results, flat = (torch.empty_like(first), torch.empty_like(first)), [tensor.view(-1) for tensor in tensors]
    for start in range(0, first.numel(), BLOCK):
        here = slice(start, start + BLOCK)
        for result, part in zip(results, function(*(tensor[here] for tensor in flat)), strict=True):
            result.view(-1)[here] = part
    return results


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: Tensor, gradient: Callable[..., Tensor], constants: tuple[Tensor, ...], *values: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.gradient = gradient
        ctx.save_for_backward(*constants)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *of_values: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.gradient(*ctx.saved_tensors, *of_values), None, None, *(None for _ in of_values)
