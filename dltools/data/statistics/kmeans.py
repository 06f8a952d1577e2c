"""Sizes of anchors that fit the objects of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dltools.cfgutils import DataError

Floats = NDArray[np.float64]
STARTS = 10
"""Draws of first means, of which the best is kept."""


def anchors(sizes: ArrayLike, count: int, *, seed: int = 0, iterations: int = 300) -> tuple[Floats, float]:
    """Return the sizes of anchors by k-means with IoU distance, so that small boxes count as much as large ones.

    The distance is 1 - IoU of boxes with one centre. Begins with the best of some draws, and keeps the means of the
    best round, as their IoU does not grow in each. The same for the same sizes, in any order, and seed.

    Source: Redmon and Farhadi, YOLO9000, CVPR 2017, section 2, Dimension Clusters; first means as in k-means++.

    Args:
        sizes: (N, 2) width and height of boxes, such as `Objects.sizes`; those that cover nothing are left out.
        count: number of anchors K.
        seed: decides the first means.
        iterations: rounds at most; it ends when no box changes its mean.

    Returns:
        The anchors (K, 2), width and height, by growing area; and the mean IoU of a box with its best anchor.

    Raises:
        DataError: there are fewer different sizes than anchors.
    """
    boxes = np.asarray(sizes, np.float64).reshape(-1, 2)
    boxes = boxes[np.isfinite(boxes).all(axis=1) & (boxes > 0).all(axis=1)]
    unique, repeats = np.unique(boxes, axis=0, return_counts=True)
    if count < 1 or len(unique) < count:
        raise DataError(f"{count} anchors need at least as many different box sizes, and 1; there are {len(unique)}.")
    rng = np.random.default_rng(seed)
    starts = [_first_means(unique, repeats, count, rng) for _ in range(STARTS)]
    means = max(starts, key=lambda start: _mean_overlap(unique, repeats, start))
    best, best_overlap, nearest = means, -1.0, np.full(len(unique), -1)
    for _ in range(iterations):
        overlap = iou_of_sizes(unique, means)
        mean = float(repeats @ overlap.max(axis=1) / repeats.sum())
        if mean > best_overlap:
            best, best_overlap = means, mean
        before, nearest = nearest, overlap.argmax(axis=1)
        if np.array_equal(before, nearest):
            break
        weights = np.bincount(nearest, repeats, count)
        sums = np.stack([np.bincount(nearest, repeats * side, count) for side in unique.T], axis=1)
        means = np.where(weights[:, None] > 0, sums / np.maximum(weights, 1)[:, None], means)
    return best[np.lexsort((best[:, 0], best.prod(axis=1)))], best_overlap


def iou_of_sizes(sizes: Floats, others: Floats) -> Floats:
    """Return the IoU of boxes (N, 2) and (K, 2), width and height, laid over one another: (N, K)."""
    (width, height), (other_width, other_height) = sizes.T[..., None], others.T
    intersection = np.minimum(width, other_width) * np.minimum(height, other_height)
    return intersection / (width * height + other_width * other_height - intersection)


def _mean_overlap(sizes: Floats, repeats: NDArray[np.int64], means: Floats) -> float:
    return float(repeats @ iou_of_sizes(sizes, means).max(axis=1) / repeats.sum())


def _first_means(sizes: Floats, repeats: NDArray[np.int64], count: int, rng: np.random.Generator) -> Floats:
    """Return different sizes, each drawn by the square of how far it is from those before."""
    chosen = [rng.choice(len(sizes), p=repeats / repeats.sum())]
    while len(chosen) < count:
        distance = repeats * (1 - iou_of_sizes(sizes, sizes[chosen]).max(axis=1)).clip(0) ** 2 + np.finfo(float).tiny
        distance[chosen] = 0
        chosen.append(rng.choice(len(sizes), p=distance / distance.sum()))
    return sizes[chosen]
