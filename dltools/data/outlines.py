"""Outlines of the objects of a COCO file, packed, and the masks that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.data.masks import IGNORED
from dltools.data.polygons import fill
from dltools.data.rle import decode, unpack

Outline = Sequence[NDArray[np.floating]] | NDArray[np.bool_]
"""Polygons (n, 2) that together are the object, or its mask (H, W)."""


class Outlines:
    """Polygons and run lengths of many objects, in few arrays.

    Args:
        given: of each object what `segmentation` says: a list of polygons, or a dict of `counts` and `size`.

    Raises:
        OutlineError: an object's is neither.
    """

    def __init__(self, given: Iterable[Any]) -> None:
        corners: list[NDArray[np.float32]] = []
        sizes: list[int] = []
        counts: list[int] = []
        self.runs: dict[int, tuple[bytes | NDArray[np.int64], list[int]]] = {}
        for row, outline in enumerate(given):
            try:
                if isinstance(outline, dict):
                    self.runs[row] = _runs(outline)
                    outline = []
                elif not isinstance(outline, list) or not outline:
                    raise ValueError("it must be a list of polygons or the run lengths of a mask")
                polygons = [_polygon(polygon) for polygon in outline]
            except (TypeError, ValueError, OverflowError) as error:
                raise OutlineError(row, str(error)) from error
            corners += polygons
            sizes += map(len, polygons)
            counts.append(len(polygons))
        self.corners = np.concatenate(corners) if corners else np.empty((0, 2), np.float32)
        self.polygons = np.append(0, np.cumsum(sizes, dtype=np.int64))
        self.objects = np.append(0, np.cumsum(counts, dtype=np.int64))

    def outline(self, row: int, height: int, width: int) -> Outline:
        """Return the outline of an object in an image of that size.

        Raises:
            OutlineError: the run lengths are not of that size.
        """
        if row in self.runs:
            packed, size = self.runs[row]
            if size != [height, width]:
                raise OutlineError(row, f"its run lengths are of {size[1]} x {size[0]} pixels, not {width} x {height}")
            try:
                return decode(unpack(packed) if isinstance(packed, bytes) else packed, height, width)
            except ValueError as error:
                raise OutlineError(row, str(error)) from error
        polygons = range(self.objects[row], self.objects[row + 1])
        return [self.corners[self.polygons[at] : self.polygons[at + 1]] for at in polygons]


class OutlineError(ValueError):
    """What is wrong with the outline of an object, whose place is `row`."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(row, reason)
        self.row = row
        self.reason = reason


def paint(
    outlines: Iterable[Outline],
    labels: NDArray[np.int64],
    areas: NDArray[np.floating],
    ignored: NDArray[np.bool_],
    height: int,
    width: int,
) -> NDArray[np.uint8]:
    """Return the semantic mask (H, W) of objects: 0 where none is, else 1 + label.

    Ignored objects are 255 and lie under all others, of which the smaller ones lie over the larger ones.

    Args:
        outlines: of each object.
        labels: (N,) class ids, below 254.
        areas: (N,) in any unit.
        ignored: (N,) objects that count for nothing.
        height: H.
        width: W.
    """
    mask = np.zeros((height, width), np.uint8)
    given = list(outlines)
    for row in np.lexsort([-areas, ~ignored]):
        value = IGNORED if ignored[row] else 1 + int(labels[row])
        outline = given[row]
        if isinstance(outline, np.ndarray):
            mask[outline] = value
        else:
            for polygon in outline:
                fill(mask, polygon, value)
    return mask


def _runs(outline: dict[str, Any]) -> tuple[bytes | NDArray[np.int64], list[int]]:
    """Return counts and size of a dict of run lengths."""
    counts, size = outline.get("counts"), outline.get("size")
    if isinstance(counts, str):
        packed: bytes | NDArray[np.int64] = counts.encode()
    elif isinstance(counts, list) and all(type(count) is int for count in counts):
        packed = np.array(counts, np.int64)
    else:
        raise ValueError("counts of run lengths must be a list of integers or a compressed string")
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError(f"size of run lengths must be [height, width], got {size!r}")
    return packed, size


def _polygon(numbers: Any) -> NDArray[np.float32]:
    """Return corners (n, 2) of a flat list."""
    if not isinstance(numbers, list) or len(numbers) < 6 or len(numbers) % 2:
        count = f"{len(numbers)} of them" if isinstance(numbers, list) else f"a {type(numbers).__name__}"
        raise ValueError(f"a polygon must be a list of x, y of 3 corners or more, got {count}")
    corners = np.array(numbers, np.float32)
    if corners.ndim != 1 or not np.isfinite(corners).all():
        raise ValueError("the corners of a polygon must be finite numbers in one flat list")
    return corners.reshape(-1, 2)
