"""Euclidean distances to regions and their borders, by whichever library there is.

The regions of an image are given as a map of ids: 0..C-1 name a region, any other value is a place of none. Ignored
places are such places: they are of no class, so that a region that touches them has its border there.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


def signed_distances(ids: NDArray[Any], classes: int, spacing: Sequence[float] | None = None) -> NDArray[np.float32]:
    """Return the signed distance of each place to the border of each region.

    Outside of a region it is the distance to its nearest place. Inside it is -(d - s), d the distance to the nearest
    place that is not of it and s the least spacing: 0 at the places along the border and negative further in, as
    Kervadec et al. 2019, arXiv:1812.07032, have it. A region that is empty or fills the image has no border, and 0
    everywhere.

    Args:
        ids: (*spatial), integers.
        classes: number of regions C.
        spacing: size of a place in each dimension; None is 1.

    Returns:
        (C, *spatial), in the unit of the spacing.
    """
    spacing = spacing_of(ids.ndim, spacing)
    maps = np.zeros((classes, *ids.shape), np.float32)
    ids, found = _numbered(ids, classes)
    if found.max(initial=0) == ids.size:
        return maps
    for region in np.flatnonzero(found):
        maps[region] = distance_to(ids == region, spacing)
    inside = min(spacing) - distance_inside(ids + 1, spacing)
    own = np.flatnonzero(ids >= 0)
    maps.reshape(classes, -1)[ids.flat[own], own] = inside.flat[own]
    return maps


def unsigned_distances(ids: NDArray[Any], classes: int, spacing: Sequence[float] | None = None) -> NDArray[np.float32]:
    """Return the distance of each place to the nearest place of each region.

    It is 0 within a region. To an empty region it is the diagonal of the image, which is as far as a place can be.

    Args:
        ids: (*spatial), integers.
        classes: number of regions C.
        spacing: size of a place in each dimension; None is 1.

    Returns:
        (C, *spatial), in the unit of the spacing.
    """
    spacing = spacing_of(ids.ndim, spacing)
    maps = np.full((classes, *ids.shape), diagonal(ids.shape, spacing), np.float32)
    ids, found = _numbered(ids, classes)
    for region in np.flatnonzero(found):
        maps[region] = distance_to(ids == region, spacing)
    return maps


def distance_to(region: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float32]:
    """Return the distance of each place to the nearest place of a region, which must not be empty."""
    return _library(tuple(spacing), labelled=False).transform(~region, spacing)


def distance_inside(labels: NDArray[Any], spacing: Sequence[float]) -> NDArray[np.float32]:
    """Return the distance of each place to the nearest one of another label; 0 where the label is 0.

    There must be two labels at least.
    """
    library = _library(tuple(spacing), labelled=True)
    if library.labelled:
        return library.transform(labels, spacing)
    distance = np.zeros(labels.shape, np.float32)
    boxes = importlib.import_module("scipy.ndimage").find_objects(labels)
    for label, box in enumerate(boxes, start=1):
        if box is not None:
            # The nearest other label lies in the box or right beside it.
            near = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
            region = labels[near] == label
            distance[near][region] = library.transform(region, spacing)[region]
    return distance


def diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return the length of the diagonal of an image."""
    return math.hypot(*(size * step for size, step in zip(shape, spacing, strict=True)))


def spacing_of(dimensions: int, spacing: Sequence[float] | None) -> tuple[float, ...]:
    """Return the spacing of each dimension, 1 where None is given.

    Raises:
        ValueError: there is not one value for each dimension.
    """
    values = (1.0,) * dimensions if spacing is None else tuple(float(step) for step in spacing)
    if len(values) != dimensions:
        raise ValueError(f"spacing must have one value for each of {dimensions} spatial dimensions, got {spacing}")
    return values


class Library(NamedTuple):
    """An exact Euclidean distance transform."""

    module: str
    fits: Callable[[tuple[float, ...]], bool]
    """Whether it takes images of this spacing."""
    labelled: bool
    """Whether it gives the distance to the nearest place of another label, not only to the nearest 0."""
    transform: Callable[[NDArray[Any], Sequence[float]], NDArray[np.float32]]
    """Distance of each place to the nearest 0 (or other label), given the spacing."""


def _edt(labels: NDArray[Any], spacing: Sequence[float]) -> NDArray[np.float32]:
    compact = labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.int32, order="C")
    return importlib.import_module("edt").edt(compact, anisotropy=tuple(spacing), parallel=1)


def _cv2(mask: NDArray[Any], spacing: Sequence[float]) -> NDArray[np.float32]:
    cv2 = importlib.import_module("cv2")
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Its last bit differs from call to call; the squares are whole numbers.
    np.rint(np.square(distance, out=distance), out=distance)
    return np.sqrt(distance, out=distance) * np.float32(spacing[0])


def _scipy(mask: NDArray[Any], spacing: Sequence[float]) -> NDArray[np.float32]:
    return importlib.import_module("scipy.ndimage").distance_transform_edt(mask, spacing).astype(np.float32)


LIBRARIES = (
    Library("cv2", lambda spacing: len(spacing) == 2 and spacing[0] == spacing[1], False, _cv2),
    Library("edt", lambda spacing: len(spacing) in (2, 3), True, _edt),
    Library("scipy", lambda spacing: True, False, _scipy),
)
"""In the order of their speed on a mask. Where there are many labels, one labelled transform beats one for each."""


@lru_cache
def _library(spacing: tuple[float, ...], labelled: bool) -> Library:
    """Return the fastest library that is installed."""
    there = [library for library in LIBRARIES if library.fits(spacing) and find_spec(library.module)]
    return max(there, key=lambda library: library.labelled) if labelled else there[0]


def _numbered(ids: NDArray[Any], classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids with -1 for places of no region, and the size of each region."""
    ids = np.where((ids >= 0) & (ids < classes), ids, -1).astype(np.int64)
    return ids, np.bincount(ids.ravel() + 1, minlength=classes + 1)[1:]
