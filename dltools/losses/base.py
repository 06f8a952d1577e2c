"""The base of every loss: a weighted sum and its weight, divided in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import FieldError
from dltools.module import ConfigModule


class Mode(str, Enum):
    """What the channels of the logits mean."""

    binary = "binary"
    """One channel: foreground or not (sigmoid)."""
    multiclass = "multiclass"
    """C channels of which one holds at each place (softmax)."""
    multilabel = "multilabel"
    """C channels that hold or not independently (sigmoid)."""


@dataclass(kw_only=True, eq=False, repr=False)
class Loss(ConfigModule):
    """Base of losses: a subclass says what to sum and what the sum weighs, the base divides.

    The mean has one definition for all, `sum(w * valid * loss) / sum(w * valid)`, so that sums and weights can
    also be added over micro-batches or ranks before anyone divides. Sums are fp32 (fp64 for fp64 inputs),
    whatever the precision of the inputs.
    """

    kind: ClassVar[str] = "classes"
    """Which of a policy's outputs the loss reads: `classes`, `boxes` or `values`."""

    weight: float = 1.0
    """Weight of this term in the sum of the losses."""

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the loss and the weight of that sum, two scalars on the device of `input`.

        Where nothing counts, the weight, the sum and its gradient are 0.

        Raises:
            ValueError: shapes or dtypes are not what this loss takes.
            DataError: a target has a value that it must not have.
        """
        raise NotImplementedError

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the mean, a scalar on the graph of `input`: 0 with zero gradient where nothing counts."""
        total, weight = self.measure(input, target)
        return total / torch.where(weight > 0, weight, 1)


@dataclass(kw_only=True, eq=False, repr=False)
class ClassLoss(Loss):
    """Base of losses over class scores: places can be ignored, classes can be weighted."""

    ignore_index: int | None = None
    """Target value whose places are left out as if they were cut away; None leaves out nothing."""
    class_weight: list[float] | None = None
    """Weight of each class, one for each channel; None weighs all alike."""

    def __post_init__(self) -> None:
        """Check the class weights and make their buffer."""
        self._keep_per_channel("class_weight")

    def per_channel(self, field: str, like: Tensor) -> Tensor | None:
        """Return a field of one value a channel as (C,) in the dtype of `like` (N, C, *spatial), None where it is None.

        Raises:
            FieldError: there is not one value for each of the C channels.
        """
        values = self._buffers[f"_{field}"]
        if values is None:
            return None
        if len(values) != like.shape[1]:
            raise FieldError(field, f"must have {like.shape[1]} values, one a channel, got {len(values)}")
        return values.to(like.dtype)

    def _keep_per_channel(self, field: str) -> None:
        """Check a field of one value a channel and make its buffer, which moves with the module and is not saved."""
        values = getattr(self, field)
        if values is not None and not (sum(values) > 0 and all(0 <= value < math.inf for value in values)):
            raise FieldError(field, f"must be finite, not negative and not all zero, got {list(values)}")
        buffer = None if values is None else torch.tensor(values, dtype=torch.float32)
        self.register_buffer(f"_{field}", buffer, persistent=False)

    def _refuse_class_weight(self, instead: str) -> None:
        """Refuse class weights where they would cancel out: with a single channel."""
        if self.class_weight is not None:
            raise FieldError("class_weight", f"must be None in mode binary, where it cancels out; {instead}")


def weighted_sum(loss: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return `sum(weight * loss)` and `sum(weight)`; a weight of None counts every element as 1.

    The weight may be boolean, and of any shape that broadcasts to the loss.
    """
    if weight is None:
        return loss.sum(), loss.new_full((), loss.numel())
    weight = weight.to(loss.dtype).expand_as(loss)
    return (loss * weight).sum(), weight.sum()
