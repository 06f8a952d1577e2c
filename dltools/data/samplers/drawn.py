"""Samples as often as their weights ask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dltools.data.samplers.base import Plan

BITS = 20
"""Of the fraction of a share: what is rounded to them is then exact."""


class Drawn(Plan):
    """Draws samples with replacement, in proportion to their weights and with as little chance as there can be.

    A sample whose share of an epoch is 2.3 draws is there 2 or 3 times, and 2.3 times in the mean of all epochs. So is
    a stratum: with a share of 100.4 draws it has 100 or 101. With shares below 1 no sample is there twice. Independent
    draws have the same means, but leave some samples out and take others many times by bad luck alone.

    Source: systematic sampling, Madow and Madow, On the Theory of Systematic Sampling, 1944, of a list that is shuffled
    for each epoch; as a way of resampling, Douc and Cappe, Comparison of Resampling Schemes, 2005.

    Args:
        weights: (N,) finite, none negative, at least one positive.
        size: number of samples in an epoch.
        strata: (N,) ids from 0 of groups whose counts are kept as well, such as classes; by default all are one.
    """

    def __init__(self, weights: NDArray[np.float64], size: int, strata: NDArray[np.int64] | None = None) -> None:
        self.weights = weights
        self.size = size
        self.strata = None if strata is None else strata.astype(np.min_scalar_type(strata.max()))

    def __len__(self) -> int:
        return self.size

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the samples of an epoch, mixed; one that is drawn often stands there often."""
        rng = np.random.default_rng((seed, epoch))
        samples = rng.permutation(len(self.weights))
        if self.strata is not None:
            samples = samples[np.argsort(self.strata[samples], kind="stable")]
        ends = np.cumsum(self.weights[samples])
        places = np.rint(ends * ((self.size << BITS) / ends[-1])).astype(np.int64)
        counts = np.diff((places + rng.integers(1 << BITS)) >> BITS, prepend=0)
        order = np.repeat(samples, counts)
        rng.shuffle(order)
        return order
