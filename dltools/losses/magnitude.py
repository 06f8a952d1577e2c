"""Losses of the distance between two numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import NonNegativeFloat, component
from dltools.losses.base import Loss, weighted_sum
from dltools.losses.targets import raised


@dataclass(kw_only=True, eq=False, repr=False)
class MagnitudeLoss(Loss):
    """Base of losses of a difference: a subclass is its penalty of (input - target).

    Input and target have one shape, any. Where the target is NaN nothing counts and the gradient is exactly 0;
    the mean divides by the number of the others.

    Raises ValueError for shapes that differ.
    """

    kind: ClassVar[str] = "values"

    def penalty(self, difference: Tensor) -> Tensor:
        """Return the loss of each element."""
        raise NotImplementedError

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the penalties and the number of elements that have a target."""
        values, truth, known = known_values(input, target)
        return weighted_sum(self.penalty(values - truth), known)


@component("loss", "l1")
class L1Loss(MagnitudeLoss):
    """Absolute difference.

    Any shape, NaN targets left out, range 0 and up. Raises ValueError for shapes that differ.
    """

    def penalty(self, difference: Tensor) -> Tensor:
        """Return |d|."""
        return difference.abs()


@component("loss", "smooth_l1")
class SmoothL1Loss(MagnitudeLoss):
    """Absolute difference that is quadratic below beta.

    d^2 / (2 beta) for |d| < beta, else |d| - beta / 2; at beta 0 it is `l1`. Any shape, NaN targets left out,
    range 0 and up. Girshick 2015 (Fast R-CNN), arXiv:1504.08083, eq. 3 (beta 1). Raises ValueError for shapes
    that differ.
    """

    beta: NonNegativeFloat = 1.0
    """Size of the difference at which the quadratic part ends."""

    def penalty(self, difference: Tensor) -> Tensor:
        """Return the Huber function of d, divided by beta."""
        if self.beta == 0:
            return difference.abs()
        size = difference.abs()
        return torch.where(size < self.beta, size * size / (2 * self.beta), size - self.beta / 2)


def known_values(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return input and target with 0 where the target is NaN, and where it is not; in fp32 at least.

    Raises:
        ValueError: the shapes differ or the input is not floating.
    """
    values = raised(input)
    if input.shape != target.shape:
        raise ValueError(f"input and target must have one shape, got {tuple(input.shape)} and {tuple(target.shape)}")
    known = ~target.isnan()
    return torch.where(known, values, 0), torch.where(known, target.to(values.dtype), 0), known
