"""Which classes are in which samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dltools.cfgutils import DataError


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Which classes are in which samples: a pair for each class of a sample, however often it is there.

    Example:
        >>> presence = Presence.of([np.array([2]), np.array([0, 2]), np.array([], int)])
        >>> presence.counts
        array([1, 0, 2])
        >>> presence.largest([5, 0, 1], default=0)
        array([1., 5., 0.])
    """

    samples: NDArray[np.int64]
    """(P,) position of the sample of each pair."""
    classes: NDArray[np.int64]
    """(P,) class of each pair, from 0."""
    size: int
    """Number of samples, those without a class among them."""

    @classmethod
    def of(cls, classes: list[NDArray[np.int64]]) -> Presence:
        """Return the pairs of samples and their classes, each once.

        Raises:
            DataError: no sample has a class.
        """
        pairs = np.concatenate(classes).astype(np.int64)
        if not len(pairs):
            raise DataError(f"sampler: none of the {len(classes)} training samples has a class; use sampler=shuffle.")
        samples = np.repeat(np.arange(len(classes)), [len(each) for each in classes])
        return cls(samples=samples, classes=pairs, size=len(classes))

    @property
    def counts(self) -> NDArray[np.int64]:
        """(C,) samples that have each class."""
        return np.bincount(self.classes)

    def deciding(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return for each sample that of its classes with the largest value, (size,); -1 for those without a class.

        Args:
            values: (C,) a value of each class. Of equal ones the later class decides.
        """
        order = np.lexsort((self.classes, np.asarray(values)[self.classes]))
        result = np.full(self.size, -1)
        result[self.samples[order]] = self.classes[order]  # of those of one sample the last stays
        return result

    def largest(self, values: ArrayLike, default: float) -> NDArray[np.float64]:
        """Return for each sample the largest value of its classes, (size,); `default` for those without a class.

        Args:
            values: (C,) a value of each class.
            default: a value for no class.
        """
        return np.append(np.asarray(values, np.float64), default)[self.deciding(values)]
