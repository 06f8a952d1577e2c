"""Fewer samples of a data set."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, NonNegativeInt, PositiveInt, component
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.base import SPLITS, Split
from dltools.data.composed import Chosen, Wrapped, fingerprint_of, strata_of


@component("data", "subset")
class Subset(Wrapped):
    """Some samples of each split of another data set: `n`, a `fraction`, or those that a file of `indices` lists.

        python -m dltools.train task=classification data=subset +data@data.source=digits data.n=200
        python -m dltools.train -m task=classification data=subset +data@data.source=digits \\
            data.fraction=0.1,0.3,1 data.splits=[train]
        python -m dltools.train task=classification data=subset +data@data.source=folder \\
            data.source.root=photos data.indices=clean.json

    The samples are drawn by `seed` and keep their order; a larger subset holds all samples of a smaller one. The file
    is a JSON object such as {"train": [4, 0, 7]}: positions from 0 for each split, in the order wanted; a split that
    it does not name stays whole. To stratify, each sample is read once before the first epoch, unless the source's
    split tells labels by a method `column(key)`.
    """

    source: Any = None
    """The data set that samples are taken of; any of group data, chosen by +data@data.source=NAME."""
    n: PositiveInt | None = None
    """Number of samples of each split; a split with fewer stays whole."""
    fraction: Annotated[float, Interval(gt=0, le=1)] | None = None
    """Share of the samples of each split, rounded, but at least one sample."""
    indices: str | None = None
    """JSON file with positions for each split."""
    splits: list[str] = dataclasses.field(default_factory=lambda: list(SPLITS))
    """Splits that n and fraction count for; the others stay whole."""
    stratify: bool = True
    """Keep the share of each class, where samples have a `label`."""
    seed: NonNegativeInt = 0
    """Decides which samples are drawn."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ways = [name for name in ("n", "fraction", "indices") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise FieldError(
                "n", f"or fraction or indices must be given, one of them, got {' and '.join(ways) or None}"
            )
        for name in self.splits:
            if name not in SPLITS:
                hint = did_you_mean(name, SPLITS)
                raise FieldError("splits", f"must be some of {', '.join(SPLITS)}, got {name!r}.{hint}")

    @property
    def fingerprint(self) -> str:
        """Hash of the fields, of the fingerprint of the source and of the file of indices, wherever that is."""
        return fingerprint_of(self, ("source", "indices"), self._content())

    def _split(self, name: str) -> Split:
        split = self.source.split(name)
        if self.indices is not None:
            listed = self._listed()
            return Chosen(split, _checked(listed[name], len(split), name, self.indices)) if name in listed else split
        count = self.n if self.n is not None else max(1, round((self.fraction or 0) * len(split)))
        if name not in self.splits or count >= len(split):
            return split
        strata = strata_of(split) if self.stratify else np.zeros(len(split), np.int64)
        return Chosen(split, np.sort(drawn_order(strata, self.seed)[:count]))

    def _listed(self) -> dict[str, Any]:
        """Return what the file says of each split."""
        assert self.indices is not None
        try:
            listed = json.loads(Path(self.indices).read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"data.indices: '{self.indices}' cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise DataError(f"data.indices: {self.indices} is no JSON file: {error}.") from error
        if not isinstance(listed, dict) or not set(listed) <= set(SPLITS):
            told = ", ".join(map(repr, listed)) if isinstance(listed, dict) else f"a {type(listed).__name__}"
            raise DataError(
                f"data.indices: {self.indices} must be an object with some of the keys {', '.join(SPLITS)}, got {told}."
            )
        return listed

    def _content(self) -> Iterable[bytes]:
        yield from super()._content()
        if self.indices is not None:
            yield json.dumps(self._listed(), sort_keys=True).encode()


def drawn_order(strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return all positions by chance, so ordered that the first of them hold the strata in the same proportions.

    Args:
        strata: (N,) class ids.
        seed: decides the order.
    """
    order = np.random.default_rng(seed).permutation(len(strata))
    when = np.empty(len(strata))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata[order] == stratum)
        when[members] = (np.arange(len(members)) + 0.5) / len(members)
    return order[np.argsort(when, kind="stable")]


def _checked(places: Any, size: int, name: str, path: str) -> NDArray[np.int64]:
    """Return the positions that a file lists for a split of some size."""
    where = f"data.indices: {path}, {name}"
    if not isinstance(places, list) or not places:
        raise DataError(f"{where}: must be a list of at least one position, got {places!r}.")
    seen = set()
    for number, place in enumerate(places):
        if type(place) is not int or not 0 <= place < size:
            raise DataError(f"{where}[{number}]: must be a whole number from 0 to {size - 1}, got {place!r}.")
        if place in seen:
            raise DataError(f"{where}[{number}]: {place} is listed twice; each position may stand there once.")
        seen.add(place)
    return np.array(places, np.int64)
