"""Cutting a labelled set into parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified(labels: NDArray[np.integer], fractions: list[float], seed: int) -> list[NDArray[np.int64]]:
    """Cut positions into disjoint parts that hold the classes in the same proportions.

    Args:
        labels: (N,) class ids.
        fractions: share of each part but the last, which takes the rest.
        seed: decides who goes where.

    Returns:
        `len(fractions) + 1` sorted arrays of positions; together they are all of `range(N)`.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.round(np.cumsum(fractions) * len(members)).astype(int)
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]
