"""The segments of panoptic maps, and where predicted and true ones overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Side(NamedTuple):
    """The segments of the predictions, or those of the truth; those of void among them."""

    classes: Ints
    """Class id of each segment."""
    areas: Ints
    """Number of pixels of each segment."""


class Pairs(NamedTuple):
    """The pairs of segments that overlap."""

    pred: Ints
    """Number of the predicted segment."""
    true: Ints
    """Number of the true segment."""
    areas: Ints
    """Number of pixels that they share."""


class Segments(NamedTuple):
    """All segments of a batch of images."""

    pred: Side
    true: Side
    pairs: Pairs


def segments_of(pred: NDArray[Any], true: NDArray[Any], merged: Sequence[int]) -> Segments:
    """Return the segments of a batch: what has one class and one instance in an image.

    Args:
        pred: predicted class and instance ids, (N, *spatial, 2).
        true: true ones, in the same shape.
        merged: class ids of which an image has one segment at most, whatever the instance ids.
    """
    image = np.repeat(np.arange(len(pred)), pred[..., 0].size // max(len(pred), 1))
    pixels = [image, *(ids[..., part].ravel() for ids in (pred, true) for part in (0, 1))]
    # Neighbours are mostly alike: one of each run stands for it, so that few need sorting.
    starts = np.ones(len(image), np.bool_)
    starts[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in pixels])
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=len(image))
    image, *ids = (column[first].astype(np.int64) for column in pixels)
    pred_side, pred_number = _side(image, ids[0], ids[1], lengths, merged)
    true_side, true_number = _side(image, ids[2], ids[3], lengths, merged)
    pairs, at = _numbered(pred_number, true_number)
    return Segments(pred_side, true_side, Pairs(pred_number[pairs], true_number[pairs], _sums(at, lengths)))


def _side(image: Ints, classes: Ints, instances: Ints, lengths: Ints, merged: Sequence[int]) -> tuple[Side, Ints]:
    """Return the segments, and the number of that of each run."""
    instances = np.where(np.isin(classes, merged), 0, instances)
    first, number = _numbered(image, classes, instances)
    return Side(classes[first], _sums(number, lengths)), number


def _numbered(*columns: Ints) -> tuple[Ints, Ints]:
    """Number the different rows of columns: where each occurs first, and the number of each row."""
    number = np.zeros_like(columns[0])
    for column in columns:
        distinct, value = np.unique(column, return_inverse=True)
        _, first, number = np.unique(number * len(distinct) + value, return_index=True, return_inverse=True)
    return first, number


def _sums(number: Ints, lengths: Ints) -> Ints:
    sums = np.zeros(number.max(initial=-1) + 1, np.int64)
    np.add.at(sums, number, lengths)
    return sums
