"""Pairs of a true and a predicted id, each counted in the cell of a confusion matrix.

The cells of C classes are numbered true * C + predicted; C * C stands for an ignored place, C * C + 1 for a stray,
which is an id that is neither in 0..C-1 nor ignored.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.metrics.ids import first_stray, lie_within, narrowed, stray_error

PLACES = 2**18
"""How many places are counted at once, so that little memory is asked for anew."""


def tabulated(pred: Tensor, true: Tensor, classes: int, ignore_index: int | None) -> Tensor | None:
    """Count the cells of many places on a CPU in about the time of one bincount.

    Both ids are limited to their range and one more on each side, so that strays are counted beside the cells and not
    looked for, and cells are numbered in the narrowest integers.

    Args:
        pred: predicted ids (places,).
        true: true ids (places,).
        classes: number of classes C.
        ignore_index: true id that is not counted.

    Returns:
        Counts (C * C + 2,); None where the places are few against the cells, or not on a CPU.

    Raises:
        DataError: there are strays.
    """
    outer = 0 if ignore_index is None else ignore_index
    low, high = min(0, outer) - 1, max(classes - 1, outer) + 1
    rows, columns = high - low + 1, classes + 2
    if pred.device.type != "cpu" or rows * columns > min(len(pred), PLACES):
        return None
    narrow = torch.int16 if 4 * rows * columns <= torch.iinfo(torch.int16).max else torch.int32
    table = torch.zeros(rows * columns, dtype=torch.int64)
    row, cell = (torch.empty(min(len(pred), PLACES), dtype=narrow) for _ in range(2))
    for some_pred, some_true in zip(pred.split(PLACES), true.split(PLACES), strict=True):
        row, cell = row[: len(some_true)], cell[: len(some_pred)]
        _copy_narrowed(row, some_true, low, high)
        _copy_narrowed(cell, some_pred, -1, classes)
        cell.add_(row, alpha=columns).add_(1 - low * columns)
        table += _bincount(cell, len(table))
    table = table.view(rows, columns)
    ignored = 0
    if ignore_index is not None:
        ignored = int(table[ignore_index - low].sum())
        table[ignore_index - low] = 0
    cells = table[-low : classes - low, 1:-1].flatten()
    strays = len(pred) - ignored - int(cells.sum())
    if strays > 0:
        inside = true != ignore_index if ignore_index is not None else slice(None)
        raise stray_error(first_stray(pred[inside], true[inside], classes), classes, ignore_index)
    return torch.cat([cells, torch.tensor([ignored, strays])])


def cells_of(pred: Tensor, true: Tensor, classes: int, ignore_index: int | None) -> Tensor:
    """Return the cell of each place, int64.

    Raises:
        DataError: there are strays (on a CPU).
    """
    if not 0 <= (-1 if ignore_index is None else ignore_index) < classes and _all_inside(pred, true, classes):
        return true.long() * classes + pred
    ignored, stray = classes * classes, classes * classes + 1
    inside = (true >= 0) & (true < classes) & (pred >= 0) & (pred < classes)
    cells = torch.where(inside, true.long() * classes + pred, stray)
    if ignore_index is not None:
        cells = torch.where(true == ignore_index, ignored, cells)
    if cells.device.type == "cpu":
        strays = cells == stray
        if strays.any():
            raise stray_error(first_stray(pred[strays], true[strays], classes), classes, ignore_index)
    return cells


def _bincount(cells: Tensor, size: int) -> Tensor:
    """Count cells of 0..size-1, int16 or int32, and leave other numbers in their place.

    Neighbours in an image are mostly of one cell, and a counter that is raised twice in a row waits for itself. So the
    2 or 4 integers of 8 bytes have a table each, whose offsets are added to them as to one number.
    """
    lanes, bits = 8 // cells.element_size(), 8 * cells.element_size()
    whole = len(cells) // lanes * lanes
    cells[:whole].view(torch.int64).add_(sum(lane * size << lane * bits for lane in range(lanes)))
    return torch.bincount(cells, minlength=lanes * size).view(lanes, size).sum(0)


def count_into(bins: Tensor, cells: Tensor) -> None:
    """Add 1 to a bin for each int64 cell that names it.

    bincount is the fastest for many cells on a CPU, but waits for other devices and makes all bins anew.
    """
    if cells.device.type == "cpu" and len(cells) > len(bins):
        bins += torch.bincount(cells, minlength=len(bins))
    else:
        bins.scatter_add_(0, cells, torch.ones_like(cells))


def _copy_narrowed(to: Tensor, ids: Tensor, low: int, high: int) -> None:
    """Copy ids, limited to low..high, into a narrower type."""
    to.copy_(ids if lie_within(ids, low, high) else narrowed(ids, low, high))


def _all_inside(pred: Tensor, true: Tensor, classes: int) -> bool:
    return lie_within(true, 0, classes - 1) and lie_within(pred, 0, classes - 1)
