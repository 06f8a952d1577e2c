"""Masks of polygons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fill(mask: NDArray[np.uint8], polygon: NDArray[np.floating], value: int) -> None:
    """Write a value, in place, to the pixels whose centre lies inside of a polygon.

    Where a polygon overlaps itself, what is covered twice is outside. What lies out of the mask is left out.
    (`cv2.fillPoly` also fills the pixels that the outline touches, and so makes 11 x 11 pixels of a square of side 10.)

    Args:
        mask: (H, W).
        polygon: (n, 2) corners x, y in pixels, the centre of the first pixel at 0.5, 0.5; n is 3 or more.
        value: what is written.
    """
    corners = np.asarray(polygon, np.float64)
    low = np.floor(corners.min(0).clip(0, mask.shape[::-1])).astype(int)
    high = np.ceil(corners.max(0).clip(0, mask.shape[::-1])).astype(int)
    width, height = high - low
    if not width or not height:
        return
    starts = corners - low - 0.5
    ends = np.roll(starts, -1, axis=0)
    first, last = np.sort(np.ceil([starts[:, 1], ends[:, 1]]).clip(0, height).astype(int), axis=0)
    counts = last - first  # rows whose centre line an edge crosses
    edges = np.repeat(np.arange(len(corners)), counts)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edges]
    step = ends[edges] - starts[edges]
    crossed = starts[edges, 0] + (rows - starts[edges, 1]) * step[:, 0] / step[:, 1]
    columns = np.ceil(crossed).clip(0, width).astype(int)
    crossings = np.bincount(rows * (width + 1) + columns, minlength=height * (width + 1)).reshape(height, width + 1)
    inside = np.cumsum(crossings.astype(np.uint8), axis=1, dtype=np.uint8)[:, :-1] & 1
    np.copyto(mask[low[1] : high[1], low[0] : high[0]], np.uint8(value), where=inside.view(bool))
