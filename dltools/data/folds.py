"""Cross validation."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, NonNegativeInt, component
from dltools.data.base import Split
from dltools.data.composed import Chosen, Joined, Wrapped, column_of, strata_of

logger = logging.getLogger(__name__)


@component("data", "folds")
class Folds(Wrapped):
    """Cross validation: the training samples of another data set in `folds` parts, of which one is for validation.

        python -m dltools.train task=classification data=folds +data@data.source=manifest \\
            data.source.root=photos data.folds=5 data.fold=0
        python -m dltools.train -m task=classification data=folds +data@data.source=digits data.fold=0,1,2,3,4

    train is all other parts, val the part `fold`, and test that of the source, or where it has none the same as val.
    Over all values of `fold`, each sample is in val once. For labels or groups, each training sample is read once
    before the first epoch, unless the source's split tells them by a method `column(key)`.
    """

    source: Any = None
    """The data set that is cut; any of group data, chosen by +data@data.source=NAME."""
    folds: Annotated[int, Ge(2)] = 5
    """Number of parts."""
    fold: NonNegativeInt = 0
    """Which part is for validation, counted from 0."""
    join_val: bool = False
    """Cut the training and the validation samples of the source together; otherwise the latter are left out."""
    stratify: bool = True
    """Give each part the same share of each class, where samples have a `label`."""
    groups: str | None = None
    """Key of the samples, such as patient; samples of the same value are never both in train and in val."""
    seed: NonNegativeInt = 0
    """Decides who goes into which part; the same for all values of fold."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold >= self.folds:
            raise FieldError("fold", f"must be below folds={self.folds}, got {self.fold}")

    def _split(self, name: str) -> Split:
        if name == "test":
            try:
                return self.source.split("test")
            except DataError as error:
                logger.warning("data.source gives no test split, so fold %d is tested on: %s", self.fold, error)
        in_fold = self._parts == self.fold
        return Chosen(self._pool(), np.flatnonzero(~in_fold if name == "train" else in_fold))

    def _pool(self) -> Split:
        splits = [self.source.split(name) for name in (("train", "val") if self.join_val else ("train",))]
        return Joined(splits) if len(splits) > 1 else splits[0]

    @cached_property
    def _parts(self) -> NDArray[np.int64]:
        """The part of each sample, (N,)."""
        pool = self._pool()
        strata = strata_of(pool) if self.stratify else np.zeros(len(pool), np.int64)
        groups = None if self.groups is None else _numbered(column_of(pool, self.groups), self.groups)
        count, what = (len(pool), "samples") if groups is None else (len(set(groups.tolist())), "groups")
        if count < self.folds:
            raise DataError(
                f"data.source has {count} {what} to cut; data.folds must be at most that, got {self.folds}."
            )
        if groups is None:
            return spread(strata, self.folds, self.seed)
        return spread_groups(strata, groups, self.folds, self.seed)


def spread(strata: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return a part for each sample; sizes of parts differ by at most 1, and so does the share of each class in them.

    Args:
        strata: (N,) class ids.
        folds: number of parts.
        seed: decides who goes where.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    parts = np.empty(len(strata), np.int64)
    parts[order] = rng.permutation(folds)[np.arange(len(strata)) % folds]
    return parts


def spread_groups(strata: NDArray[np.int64], groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return a part for each sample, the same one for all of a group; no part is empty if there are enough groups.

    The largest group is placed first, each where its classes are rarest so far, and of equals in the smallest part.

    Args:
        strata: (N,) class ids.
        groups: (N,) group numbers from 0, without gaps.
        folds: number of parts.
        seed: decides between groups of the same size.
    """
    classes = np.unique(strata, return_inverse=True)[1]
    counts = np.zeros((groups.max() + 1, classes.max() + 1))
    np.add.at(counts, (groups, classes), 1)
    sizes = counts.sum(1)
    shares = counts / counts.sum(0)
    load, filled = np.zeros((folds, shares.shape[1])), np.zeros(folds)
    places = np.empty(len(counts), np.int64)
    order = np.random.default_rng(seed).permutation(len(counts))
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        place = np.lexsort((filled, np.round(load @ shares[group], 12)))[0]
        places[group] = place
        load[place] += shares[group]
        filled[place] += sizes[group]
    return places[groups]


def _numbered(values: list[Any], key: str) -> NDArray[np.int64]:
    """Return the number of each value, counted from 0 as they come."""
    numbers: dict[Any, int] = {}
    for index, value in enumerate(values):
        if value is None:
            raise DataError(f"data.groups: sample {index} has no {key!r}; name a key that all training samples have.")
        if np.ndim(value):
            raise DataError(f"data.groups: {key!r} of sample {index} must be one value, got {np.shape(value)} of them.")
        numbers.setdefault(value, len(numbers))
    return np.array([numbers[value] for value in values], np.int64)
