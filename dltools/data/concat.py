"""Several data sets as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, component, noting
from dltools.data.base import Provider, Sample, Split
from dltools.data.composed import Joined, check_provider, fingerprint_of

IGNORED = 255
"""Id in masks that stays what it is."""


@component("data", "concat")
class Concat(Provider):
    """Several data sets, split by split one after the other, in the order of their names in the config.

        python -m dltools.train task=classification data=concat +data@data.sources.mine=manifest \\
            data.sources.mine.root=photos +data@data.sources.more=folder data.sources.more.root=downloads

    Classes of one name are one class: `class_names` are those of the first data set, then the new ones of the second,
    and so on; `label`, `labels` and masks count in them. Masks likewise, by `mask_names`. The images have the same
    channels and bits, the objects the same keypoints, and each data set has all splits that are asked for.
    """

    sources: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The data sets by a name of your own; each any of group data, chosen by +data@data.sources.MINE=NAME."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise FieldError(
                "sources", "must have a data set or more, chosen as +data@data.sources.mine=digits, got none"
            )
        for name, source in self.sources.items():
            check_provider(f"sources.{name}", source)
        self.in_channels: int = self._same("in_channels", int)
        self.bits: int = self._same("bits", int)
        self.keypoint_names: Sequence[str] = self._same("keypoint_names", tuple)
        self.keypoint_swap: Sequence[Sequence[int]] = self._same(
            "keypoint_swap", lambda pairs: tuple(map(tuple, pairs))
        )
        self.distance_maps: bool = any(source.distance_maps for source in self.sources.values())

    @property
    def class_names(self) -> list[str]:  # type: ignore[override]
        """Names of the label ids: of all sources, each once."""
        return _union(source.class_names for source in self.sources.values())

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask: of all sources, each once."""
        return _union(source.mask_names for source in self.sources.values())

    @property
    def fingerprint(self) -> str:
        """Hash of the fingerprints of the sources, in order; their names here do not count."""
        return fingerprint_of(self, ("sources",), self._content())

    def _split(self, name: str) -> Split:
        classes, masks = self.class_names, self.mask_names
        splits = []
        for key, source in self.sources.items():
            with noting(f"in data.sources.{key}"):
                splits.append(
                    Renamed(source.split(name), _ids(source.class_names, classes), _ids(source.mask_names, masks))
                )
        return Joined(splits)

    def _same(self, fact: str, kind: Callable[[Any], Any]) -> Any:
        """Return what all sources say of a fact."""
        told = {name: kind(getattr(source, fact)) for name, source in self.sources.items()}
        if len(set(told.values())) > 1:
            listed = ", ".join(f"{value} of {name}" for name, value in told.items())
            raise FieldError("sources", f"must agree in {fact}, got {listed}")
        return next(iter(told.values()))

    def _content(self) -> Iterable[bytes]:
        return (source.fingerprint.encode() for source in self.sources.values())


class Renamed(Split):
    """Samples of a split with other ids of labels and masks.

    Args:
        split: where the samples come from.
        classes: (C,) new id of each label.
        masks: (M,) new id of each id in a mask.
    """

    def __init__(self, split: Split, classes: NDArray[np.int64], masks: NDArray[np.int64]) -> None:
        self.split = split
        self.classes = classes
        self.masks = masks
        self.table: NDArray[np.uint8] | None = None
        if masks.max(initial=0) < IGNORED:
            self.table = np.full(IGNORED + 1, IGNORED, np.uint8)
            self.table[: len(masks)] = masks

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Sample:
        sample = dict(self.split[index])
        if "label" in sample:
            sample["label"] = int(self.classes[sample["label"]])
        if "labels" in sample:
            sample["labels"] = self.classes[sample["labels"]]
        if "mask" in sample:
            if self.table is None:
                raise DataError(
                    f"data.sources: masks hold ids below {IGNORED}, but {self.masks.max() + 1} names are joined."
                )
            sample["mask"] = self.table[sample["mask"]]
        return sample

    def origin(self, index: int) -> str:
        """Return what the split calls a sample."""
        return self.split.origin(index)

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has."""
        return self.split.num_objects(index)

    def posed(self, index: int) -> NDArray[np.bool_]:
        """Return which objects of a sample are poses."""
        return self.split.posed(index)

    def column(self, key: str) -> list[Any] | None:
        """Return a value of each sample, None where the split cannot tell without reading its samples."""
        values = self.split.column(key)
        if values is None or key not in ("label", "labels"):
            return values
        return [int(ids) if key == "label" else ids for ids in (self.classes[value] for value in values)]


def _union(lists: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _ids(names: Sequence[str], joined: list[str]) -> NDArray[np.int64]:
    """Return the place of each name among those joined."""
    places = {name: place for place, name in enumerate(joined)}
    return np.array([places[name] for name in names], np.int64)
