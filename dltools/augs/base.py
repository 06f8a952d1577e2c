"""A sample, and the base of our own transforms."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Sample = dict[str, Any]
"""`image` (H, W, C) uint8 or uint16, `index`, and what the task has of `label`, `mask`, `boxes` and `PER_OBJECT`."""

PER_OBJECT = ("labels", "keypoints", "area", "iscrowd")
"""Keys with a row for each box, which leave with it."""


class Split(Protocol):
    """Samples by position."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """Return a sample whose arrays are the caller's own."""


class Store(Protocol):
    """Samples that are kept by position, for this process and others."""

    def get(self, index: int) -> Sample | None:
        """Return a sample whose arrays are the caller's own, None where it is not kept."""

    def put(self, index: int, sample: Sample) -> bool:
        """Keep a sample if that is possible, and tell whether it is kept."""


@dataclass(kw_only=True, eq=False, repr=False)
class SampleTransform(ABC):
    """A transform that albumentations has not, such as one that takes in other samples.

    Subclasses are components of group `transform` and stand among those of albumentations in any order.
    """

    def __repr__(self) -> str:
        """Return class and fields: equal texts of one version of the code stand for equal transforms."""
        fields = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self))
        return f"{type(self).__module__}.{type(self).__qualname__}({', '.join(fields)})"

    @abstractmethod
    def __call__(self, sample: Sample, fetch: Callable[[int], Sample], count: int, rng: np.random.Generator) -> Sample:
        """Return the transformed sample, and leave the given one as it is.

        Args:
            sample: arrays of numpy, in the formats of `Sample`.
            fetch: returns another sample of the split by its position, as the transforms before this one make it in
                the same epoch; the caller's own.
            count: number of samples in the split.
            rng: the only source of randomness; the same for the same seed, epoch and index.
        """
