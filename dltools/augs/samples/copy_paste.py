"""Objects of another image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.augs.base import Sample
from dltools.augs.samples.canvas import Canvas, fitting, zoomed
from dltools.augs.samples.mix import Mix, check_range, drawn
from dltools.augs.samples.objects import Region, Window, chosen, joined, objects_of, regions_of, uncovered
from dltools.augs.samples.soft import IGNORED
from dltools.cfgutils import ConfigError, PositiveInt, Probability, component


@component("transform", "copy_paste")
class CopyPaste(Mix):
    """Paste some objects of another image, which is scaled and shifted as a whole.

    With a mask, an object is the pixels of its class, label + 1, in its box; without boxes it is a connected region of
    a class, and 0 is no class; without a mask it is the whole box. Crowds are not pasted. What the objects cover is
    cut from those below: boxes and areas shrink to what is left to see, and covered keypoints are absent.

    Source: Ghiasi et al. 2021, Simple Copy-Paste, arXiv:2012.07177, section 3. Large jitter of scale and mirror images
    come from transforms that stand before this one.
    """

    scale: list[float] = field(default_factory=lambda: [0.5, 1.5])
    """Least and largest scale of the other image; at 1 it fits into this one."""
    max_objects: PositiveInt | None = None
    """Most objects that are pasted; None is all of the other image. How many is random, each number as likely."""
    min_visibility: Probability = 0.1
    """Objects are dropped of which less than this share is left, or a side below a pixel."""

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        check_range("scale", self.scale, 0.01)

    def mix(self, sample: Sample, another: Callable[[], Sample], rng: np.random.Generator) -> Sample:
        """Return the sample with objects of another."""
        height, width = sample["image"].shape[:2]
        other = self._placed(another(), height, width, rng)
        objects, regions = objects_of(other), _regions(other)
        crowds = objects.get("iscrowd", np.zeros(len(regions), np.bool_))
        rows = np.array([row for row, it in enumerate(regions) if it.inside.any() and not crowds[row]], np.int64)
        if len(rows) == 0:
            return sample
        most = min(len(rows), self.max_objects or len(rows))
        rows = np.sort(rng.permutation(rows)[: rng.integers(1, most + 1)])
        pasted = np.zeros((height, width), np.bool_)
        for row in rows:
            pasted[regions[row].place] |= regions[row].inside
        result = dict(sample)
        for key in ("image", "mask"):
            if key in sample:
                pixels = pasted.reshape(height, width, *[1] * (sample[key].ndim - 2))
                result[key] = np.where(pixels, other[key], sample[key])
        below = uncovered(objects_of(sample), pasted, sample.get("mask"), self.min_visibility)
        return {**result, **joined([below, chosen(objects, rows)])}

    def prepared(self, sample: Sample) -> Sample:
        """Return a sample without its label.

        Raises:
            ConfigError: it has neither mask nor boxes, or a mask of shares.
        """
        if "mask" in sample and sample["mask"].ndim == 3:
            raise ConfigError("copy_paste takes masks of class ids, and mixup makes shares; put copy_paste before it.")
        return super().prepared(sample)

    def _placed(self, other: Sample, height: int, width: int, rng: np.random.Generator) -> Sample:
        """Return the other sample, scaled and shifted, on an image of a height and width."""
        part = zoomed(other, fitting(other, height, width) * drawn(self.scale, rng))
        rows, columns = part["image"].shape[:2]
        x, y = (
            int(rng.integers(min(0, room), max(0, room), endpoint=True)) for room in (width - columns, height - rows)
        )
        canvas = Canvas(part, height, width, fill=[0.0], mask_fill=0)
        canvas.lay(part, x, y, Window(0, 0, width, height), self.min_visibility)
        return canvas.sample


def _regions(sample: Sample) -> list[Region]:
    """Return the pixels of each object."""
    if "boxes" in sample:
        return regions_of(objects_of(sample), sample.get("mask"), sample["image"].shape[:2])
    mask: NDArray[Any] = sample["mask"]
    labels = np.flatnonzero(np.bincount(mask.ravel(), minlength=IGNORED + 1))
    return [region for label in labels if label not in (0, IGNORED) for region in _connected(mask == label)]


def _connected(inside: NDArray[np.bool_]) -> Iterator[Region]:
    """Yield the connected regions of pixels that are True; there must be one."""
    pixels = inside.view(np.uint8)
    left, top, columns, rows = cv2.boundingRect(pixels)
    here = pixels[top : top + rows, left : left + columns]
    _, numbers, boxes, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(here))
    for number, (x, y, width, height, _) in enumerate(boxes[1:].tolist(), start=1):
        place = slice(top + y, top + y + height), slice(left + x, left + x + width)
        yield Region(place, numbers[y : y + height, x : x + width] == number)
