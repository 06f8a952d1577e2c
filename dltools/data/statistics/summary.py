"""Quantiles of values that are counted instead of listed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The distribution of a number; NaN where there is none.

    Example:
        >>> Summary.of([640, 320], counts=[3, 1]).mean
        560.0
    """

    count: int
    """How many numbers there are."""
    minimum: float
    """The smallest."""
    mean: float
    """Their mean."""
    maximum: float
    """The largest."""
    quantiles: dict[float, float] = field(default_factory=dict)
    """Quantiles by their probability, interpolated as numpy does."""

    @classmethod
    def of(cls, values: ArrayLike, counts: ArrayLike | None = None) -> Summary:
        """Return the summary of finite values (N,), each of which is there `counts` (N,) times, or once."""
        values = np.asarray(values, np.float64)
        counts = np.ones(len(values), np.int64) if counts is None else np.asarray(counts, np.int64)
        order = np.argsort(values, kind="stable")
        values, counts = values[order], counts[order]
        total = int(counts.sum())
        low, high, mean = (values[0], values[-1], values @ counts / total) if total else (np.nan,) * 3
        quantiles = dict(zip(QUANTILES, quantiles_of(values, counts, QUANTILES).tolist(), strict=True))
        return cls(count=total, minimum=float(low), mean=float(mean), maximum=float(high), quantiles=quantiles)


def quantiles_of(
    values: NDArray[np.float64], counts: NDArray[np.int64], probabilities: ArrayLike
) -> NDArray[np.float64]:
    """Return what `numpy.quantile` returns for the values repeated by their counts, NaN where there are none.

    Args:
        values: (N,) ascending.
        counts: (N,) how often each value is there.
        probabilities: (Q,) from 0 to 1.
    """
    probabilities = np.asarray(probabilities, np.float64)
    ranks = np.cumsum(counts)
    if not len(ranks) or not ranks[-1]:
        return np.full(len(probabilities), np.nan)
    place = probabilities * (ranks[-1] - 1)
    below = np.floor(place).astype(np.int64)
    low = values[np.searchsorted(ranks, below, side="right")]
    high = values[np.searchsorted(ranks, np.minimum(below + 1, ranks[-1] - 1), side="right")]
    return low + (high - low) * (place - below)
