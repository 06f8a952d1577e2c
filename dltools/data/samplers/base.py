"""What decides on the samples of an epoch: a rule, which makes a plan for a split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dltools.data.base import Split

Classes = Callable[[], list[NDArray[np.int64]]]
"""Returns the class ids that each sample of a split has, sorted and each once; may read every sample."""


class Plan(ABC):
    """The samples of each epoch of one split. Plans can be pickled."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples in an epoch, the same for all epochs."""

    @abstractmethod
    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the positions of an epoch's samples in their order: a function of the arguments and the split."""


@dataclass(kw_only=True, eq=False, repr=False)
class SamplingRule(ABC):
    """Decides how often and in which order training samples are drawn.

    Subclasses are components of group `sampler`.
    """

    @abstractmethod
    def plan(self, split: Split, classes: Classes) -> Plan:
        """Return the plan for a split.

        Args:
            split: the samples.
            classes: tells the classes of each sample; asked only by rules that need them.

        Raises:
            ConfigError: the rule does not fit the data.
            DataError: a sample cannot be read, or what the rule reads of the data is impossible.
        """
