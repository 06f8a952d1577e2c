"""Statistics that find what is wrong with a data set."""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import Facts

Place = tuple[str, int]
"""Split and index of a sample."""
KEY_BYTES = 16
HASHED_BYTES = 1 << 15
MAY_BE_FLOAT = ("image", "boxes", "keypoints")


@dataclass(frozen=True, kw_only=True)
class DuplicateGroups:
    """Which images are there more than once."""

    groups: list[list[Place]]
    """The places of each image that is in more than one, sorted."""
    across: list[list[Place]]
    """Those groups that reach over more than one split: leaks."""


@dataclass(frozen=True, kw_only=True)
class NonFiniteCounts:
    """Numbers that are none."""

    nan: dict[str, int]
    """NaN of each key."""
    infinite: dict[str, int]
    """Infinities of each key."""
    samples: list[int]
    """Indices of the samples that have some."""


@dataclass(kw_only=True, eq=False)
class Duplicates(Accumulator[DuplicateGroups]):
    """Images with the same pixels, by a hash of 24 bytes a sample. Merge those of several splits to find leaks.

    The hash is made of type, shape, the CRC-32 of all pixels, and BLAKE2b of all pixels or, of images above 32 KB, of
    rows spread evenly: images that differ anywhere by chance do not meet, ones forged to meet could.

    Example:
        >>> train, val = Duplicates(split="train"), Duplicates(split="val")
        >>> train.add({"image": np.zeros((2, 2, 3), np.uint8), "index": 0})
        >>> val.add({"image": np.zeros((2, 2, 3), np.uint8), "index": 5})
        >>> train.merge(val)
        >>> train.result().across
        [[('train', 0), ('val', 5)]]
    """

    requires: ClassVar[tuple[str, ...]] = ("image", "index")

    split: str = field(default="", compare=False)
    """Name of the split that samples are added from."""
    keys: defaultdict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray), init=False, repr=False)
    """Hashes of each split, one after the other."""
    indices: defaultdict[str, array[int]] = field(
        default_factory=lambda: defaultdict(_integers), init=False, repr=False
    )
    """Indices of each split, in the same order."""

    def measure(self, sample: Facts) -> tuple[bytes, int]:
        """Return hash and index of a sample."""
        return pixels_hash(sample.image), int(sample["index"])

    def count(self, measured: tuple[bytes, int]) -> None:
        """Add a hash."""
        self.keys[self.split] += measured[0]
        self.indices[self.split].append(measured[1])

    def result(self) -> DuplicateGroups:
        """Return the groups of equal images."""
        places: defaultdict[bytes, list[Place]] = defaultdict(list)
        for split, indices in self.indices.items():
            for number, index in enumerate(indices):
                places[bytes(self.keys[split][KEY_BYTES * number : KEY_BYTES * (number + 1)])].append((split, index))
        groups = sorted(sorted(group) for group in places.values() if len(group) > 1)
        return DuplicateGroups(groups=groups, across=[group for group in groups if len(dict(group)) > 1])

    def _merge(self, other: Duplicates) -> None:
        for split, indices in other.indices.items():
            self.keys[split] += other.keys[split]
            self.indices[split].extend(indices)


@dataclass(kw_only=True, eq=False)
class NonFinite(Accumulator[NonFiniteCounts]):
    """NaN and infinities in images of floats, boxes and keypoints, of those that a sample has."""

    requires: ClassVar[tuple[str, ...]] = ("index",)

    nan: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    """NaN of each key."""
    infinite: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    """Infinities of each key."""
    samples: list[int] = field(default_factory=list, init=False, repr=False)
    """Indices of the samples that have some."""

    def measure(self, sample: Facts) -> tuple[int, dict[str, int], dict[str, int]]:
        """Return the index of a sample, and its NaN and infinities of each key."""
        nan, infinite = {}, {}
        for key in MAY_BE_FLOAT:
            values: Any = np.asarray(sample[key]) if key in sample else np.zeros(0)
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                nan[key], infinite[key] = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        return int(sample["index"]), nan, infinite

    def count(self, measured: tuple[int, dict[str, int], dict[str, int]]) -> None:
        """Add the counts of a sample."""
        index, nan, infinite = measured
        self.nan.update(nan)
        self.infinite.update(infinite)
        if nan:
            self.samples.append(index)

    def result(self) -> NonFiniteCounts:
        """Return the counts, of the keys that have some."""
        return NonFiniteCounts(nan=dict(+self.nan), infinite=dict(+self.infinite), samples=sorted(self.samples))

    def _merge(self, other: NonFinite) -> None:
        self.nan.update(other.nan)
        self.infinite.update(other.infinite)
        self.samples += other.samples


def pixels_hash(image: np.ndarray) -> bytes:
    """Return 16 bytes that tell a contiguous image from others, in about a tenth of the time of decoding it."""
    step = -(-image.nbytes // HASHED_BYTES)
    digest = hashlib.blake2b(np.ascontiguousarray(image[::step]).data, digest_size=KEY_BYTES)
    digest.update(f"{image.dtype.str}{image.shape}{zlib.crc32(image.data)}".encode())
    return digest.digest()


def _integers() -> array[int]:
    return array("q")
