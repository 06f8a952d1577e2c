"""Every sample once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import component
from dltools.data.base import Split
from dltools.data.samplers.base import Classes, Plan, SamplingRule


@component("sampler", "shuffle")
class Shuffle(SamplingRule):
    """Every sample once, in an order that is drawn for each epoch."""

    def plan(self, split: Split, classes: Classes) -> Plan:
        """Return the plan for a split."""
        return Shuffled(len(split))


@component("sampler", "sequential")
class Sequential(SamplingRule):
    """Every sample once, from the first to the last; for data whose order means something."""

    def plan(self, split: Split, classes: Classes) -> Plan:
        """Return the plan for a split."""
        return InOrder(len(split))


class InOrder(Plan):
    """Every sample once, from the first to the last.

    Args:
        size: number of samples.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return 0 to size - 1."""
        return np.arange(self.size)


class Shuffled(InOrder):
    """Every sample once, in an order that is drawn for each epoch."""

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return a permutation."""
        return np.random.default_rng((seed, epoch)).permutation(self.size)
