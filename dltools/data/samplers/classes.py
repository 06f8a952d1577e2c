"""Finds which classes the samples of a split have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import ConfigError, DataError, OnError
from dltools.data.base import Sample, Split
from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import IGNORED, Facts
from dltools.data.statistics.one_pass import Samples, collect


def classes_of(
    split: Split, key: str, on_error: OnError = OnError["raise"], max_skipped: float = 0.01
) -> list[NDArray[np.int64]]:
    """Return the class ids of each sample, sorted and each once.

    Each sample is read once, in threads, unless the split tells by `column(key)`. Crowds and the ignored pixels of
    masks do not count.

    Args:
        split: the samples.
        key: what tells the classes: `label`, `labels` or `mask`.
        on_error: what becomes of a sample that cannot be read: the end, or it is one without classes.
        max_skipped: the largest share of samples that may be so.

    Raises:
        ConfigError: there is no key.
        DataError: a sample cannot be read, has no such key, or impossible classes.
    """
    if not key:
        raise ConfigError(
            "sampler: it needs the classes of the samples, and this task has none; use sampler=shuffle or weighted."
        )
    column = split.column(key)
    if column is not None and key == "label":
        labels = np.asarray(column)
        if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
            raise DataError(f"sampler: the labels of the samples must be whole numbers from 0, got {labels}.")
        return list(labels.astype(np.int64)[:, None])
    samples: Samples = split if column is None else _Columns(split, key, column)
    asked = {"sampler": _PerSample(key=key)}
    found = collect(samples, asked, workers=os.cpu_count() or 1, on_error=on_error, max_skipped=max_skipped)
    ids = found.results["sampler"]
    return [ids.get(index, _NONE) for index in range(len(split))]


class _Columns:
    """Samples of nothing but what a split tells without reading its images."""

    def __init__(self, split: Split, key: str, values: Sequence[Any]) -> None:
        self.name = getattr(split, "name", type(split).__name__)
        crowds = split.column("iscrowd")
        self.size = len(values)
        self.columns = {key: values} if crowds is None else {key: values, "iscrowd": crowds}

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Sample:
        return {key: values[index] for key, values in self.columns.items()}


@dataclass(kw_only=True, eq=False)
class _PerSample(Accumulator[dict[int, NDArray[np.int64]]]):
    """The classes of each sample, by its index."""

    key: str
    """What tells the classes."""
    ids: dict[int, NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    def measure(self, sample: Facts) -> tuple[int, NDArray[np.int64]]:
        """Return the index of a sample and its classes, each once."""
        if self.key == "mask":
            return sample["index"], np.flatnonzero(sample.mask_counts[:IGNORED])
        ids = np.atleast_1d(np.asarray(sample[self.key]))
        kept = ids[sample.objects(len(ids))] if self.key == "labels" else ids
        if kept.size and (kept.ndim != 1 or kept.dtype.kind not in "iu" or kept.min() < 0):
            raise DataError(f"its {self.key} must be whole numbers from 0, got {kept}")
        return sample["index"], np.unique(kept).astype(np.int64)

    def count(self, measured: tuple[int, NDArray[np.int64]]) -> None:
        """Keep the classes of a sample."""
        self.ids[measured[0]] = measured[1]

    def result(self) -> dict[int, NDArray[np.int64]]:
        """Return the classes of each sample that could be read, by its index."""
        return self.ids

    def _merge(self, other: _PerSample) -> None:
        self.ids.update(other.ids)


_NONE = np.empty(0, np.int64)
