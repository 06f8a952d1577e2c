"""Fractions of counts and means of values, in which the undefined stays undefined."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dltools.distutils import widest_float


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole of counts, NaN for 0 / 0; fp64 where the device has it."""
    dtype = widest_float(part.device)
    return part.to(dtype) / whole.to(dtype)


def mean_of_defined(values: Tensor) -> Tensor:
    """Return the mean over the first dimension of what is not NaN, NaN where nothing is: (N, ...) to (...), fp64.

    The sum is rounded once, so that the mean does not depend on the order of the values.
    """
    columns = values.detach().cpu().double().reshape(len(values), math.prod(values.shape[1:])).T.tolist()
    means = [_mean([value for value in column if not math.isnan(value)]) for column in columns]
    return torch.tensor(means, dtype=torch.float64).reshape(values.shape[1:])


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
