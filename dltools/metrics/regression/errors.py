"""What metrics of continuous values read: the errors of each sample, and how its truth is spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from dltools.distutils import widest_float
from dltools.metrics.base import Metric
from dltools.metrics.state import Reading, Rows, State

CACHED = 2**16
"""Values that are worked on together on a CPU."""


class Errors(NamedTuple):
    """What was added of each sample, (N,), or of all of them, ()."""

    number: Tensor
    """Values whose truth is known."""
    mean: Tensor
    """Mean of the truth; 0 where nothing is known."""
    spread: Tensor
    """Sum of the squared deviations of the truth from that mean."""
    absolute: Tensor
    """Sum of the absolute errors."""
    squared: Tensor
    """Sum of the squared errors."""


@dataclass(kw_only=True, eq=False, repr=False)
class SampleErrors(State):
    """Errors of the samples of a data set, in fp64.

    Preds and target of one shape (N, ...), of any floating or integer dtype. Where the target is NaN it is unknown and
    nothing counts; a prediction that is NaN elsewhere makes the errors NaN. Each sample is centred on its own mean, and
    the means on theirs, so that no digits are lost where the values are large against their spread (Chan et al. 1983,
    "Algorithms for Computing the Sample Variance").
    """

    def __post_init__(self) -> None:
        """Make the rows, one for each sample."""
        self.rows = Rows(len(Errors._fields))

    def update(self, reading: Reading) -> None:
        """Add the samples of a batch."""
        preds, target = reading.preds, reading.target
        if preds.shape != target.shape or preds.is_complex() or target.is_complex():
            got = f"preds {tuple(preds.shape)} {preds.dtype} and target {tuple(target.shape)} {target.dtype}"
            raise ValueError(f"preds and target must be numbers of one shape (N, ...), got {got}")
        if preds.numel() > 0:
            parts = zip(_parts(preds), _parts(target), strict=True)
            self.rows.add(torch.cat([_errors(*part) for part in parts]))

    def samples(self) -> Errors:
        """Return the errors of each sample, (N,)."""
        return Errors(*self.rows.read().cpu().double().unbind(1))

    def total(self) -> Errors:
        """Return the errors of all samples together, the same in whatever order they were added."""
        samples = self.samples()
        count, mean, spread, absolute, squared = (column[samples.number > 0] for column in samples)
        if len(count) == 0:
            return Errors(*torch.zeros(len(Errors._fields), dtype=torch.float64))
        whole, top = total_of(count), mean.max()
        middle = top + total_of(count * (mean - top)) / whole
        between = total_of(count * (mean - middle).square())
        return Errors(whole, middle, total_of(spread) + between, total_of(absolute), total_of(squared))


@dataclass(kw_only=True, eq=False, repr=False)
class ErrorMetric(Metric):
    """Base of metrics of the errors of values. Shapes and errors: `SampleErrors`."""

    kind: ClassVar[str] = "values"
    higher_is_better: ClassVar[bool | None] = False

    def make_state(self) -> SampleErrors:
        """Return the state of the errors."""
        return SampleErrors()


def total_of(values: Tensor) -> Tensor:
    """Return the sum (n,) to (), rounded once so that the order does not matter; NaN and infinity as `Tensor.sum`."""
    if values.isfinite().all():
        try:
            return torch.tensor(math.fsum(values.tolist()), dtype=torch.float64)
        except OverflowError:
            pass
    return values.sum()


def _parts(values: Tensor) -> tuple[Tensor, ...]:
    """Return tables (n, values) of some samples each, on a CPU so few that what is made of them stays in its cache."""
    table = values.reshape(*values.shape[:1] or (1,), math.prod(values.shape[1:]))
    return table.split(max(1, CACHED // table.shape[1]) if table.device.type == "cpu" else len(table))


def _errors(preds: Tensor, target: Tensor) -> Tensor:
    """Return the rows (N, 5) of samples (N, values)."""
    preds, target = (values.to(widest_float(values.device)) for values in (preds, target))
    unknown = target.isnan()
    number = target.shape[1] - unknown.sum(1, keepdim=True)
    # Deviations from the largest value are exactly 0 where all values are equal.
    top = target.masked_fill(unknown, -math.inf).amax(1, keepdim=True).masked_fill_(number == 0, 0)
    deviation = (target - top).masked_fill_(unknown, 0)
    shift = deviation.sum(1, keepdim=True) / number.clamp(min=1)
    spread = deviation.sub_(shift).masked_fill_(unknown, 0).square_().sum(1)
    error = (preds - target).masked_fill_(unknown, 0)
    absolute = error.abs().sum(1)
    return torch.stack([number[:, 0], (top + shift)[:, 0], spread, absolute, error.square_().sum(1)], 1)
