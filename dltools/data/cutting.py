"""Validation and test samples cut from those for training, where a data set has none of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import FieldError
from dltools.data.partition import stratified

Places = NDArray[np.int64]


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Check that two shares leave something to train on.

    Raises:
        FieldError: they do not.
    """
    if val_fraction + test_fraction >= 1:
        total = val_fraction + test_fraction
        raise FieldError("val_fraction", f"and test_fraction must be below 1 together, got {total:g}")


def cut_from_train(
    parts: dict[str, Places], strata: NDArray[np.int64], fractions: dict[str, float], seed: int
) -> dict[str, Places]:
    """Return the parts, with those that are empty cut from `train` in the same proportions of the strata.

    Args:
        parts: sorted positions of train, val and test.
        strata: class of each position of train.
        fractions: share of val and of test, where they are empty.
        seed: decides who goes where.
    """
    cut = {name: share for name, share in fractions.items() if not len(parts[name])}
    if not len(parts["train"]) or not cut:
        return parts
    pieces = stratified(strata, list(cut.values()), seed)
    return {**parts, **{name: parts["train"][piece] for name, piece in zip([*cut, "train"], pieces, strict=True)}}
