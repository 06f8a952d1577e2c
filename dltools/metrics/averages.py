"""How the values of classes become one."""

from __future__ import annotations

from enum import Enum

from torch import Tensor

from dltools.metrics.ratio import ratio


class Average(str, Enum):
    """How the classes become one value."""

    micro = "micro"
    """The value of all places together."""
    macro = "macro"
    """The mean of the classes where the value is defined."""
    weighted = "weighted"
    """The mean of the classes where it is defined, weighted by their true places."""


def mean_of_classes(values: Tensor, true: Tensor, average: Average) -> Tensor:
    """Return the macro or weighted mean over the last dimension of what is not NaN, NaN where nothing is.

    Args:
        values: one for each class, (..., C).
        true: true places of each class, (..., C).
        average: macro or weighted.
    """
    if average is Average.macro:
        return values.nanmean(-1)
    weight = true * ~values.isnan()
    return ratio((values.nan_to_num() * weight).sum(-1), weight.sum(-1))


def averaged(part: Tensor, whole: Tensor, true: Tensor, average: Average) -> Tensor:
    """Return the average of part / whole over classes, (..., C) to (...), NaN where nothing is defined."""
    if average is Average.micro:
        return ratio(part.sum(-1), whole.sum(-1))
    return mean_of_classes(ratio(part, whole), true, average)
