"""Values whose gradient is known, so that autograd need not find it by many operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


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
