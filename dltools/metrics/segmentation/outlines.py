"""Where the masks of an image end, and how far the ends of predicted and true ones are from each other.

The outline of a mask are its pixels that have a pixel which is not of it among their 2 * D direct neighbours (4 in an
image, 6 in a volume). A mask ends at the image's border, and where pixels are ignored, which are of no mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


class Gaps(NamedTuple):
    """Distances between two outlines, in the unit of the spacing."""

    of_pred: Floats
    """From each pixel of the predicted outline to the nearest of the true one, (p,)."""
    of_true: Floats
    """From each pixel of the true outline to the nearest of the predicted one, (t,)."""

    def within(self, distance: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which pixels of each outline are at most that far from the other one.

        Three steps of 0.1 are within 0.3, whatever their sum is rounded to.
        """
        limit = distance * (1 + 1e-9)
        return self.of_pred <= limit, self.of_true <= limit


class Masks:
    """The predicted and true masks of one image.

    Args:
        pred: predicted class ids (*spatial), -1 where no mask is.
        true: true class ids (*spatial), -1 where no mask is.
        num_classes: number of classes C.
        measured: ids of the classes to be measured.
        spacing: size of a pixel along each dimension.
    """

    def __init__(
        self, pred: Ids, true: Ids, num_classes: int, measured: Sequence[int], spacing: Sequence[float]
    ) -> None:
        self.pred = pred
        self.true = true
        self.num_classes = num_classes
        self.measured = measured
        self.spacing = spacing

    @property
    def diagonal(self) -> float:
        """The length of the image's diagonal: no two pixels are as far apart."""
        return math.hypot(*(size * step for size, step in zip(self.pred.shape, self.spacing, strict=True)))

    @property
    def in_either(self) -> NDArray[np.bool_]:
        """Whether each class is predicted or true, (C,)."""
        return self._sizes.max(0) > 0

    @cached_property
    def gaps(self) -> dict[int, Gaps]:
        """The distances between the outlines of each measured class that is both predicted and true."""
        pred, true = (self._outlines(ids) for ids in (self.pred, self.true))
        common = [c for c, there in enumerate(self._sizes.min(0) > 0) if there and c in self.measured]
        return {c: Gaps(_nearest(pred[c], true[c]), _nearest(true[c], pred[c])) for c in common}

    def bands(self, width: float) -> tuple[Ids, Ids]:
        """Return the predicted and true ids within a width of their mask's outline, -1 elsewhere.

        Distances are Chebyshev's: along each dimension the band is round(width / spacing) pixels wide, 1 at least.
        """
        reach = tuple(max(1, round(width / step)) for step in self.spacing)
        return _band(self.pred, reach), _band(self.true, reach)

    def counts(self, ids: Ids) -> NDArray[np.int64]:
        """Return the number of pixels of each class, (C,)."""
        return np.bincount(ids.ravel() + 1, minlength=self.num_classes + 1)[1:]

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.stack([self.counts(self.pred), self.counts(self.true)])

    def _outlines(self, ids: Ids) -> list[Floats]:
        """Return the places of the outline of each class, (n, D) in the unit of the spacing."""
        places = np.flatnonzero(_ends(ids))
        found = ids.ravel()[places]
        order = np.argsort(found, kind="stable")
        points = np.stack(np.unravel_index(places[order], ids.shape), 1) * np.asarray(self.spacing)
        return np.split(points, np.searchsorted(found[order], np.arange(self.num_classes)))[1:]


def _ends(ids: Ids) -> NDArray[np.bool_]:
    """Return where a direct neighbour has another id, or is outside of the image."""
    ends = np.zeros(ids.shape, np.bool_)
    for axis in range(ids.ndim):
        along, flags = np.moveaxis(ids, axis, 0), np.moveaxis(ends, axis, 0)
        steps = along[1:] != along[:-1]
        flags[1:] |= steps
        flags[:-1] |= steps
        flags[:1] = flags[-1:] = True
    return ends


def _nearest(places: Floats, others: Floats) -> Floats:
    """Return the distance from each place (n, D) to the nearest of others (m, D)."""
    from scipy.spatial import cKDTree

    # Outlines are few pixels: a tree of them is several times faster than a distance map, and as exact.
    return np.asarray(cKDTree(others, balanced_tree=False, compact_nodes=False).query(places)[0])


def _band(ids: Ids, reach: Sequence[int]) -> Ids:
    """Return the ids of which another one, or the image's border, is within reach; -1 elsewhere."""
    from scipy.ndimage import maximum_filter, minimum_filter

    outside, window = -2, [2 * steps + 1 for steps in reach]
    least, most = (extreme(ids, window, mode="constant", cval=outside) for extreme in (minimum_filter, maximum_filter))
    return np.where(least == most, -1, ids)
