"""What data sets made of other data sets share: samples of other splits, numbered anew."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import FieldError
from dltools.data.base import Provider, Sample, Split


class Wrapped(Provider):
    """A data set that rearranges the samples of another one, its field `source`, and keeps all names."""

    source: Any

    def __post_init__(self) -> None:
        check_provider("source", self.source)

    @property
    def class_names(self) -> list[str]:  # type: ignore[override]
        """Names of the label ids of the source."""
        return list(self.source.class_names)

    @property
    def in_channels(self) -> int:  # type: ignore[override]
        """Channels of an image of the source."""
        return int(self.source.in_channels)

    @property
    def bits(self) -> int:  # type: ignore[override]
        """Bits of a channel of the source."""
        return int(self.source.bits)

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask of the source."""
        return list(self.source.mask_names)

    @property
    def keypoint_names(self) -> Sequence[str]:  # type: ignore[override]
        """Names of the joints of the source."""
        return tuple(self.source.keypoint_names)

    @property
    def keypoint_swap(self) -> Sequence[Sequence[int]]:  # type: ignore[override]
        """Pairs of joints of the source that trade places in a mirror image."""
        return tuple(self.source.keypoint_swap)

    @property
    def distance_maps(self) -> bool:  # type: ignore[override]
        """Whether the source wants distance maps."""
        return bool(self.source.distance_maps)

    @property
    def fingerprint(self) -> str:
        """Hash of the fields and of the fingerprint of the source."""
        return fingerprint_of(self, ("source",), self._content())

    def _content(self) -> Iterable[bytes]:
        yield self.source.fingerprint.encode()


class Chosen(Split):
    """Samples at some places of a split; `index` is the place among those chosen.

    Args:
        split: where the samples come from.
        places: (N,) positions in it, in the order wanted.
    """

    def __init__(self, split: Split, places: NDArray[np.int64]) -> None:
        self.split = split
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        return {**self.split[self._place(index)], "index": index}

    def origin(self, index: int) -> str:
        """Return what the split calls a sample."""
        return self.split.origin(self._place(index))

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has."""
        return self.split.num_objects(self._place(index))

    def posed(self, index: int) -> NDArray[np.bool_]:
        """Return which objects of a sample are poses."""
        return self.split.posed(self._place(index))

    def column(self, key: str) -> list[Any] | None:
        """Return a value of each sample, None where the split cannot tell without reading its samples."""
        values = self.split.column(key)
        return None if values is None else [values[place] for place in self.places]

    def _place(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return int(self.places[index])


class Joined(Split):
    """Splits one after the other; `index` is the place in all of them together."""

    def __init__(self, splits: Sequence[Split]) -> None:
        self.splits = list(splits)
        self.ends = np.cumsum([len(split) for split in splits])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Sample:
        split, place = self._place(index)
        return {**split[place], "index": index}

    def origin(self, index: int) -> str:
        """Return what the split of a sample calls it."""
        split, place = self._place(index)
        return split.origin(place)

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has."""
        split, place = self._place(index)
        return split.num_objects(place)

    def posed(self, index: int) -> NDArray[np.bool_]:
        """Return which objects of a sample are poses."""
        split, place = self._place(index)
        return split.posed(place)

    def column(self, key: str) -> list[Any] | None:
        """Return a value of each sample, None where a split cannot tell without reading its samples."""
        columns = [split.column(key) for split in self.splits]
        return [value for column in columns for value in column or ()] if None not in columns else None

    def _place(self, index: int) -> tuple[Split, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.splits[number], index - int(self.ends[number - 1] if number else 0)


def check_provider(field: str, value: object) -> None:
    """Check that the value of a field is a data set.

    Raises:
        FieldError: it is not; says how one is chosen.
    """
    if not isinstance(value, Provider):
        raise FieldError(
            field, f"must be a data set, chosen by a word such as +data@data.{field}=digits, got {value!r}"
        )


def fingerprint_of(provider: Provider, without: Sequence[str], content: Iterable[bytes]) -> str:
    """Return the hash of the class and the fields of a data set, less some, and of its content."""
    names = [field.name for field in dataclasses.fields(provider)]  # type: ignore[arg-type]
    fields = {name: getattr(provider, name) for name in names if name not in without}
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([type(provider).__qualname__, fields], sort_keys=True).encode())
    for part in content:
        digest.update(part)
    return digest.hexdigest()


def column_of(split: Split, key: str) -> list[Any]:
    """Return a value of each sample, None for those without; each is read once, in threads, unless the split knows.

    Raises:
        DataError: a sample cannot be read.
    """
    values = split.column(key)
    if values is not None:
        return values
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda index: split[index].get(key), range(len(split))))


def strata_of(split: Split) -> NDArray[np.int64]:
    """Return the `label` of each sample, (N,), -1 for those without; only the first is read where that has none."""
    labels = split.column("label")
    if labels is None and len(split) and "label" in split[0]:
        labels = column_of(split, "label")
    return np.array([-1 if label is None else label for label in labels or [None] * len(split)], np.int64)
