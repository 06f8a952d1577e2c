"""The base of every loss: weighted values and their weights, divided in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, NamedTuple

from torch import Tensor

from dltools.losses.ramp import Ramp, as_ramp
from dltools.module import ConfigModule


class Reduction(str, Enum):
    """How the values of a loss become what it returns."""

    mean = "mean"
    """Their sum over the sum of their weights."""
    sum = "sum"
    """Their sum."""
    none = "none"
    """The values themselves; not for training."""


class Elements(NamedTuple):
    """What a loss says of each element: pixel, region, box or joint."""

    value: Tensor
    """The loss times the weight, exactly 0 where nothing counts; fp32, or fp64 for fp64 inputs."""
    weight: Tensor | None = None
    """The weight, of a shape that broadcasts to the values; None is 1 for each."""


class Measure(NamedTuple):
    """A sum and what it weighs, scalars on the device, which add over batches and ranks before anyone divides."""

    total: Tensor
    weight: Tensor

    @property
    def mean(self) -> Tensor:
        """Return total / weight: 0 with zero gradient where nothing counts."""
        return self.total / self.weight.where(self.weight > 0, 1)


@dataclass(kw_only=True, eq=False, repr=False)
class Loss(ConfigModule):
    """Base of losses: a subclass says what each element costs and weighs, the base sums and divides.

    The mean has one definition for all, `sum(w * valid * loss) / sum(w * valid)`. Sums are fp32 (fp64 for fp64
    inputs), whatever the precision of the inputs.
    """

    kind: ClassVar[str] = "classes"
    """Which of a policy's outputs the loss reads, such as `classes`, `boxes` or `values`."""

    is_nonnegative: ClassVar[bool] = True
    """Whether the loss is never below 0."""

    weight: float = 1.0
    """Weight of this term in the sum of the losses."""
    ramp: Ramp = field(default_factory=Ramp)
    """How the weight changes over the training: shape, start, begin, end."""
    reduction: Reduction = Reduction.mean
    """Return the weighted mean, the sum, or (outside of a training) the value of each element."""

    def __post_init__(self) -> None:
        """Make the ramp of what a config gives."""
        self.ramp = as_ramp(self.ramp)

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the weighted loss of each element, and the weights.

        Raises:
            ValueError: shapes or dtypes are not what this loss takes.
            DataError: a target has a value that it must not have.
        """
        raise NotImplementedError

    def measure(self, *pair: Tensor) -> Measure:
        """Return the sum of the weighted losses and the sum of the weights.

        Where nothing counts, the weight, the sum and its gradient are 0.

        Args:
            *pair: what `elements` takes: input, target and what else it may need.
        """
        return summed(self.elements(*pair))

    def forward(self, *pair: Tensor) -> Tensor:
        """Return the mean or the sum, a scalar on the graph of the input, or the value of each element.

        Args:
            *pair: what `elements` takes: input, target and what else it may need.
        """
        if self.reduction is Reduction.none:
            return self.elements(*pair).value
        return self.reduce(self.measure(*pair))

    def reduce(self, measure: Measure) -> Tensor:
        """Return the mean or the sum."""
        return measure.total if self.reduction is Reduction.sum else measure.mean


def summed(elements: Elements) -> Measure:
    """Return the sums of values and weights."""
    value, weight = elements
    if weight is None:
        return Measure(value.sum(), value.new_full((), value.numel()))
    repeats = value.numel() // max(weight.numel(), 1)
    return Measure(value.sum(), weight.to(value.dtype).sum() * repeats)


def weighted(loss: Tensor, weight: Tensor | None) -> Elements:
    """Multiply losses by weights, which may be boolean and broadcast to them; None counts each as 1."""
    if weight is None:
        return Elements(loss)
    weight = weight.to(loss.dtype)
    return Elements(loss * weight, weight)
