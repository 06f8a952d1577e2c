"""Statistics of images that need not be of one kind."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import Facts
from dltools.data.statistics.pixels import Moments, PixelMoments

Kind = tuple[int, str]
"""Channels and type, such as (3, "uint8")."""


@dataclass(frozen=True, kw_only=True)
class KindTotals:
    """The images of one kind."""

    channels: int
    """Channels of an image."""
    dtype: str
    """Type of its pixels: uint8, uint16 or one of floats."""
    images: int
    """How many there are."""
    first: int
    """The smallest index of one."""
    pixels: PixelMoments
    """Mean and spread of their pixels."""


@dataclass(kw_only=True, eq=False)
class Kinds(Accumulator[list[KindTotals]]):
    """Images of each number of channels and type, with their moments; the result has the most frequent first.

    Example:
        >>> kinds = Kinds()
        >>> kinds.add({"image": np.zeros((4, 4, 3), np.uint8), "index": 0})
        >>> kinds.add({"image": np.zeros((4, 4, 1), np.uint8), "index": 1})
        >>> [(kind.channels, kind.images) for kind in kinds.result()]
        [(3, 1), (1, 1)]
    """

    requires: ClassVar[tuple[str, ...]] = ("image", "index")

    moments: defaultdict[Kind, Moments] = field(default_factory=lambda: defaultdict(Moments), init=False, repr=False)
    """Of each kind."""
    indices: dict[Kind, tuple[int, int]] = field(default_factory=dict, init=False, repr=False)
    """How many images of a kind there are, and the smallest index of one."""

    def measure(self, sample: Facts) -> tuple[Kind, int, Any]:
        """Return kind, index and moments of an image."""
        kind = sample.image.shape[2], str(sample.image.dtype)
        return kind, int(sample["index"]), Moments().measure(sample)

    def count(self, measured: tuple[Kind, int, Any]) -> None:
        """Add an image."""
        kind, index, moments = measured
        self._note(kind, 1, index)
        self.moments[kind].count(moments)

    def result(self) -> list[KindTotals]:
        """Return the totals of each kind."""
        ordered = sorted(self.indices.items(), key=lambda item: (-item[1][0], item[1][1]))
        return [
            KindTotals(channels=kind[0], dtype=kind[1], images=images, first=first, pixels=self.moments[kind].result())
            for kind, (images, first) in ordered
        ]

    def _merge(self, other: Kinds) -> None:
        for kind, (images, first) in other.indices.items():
            self._note(kind, images, first)
            self.moments[kind].merge(other.moments[kind])

    def _note(self, kind: Kind, images: int, index: int) -> None:
        before, first = self.indices.get(kind, (0, index))
        self.indices[kind] = before + images, min(first, index)
