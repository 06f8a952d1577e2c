"""Statistics of the sizes of images and objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import Facts
from dltools.data.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class ImageSizes:
    """How large the images are."""

    height: Summary
    """In pixels."""
    width: Summary
    """In pixels."""
    aspect: Summary
    """Width over height."""


@dataclass(frozen=True, kw_only=True)
class ObjectSizes:
    """How many objects the images have, and how large their boxes are."""

    per_image: Summary
    """Objects of an image."""
    height: Summary
    """Of the boxes, in pixels."""
    width: Summary
    """Of the boxes, in pixels."""
    area: Summary
    """Of the boxes, in pixels."""
    aspect: Summary
    """Width over height, of the boxes that have both."""


@dataclass(kw_only=True, eq=False)
class Sizes(Accumulator[ImageSizes]):
    """Heights, widths and aspect ratios of the images."""

    requires: ClassVar[tuple[str, ...]] = ("image",)

    images: Counter[tuple[int, int]] = field(default_factory=Counter, init=False, repr=False)
    """Images of each (height, width)."""

    def measure(self, sample: Facts) -> tuple[int, int]:
        """Return height and width of an image."""
        return sample.image.shape[:2]

    def count(self, measured: tuple[int, int]) -> None:
        """Add an image of that size."""
        self.images[measured] += 1

    def result(self) -> ImageSizes:
        """Return the distributions."""
        rows = np.array([(*size, count) for size, count in sorted(self.images.items())], np.int64).reshape(-1, 3)
        height, width, counts = rows.T
        return ImageSizes(
            height=Summary.of(height, counts),
            width=Summary.of(width, counts),
            aspect=Summary.of(width / height, counts),
        )

    def _merge(self, other: Sizes) -> None:
        self.images.update(other.images)


@dataclass(kw_only=True, eq=False)
class Objects(Accumulator[ObjectSizes]):
    """Objects per image, and the sizes of their boxes; crowds and boxes that are not finite are left out."""

    requires: ClassVar[tuple[str, ...]] = ("boxes",)

    images: Counter[int] = field(default_factory=Counter, init=False, repr=False)
    """Images of each number of objects."""
    parts: list[NDArray[np.float64]] = field(default_factory=list, init=False, repr=False)
    """Width and height of the boxes, some (N, 2)."""

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Width and height of all boxes in pixels, (N, 2), sorted; what `anchors` takes."""
        sizes = np.concatenate([np.zeros((0, 2)), *self.parts])
        return sizes[np.lexsort(sizes.T)]

    def measure(self, sample: Facts) -> NDArray[np.float64]:
        """Return width and height of the boxes of a sample, (N, 2)."""
        boxes = sample.boxes[sample.objects(len(sample.boxes)) & np.isfinite(sample.boxes).all(axis=1)]
        return boxes[:, 2:] - boxes[:, :2]

    def count(self, measured: NDArray[np.float64]) -> None:
        """Add the boxes of a sample."""
        self.images[len(measured)] += 1
        self.parts.append(measured)

    def result(self) -> ObjectSizes:
        """Return the distributions."""
        width, height = self.sizes.T
        solid = (width > 0) & (height > 0)
        return ObjectSizes(
            per_image=Summary.of(list(self.images.keys()), list(self.images.values())),
            height=Summary.of(height),
            width=Summary.of(width),
            area=Summary.of(width * height),
            aspect=Summary.of(width[solid] / height[solid]),
        )

    def _merge(self, other: Objects) -> None:
        self.images.update(other.images)
        if other.parts:
            self.parts.append(np.concatenate(other.parts))
