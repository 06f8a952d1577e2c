"""Labels and masks as shares of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError

IGNORED = 255
"""Id of mask pixels that nobody labelled; in all channels where masks are shares."""


def soft_label(label: Any, num_classes: int | None) -> NDArray[np.float32]:
    """Return the shares (num_classes,) of a class id; shares stay what they are.

    Raises:
        FieldError: the number of classes is not known.
        DataError: there is no such class.
    """
    if np.ndim(label) == 1:
        return np.asarray(label, np.float32)
    return _table(num_classes, np.asarray(label), "label")[label]


def soft_mask(mask: NDArray[Any], num_classes: int | None) -> NDArray[np.float32]:
    """Return the shares (H, W, num_classes) of class ids (H, W); shares stay what they are.

    Ignored pixels have `IGNORED` in all channels.

    Raises:
        FieldError: the number of classes is not known.
        DataError: there is no such class.
    """
    if mask.ndim == 3:
        return mask
    return _table(num_classes, mask[mask != IGNORED], "mask")[mask]


def mixed_masks(first: NDArray[np.float32], second: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Return `share` of the first and the rest of the second; pixels ignored in either are ignored.

    Args:
        first: (H, W, classes).
        second: of the same shape.
        share: from 0 to 1.
    """
    mixed = first * np.float32(share) + second * np.float32(1 - share)
    mixed[(first[..., 0] == IGNORED) | (second[..., 0] == IGNORED)] = IGNORED
    return mixed


def _table(num_classes: int | None, ids: NDArray[Any], what: str) -> NDArray[np.float32]:
    """Return the shares of each class id, and of the ignored one."""
    if num_classes is None:
        raise FieldError("num_classes", f"must be the number of classes, to make shares of a {what}; got None")
    highest = ids.max(initial=0)
    if ids.min(initial=0) < 0 or highest >= num_classes:
        wrong = highest if highest >= num_classes else ids.min()
        raise DataError(f"its {what} has class id {wrong}, which is not in 0..{num_classes - 1}")
    table = np.zeros((max(num_classes, IGNORED + 1), num_classes), np.float32)
    table[IGNORED] = IGNORED
    table[:num_classes] = np.eye(num_classes, dtype=np.float32)
    return table
