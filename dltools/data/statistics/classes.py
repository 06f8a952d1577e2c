"""Statistics of classes: how often they are there, and with which others."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError
from dltools.data.faults import UnknownClassError
from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import IGNORED, Facts


class Target(str, Enum):
    """Which key of a sample tells the classes."""

    label = "label"
    """One class for each image; images are counted."""
    labels = "labels"
    """One class for each object; objects are counted, crowds are not."""
    mask = "mask"
    """One class for each pixel; pixels are counted, those of id 255 are not."""


@dataclass(frozen=True, kw_only=True)
class ClassTotals:
    """How often each class is there."""

    counts: NDArray[np.int64]
    """(C,) images, objects or pixels of a class, as the target says."""
    images: NDArray[np.int64]
    """(C,) images that have a class."""
    around: NDArray[np.int64]
    """(C,) all that is counted in the images that have a class, of whatever class: what median frequency divides by."""
    ignored: int
    """Pixels of id 255, or crowds."""


@dataclass(kw_only=True, eq=False)
class _OfClasses(Accumulator[Any]):
    """A statistic of what one of the targets says."""

    of: Target
    """Which key of a sample tells the classes."""
    num_classes: int
    """Number of ids: of masks with the background, of labels without."""

    def __post_init__(self) -> None:
        self.of = Target(self.of)
        if not 1 <= self.num_classes <= (IGNORED if self.of is Target.mask else np.inf):
            raise FieldError(
                "num_classes", f"must be at least 1, and at most {IGNORED} of masks, got {self.num_classes}"
            )

    @property
    def requires(self) -> tuple[str, ...]:  # type: ignore[override]
        """Keys that a sample must have."""
        return (self.of.value,)


@dataclass(kw_only=True, eq=False)
class ClassCounts(_OfClasses):
    """Images, objects or pixels of each class.

    Example:
        >>> counts = ClassCounts(of=Target.labels, num_classes=3)
        >>> counts.add({"labels": np.array([0, 2, 2])})
        >>> counts.result().counts
        array([1, 0, 2])
    """

    totals: NDArray[np.int64] = field(init=False, repr=False)
    """(3, C): counts, images, around."""
    ignored: int = field(default=0, init=False)
    """Pixels of id 255, or crowds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.totals = np.zeros((3, self.num_classes), np.int64)

    def measure(self, sample: Facts) -> tuple[NDArray[np.int64], int]:
        """Return how often each class is in a sample, and what is ignored."""
        return class_counts(sample, self.of, self.num_classes)

    def count(self, measured: tuple[NDArray[np.int64], int]) -> None:
        """Add the counts of a sample."""
        counts, ignored = measured
        present = counts > 0
        self.totals += np.stack([counts, present, present * counts.sum()])
        self.ignored += ignored

    def result(self) -> ClassTotals:
        """Return the totals of each class."""
        counts, images, around = self.totals.copy()
        return ClassTotals(counts=counts, images=images, around=around, ignored=self.ignored)

    def _merge(self, other: ClassCounts) -> None:
        self.totals += other.totals
        self.ignored += other.ignored


@dataclass(kw_only=True, eq=False)
class CoOccurrence(_OfClasses):
    """Images in which both of two classes are; the result is (C, C) int64, its diagonal the images of each class."""

    images: NDArray[np.int64] = field(init=False, repr=False)
    """(C, C) images."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of is Target.label:
            raise FieldError("of", "must be mask or labels: an image with one label has no two classes")
        self.images = np.zeros((self.num_classes, self.num_classes), np.int64)

    def measure(self, sample: Facts) -> NDArray[np.int64]:
        """Return the ids of the classes in a sample."""
        return np.flatnonzero(class_counts(sample, self.of, self.num_classes)[0])

    def count(self, measured: NDArray[np.int64]) -> None:
        """Add one image for each pair."""
        self.images[np.ix_(measured, measured)] += 1

    def result(self) -> NDArray[np.int64]:
        """Return the matrix."""
        return self.images.copy()

    def _merge(self, other: CoOccurrence) -> None:
        self.images += other.images


def class_counts(sample: Facts, of: Target, num_classes: int) -> tuple[NDArray[np.int64], int]:
    """Return how often each class is in a sample, (C,), and how much is ignored.

    Raises:
        DataError: there is an id that is none of the classes.
    """
    if of is Target.mask:
        counts = sample.mask_counts
        wrong = np.flatnonzero(counts[num_classes:IGNORED]) + num_classes
        if len(wrong):
            raise UnknownClassError(
                f"its mask has class id {wrong[-1]}; ids must be below {num_classes}, or {IGNORED} to ignore"
            )
        return counts[:num_classes], int(counts[IGNORED])
    ids = np.atleast_1d(np.asarray(sample[of.value]))
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise DataError(f"its {of.value} is {ids.shape} of {ids.dtype}; expected integers")
    bad = ids[(ids < 0) | (ids >= num_classes)]
    if len(bad):
        raise UnknownClassError(f"its {of.value} has class id {bad[0]}; ids must be from 0 to {num_classes - 1}")
    kept = ids if of is Target.label else ids[sample.objects(len(ids))]
    return np.bincount(kept.astype(np.int64), minlength=num_classes), len(ids) - len(kept)
