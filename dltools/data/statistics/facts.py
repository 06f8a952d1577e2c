"""What several statistics ask of one sample, worked out once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError

IGNORED = 255
"""Mask value of pixels that count for nothing."""
EXACT_SUM = 1 << 20
"""Pixels whose squares OpenCV sums without rounding: 2**32 * 2**20 fits into the 53 bits of a double."""
EXACT_COUNT = 1 << 24
"""Pixels that OpenCV counts without rounding: its counts are float32."""


class Facts(dict[str, Any]):
    """A sample, and what is counted of it: made when it is first asked for, then kept.

    Raises:
        DataError: a key is asked for that the sample has not, or its array is not what the key promises.
    """

    def __missing__(self, key: str) -> Any:
        raise DataError(f"it has no {key}; it has {', '.join(self) or 'nothing'}")

    @cached_property
    def image(self) -> NDArray[Any]:
        """The image (H, W, C) of uint8, uint16 or floats, contiguous."""
        image = np.asarray(self["image"])
        if image.ndim != 3 or not image.size or not (image.dtype in (np.uint8, np.uint16) or image.dtype.kind == "f"):
            raise DataError(
                f"its image is {image.shape} of {image.dtype}; expected (H, W, C) of uint8, uint16 or floats"
            )
        return np.ascontiguousarray(image)

    @cached_property
    def planes(self) -> list[NDArray[Any]]:
        """The channels of an image of integers, each (H, W) and contiguous."""
        if self.image.dtype.kind == "f":
            raise DataError(f"its image is of {self.image.dtype}; expected uint8 or uint16")
        return list(cv2.split(self.image))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each value is in each channel of an image of integers, (C, 256) or (C, 65536)."""
        return np.stack([counts_of(plane) for plane in self.planes])

    @cached_property
    def sums(self) -> list[tuple[int, int]]:
        """Sum and sum of squares of each channel of an image of integers, exact."""
        if "counts" in vars(self):
            values = np.arange(self.counts.shape[1])
            return [(int(row @ values), int(row @ values**2)) for row in self.counts]
        return [_sums_of(plane) for plane in self.planes]

    @cached_property
    def mask_counts(self) -> NDArray[np.int64]:
        """How many pixels of the mask have each id, (256,)."""
        mask = np.asarray(self["mask"])
        if mask.ndim != 2 or mask.dtype != np.uint8:
            raise DataError(f"its mask is {mask.shape} of {mask.dtype}; expected (H, W) of uint8")
        return counts_of(np.ascontiguousarray(mask)) if mask.size else np.zeros(256, np.int64)

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """The boxes (N, 4), x1 y1 x2 y2 in pixels."""
        boxes = np.asarray(self["boxes"], np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise DataError(f"its boxes are {boxes.shape}; expected (N, 4)")
        return boxes

    def objects(self, count: int) -> NDArray[np.bool_]:
        """Return which of the rows are single objects and not crowds, (count,)."""
        if "iscrowd" not in self:
            return np.ones(count, bool)
        crowds = np.asarray(self["iscrowd"], bool)
        if len(crowds) != count:
            raise DataError(f"it has {count} objects and {len(crowds)} rows of iscrowd; each object needs one")
        return ~crowds


def counts_of(plane: NDArray[Any]) -> NDArray[np.int64]:
    """Return how often each value is in a contiguous array (H, W) of uint8 or uint16."""
    bins = 256 if plane.dtype == np.uint8 else 65536
    total = np.zeros(bins, np.int64)
    for block in _blocks(plane, EXACT_COUNT):
        total += cv2.calcHist([block], [0], None, [bins], [0, bins]).ravel().astype(np.int64)
    return total


def _sums_of(plane: NDArray[Any]) -> tuple[int, int]:
    pairs = [(cv2.sumElems(block)[0], cv2.norm(block, cv2.NORM_L2SQR)) for block in _blocks(plane, EXACT_SUM)]
    return sum(int(total) for total, _ in pairs), sum(round(square) for _, square in pairs)


def _blocks(plane: NDArray[Any], limit: int) -> Iterator[NDArray[Any]]:
    """Yield the pixels as rows of at most `limit`."""
    row = plane.reshape(1, -1)
    return (row[:, start : start + limit] for start in range(0, plane.size, limit))
