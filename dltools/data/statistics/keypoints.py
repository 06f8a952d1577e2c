"""Statistics of keypoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import Facts


@dataclass(frozen=True, kw_only=True)
class KeypointTotals:
    """How often each keypoint is there."""

    present: NDArray[np.int64]
    """(K,) objects that have a keypoint, visible or hidden."""
    objects: int
    """Objects that have any."""


@dataclass(kw_only=True, eq=False)
class KeypointCounts(Accumulator[KeypointTotals]):
    """Objects that have each of the K keypoints: those of a visibility above 0.

    Example:
        >>> counts = KeypointCounts(num_keypoints=2)
        >>> counts.add({"keypoints": np.array([[[4, 5, 2], [0, 0, 0]]], np.float32)})
        >>> counts.result().present
        array([1, 0])
    """

    requires: ClassVar[tuple[str, ...]] = ("keypoints",)

    num_keypoints: int
    """K."""
    present: NDArray[np.int64] = field(init=False, repr=False)
    """(K,) objects that have a keypoint."""
    objects: int = field(default=0, init=False)
    """Objects that have any."""

    def __post_init__(self) -> None:
        self.present = np.zeros(self.num_keypoints, np.int64)

    def measure(self, sample: Facts) -> NDArray[np.bool_]:
        """Return which keypoints each object has, (N, K)."""
        keypoints = np.asarray(sample["keypoints"])
        if keypoints.ndim != 3 or keypoints.shape[1:] != (self.num_keypoints, 3):
            raise DataError(f"its keypoints are {keypoints.shape}; expected (N, {self.num_keypoints}, 3)")
        return keypoints[..., 2] > 0

    def count(self, measured: NDArray[np.bool_]) -> None:
        """Add the objects of a sample."""
        self.present += measured.sum(axis=0)
        self.objects += int(measured.any(axis=1).sum())

    def result(self) -> KeypointTotals:
        """Return the totals."""
        return KeypointTotals(present=self.present.copy(), objects=self.objects)

    def _merge(self, other: KeypointCounts) -> None:
        self.present += other.present
        self.objects += other.objects
