"""Losses of the distance between two numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from dltools.cfgutils import NonNegativeFloat, PositiveFloat, component
from dltools.losses.base import Elements, Loss, weighted
from dltools.losses.precision import raised

__all__ = [
    "CharbonnierLoss",
    "HuberLoss",
    "L1Loss",
    "LogCoshLoss",
    "MAELoss",
    "MSELoss",
    "MagnitudeLoss",
    "SmoothL1Loss",
]


@dataclass(kw_only=True, eq=False, repr=False)
class MagnitudeLoss(Loss):
    """Base of losses of a difference: a subclass is its penalty of (input - target).

    Input and target have one shape, any. Elements whose target is NaN, or that `valid` leaves out, count nothing and
    have a gradient of exactly 0, whatever the input is; the mean divides by the number, or the weight, of the others.

    Raises ValueError for shapes that differ or a `valid` that does not broadcast to them.
    """

    kind: ClassVar[str] = "values"

    def penalty(self, difference: Tensor) -> Tensor:
        """Return the loss of each element."""
        raise NotImplementedError

    def elements(self, input: Tensor, target: Tensor, valid: Tensor | None = None) -> Elements:
        """Return the penalty of each element, and what it weighs.

        Args:
            input: any shape.
            target: the same shape; NaN is unknown.
            valid: boolean, or weights of 0 and up, that broadcast to that shape; None counts all.
        """
        pair = known_values(input, target, valid)
        return weighted(self.penalty(pair.input - pair.target), pair.weight)


@component("loss", "l1")
class L1Loss(MagnitudeLoss):
    """Absolute difference.

    |d|. Any shape, NaN targets left out, range 0 and up. Raises ValueError for shapes that differ.
    """

    def penalty(self, difference: Tensor) -> Tensor:
        """Return |d|."""
        return difference.abs()


@component("loss", "mae")
class MAELoss(L1Loss):
    """Mean absolute error: `l1` under its other name.

    |d|. Any shape, NaN targets left out, range 0 and up. Raises ValueError for shapes that differ.
    """


@component("loss", "mse")
class MSELoss(MagnitudeLoss):
    """Squared difference.

    d^2. Any shape, NaN targets left out, range 0 and up. Raises ValueError for shapes that differ.
    """

    def penalty(self, difference: Tensor) -> Tensor:
        """Return d^2."""
        return difference.square()


@component("loss", "huber")
class HuberLoss(MagnitudeLoss):
    """Squared difference that is linear above delta.

    d^2 / 2 for |d| < delta, else delta (|d| - delta / 2): delta times `smooth_l1` of beta = delta. Any shape, NaN
    targets left out, range 0 and up. Huber 1964, doi:10.1214/aoms/1177703732, section 4. Raises ValueError for shapes
    that differ.
    """

    delta: PositiveFloat = 1.0
    """Size of the difference at which the quadratic part ends; also the largest slope."""

    def penalty(self, difference: Tensor) -> Tensor:
        """Return the Huber function of d."""
        return _huber(difference, self.delta)


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
        return _huber(difference, self.beta) / self.beta if self.beta > 0 else difference.abs()


@component("loss", "log_cosh")
class LogCoshLoss(MagnitudeLoss):
    """Logarithm of the hyperbolic cosine of the difference: d^2 / 2 near 0, |d| - log 2 far away.

    log cosh d = |d| + log((1 + e^(-2|d|)) / 2), which neither overflows far away nor cancels near 0. Any shape, NaN
    targets left out, range 0 and up. Raises ValueError for shapes that differ.
    """

    def penalty(self, difference: Tensor) -> Tensor:
        """Return log cosh d."""
        size = difference.abs()
        return size + torch.log1p(torch.expm1(-2 * size) / 2)


@component("loss", "charbonnier")
class CharbonnierLoss(MagnitudeLoss):
    """Absolute difference that is rounded off around 0.

    sqrt(d^2 + epsilon^2). Any shape, NaN targets left out, range epsilon and up. Charbonnier et al. 1994,
    doi:10.1109/ICIP.1994.413553; as a loss in Lai et al. 2017 (LapSRN), arXiv:1710.01992, eq. 4. Raises ValueError
    for shapes that differ.
    """

    epsilon: PositiveFloat = 1e-3
    """Where the curve bends."""

    def penalty(self, difference: Tensor) -> Tensor:
        """Return the hypotenuse of d and epsilon."""
        return torch.hypot(difference, difference.new_full((), self.epsilon))


class KnownValues(NamedTuple):
    """Input and target in fp32 at least, both 0 where nothing counts, and what each element weighs."""

    input: Tensor
    target: Tensor
    weight: Tensor


def known_values(input: Tensor, target: Tensor, valid: Tensor | None = None) -> KnownValues:
    """Pair input and target, without the elements whose target is NaN or that are not valid.

    Args:
        input: any shape, floating.
        target: the same shape.
        valid: boolean, or weights of 0 and up, that broadcast to that shape.

    Raises:
        ValueError: the shapes do not fit or the input is not floating.
    """
    values = raised(input)
    if input.shape != target.shape:
        raise ValueError(f"input and target must have one shape, got {tuple(input.shape)} and {tuple(target.shape)}")
    weight = ~target.isnan()
    if valid is not None:
        if not _broadcasts(valid.shape, input.shape):
            raise ValueError(f"valid must broadcast to input {tuple(input.shape)}, got {tuple(valid.shape)}")
        weight = torch.where(weight, valid, torch.zeros_like(valid))
    known = weight > 0
    return KnownValues(torch.where(known, values, 0), torch.where(known, target.to(values.dtype), 0), weight)


def _huber(difference: Tensor, delta: float) -> Tensor:
    """Return the Huber function without a second branch, whose square could overflow."""
    size = difference.abs()
    inner = size.clamp(max=delta)
    return inner * (size - inner / 2)


def _broadcasts(shape: torch.Size, to: torch.Size) -> bool:
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(side in (1, other) for side, other in pairs)
