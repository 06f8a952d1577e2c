"""A rectangle of another image."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from dltools.augs.base import Sample
from dltools.augs.samples.mix import Learned, Mix, with_cut_boxes
from dltools.augs.samples.objects import Window, joined, objects_of, uncovered, within
from dltools.augs.samples.soft import soft_label
from dltools.cfgutils import PositiveFloat, PositiveInt, Probability, component


@component("transform", "cutmix")
class Cutmix(Mix):
    """Paste a random rectangle of another image at the place where it was, with all that is in it.

    A label becomes the shares of the classes (num_classes,) float32, also where nothing is pasted: the other's is that
    of the pixels that come from it. A mask stays one of class ids. Objects are cut to the rectangle, and those below
    it to what is left to see; keypoints that are cut off or covered are absent. Where the other image is the smaller
    one, so is the rectangle.

    Source: Yun et al. 2019, CutMix, arXiv:1905.04899, section 3.1.
    """

    takes: ClassVar[tuple[Learned, ...]] = (Learned.label, Learned.mask, Learned.boxes)

    alpha: PositiveFloat = 1.0
    """The share of the image that is not covered is drawn from Beta(alpha, alpha)."""
    num_classes: PositiveInt | None = None
    """Number of labels; None as the data says."""
    min_visibility: Probability = 0.1
    """Objects are dropped of which less than this share is left, or a side below a pixel."""

    def mix(self, sample: Sample, another: Callable[[], Sample], rng: np.random.Generator) -> Sample:
        """Return the sample with a rectangle of another."""
        other = another()
        height, width = sample["image"].shape[:2]
        window = self._window(height, width, other["image"].shape, rng)
        hidden = np.zeros((height, width), np.bool_)
        hidden[window.place] = True
        result = dict(sample)
        for key in ("image", "mask"):
            if key in sample:
                result[key] = sample[key].copy()
                result[key][window.place] = other[key][window.place]
        if "label" in sample:
            share = np.float32(hidden.mean())
            result["label"] = (1 - share) * sample["label"] + share * other["label"]
        ids = sample["mask"] if "mask" in sample and sample["mask"].ndim == 2 else None
        below = uncovered(objects_of(sample), hidden, ids, self.min_visibility)
        return {**result, **joined([below, within(objects_of(other), window, self.min_visibility)])}

    def prepared(self, sample: Sample) -> Sample:
        """Return a sample with shares for a label, and without it where the task learns something else."""
        if self.learns not in (None, Learned.label):
            return super().prepared(sample)
        result = with_cut_boxes(sample)
        return {**result, "label": soft_label(sample["label"], self.num_classes)} if "label" in sample else result

    def _window(self, height: int, width: int, other: tuple[int, ...], rng: np.random.Generator) -> Window:
        """Return a rectangle around a random point, cut at the border of both images."""
        side = np.sqrt(1 - rng.beta(self.alpha, self.alpha)) / 2
        bounds = []
        for length, limit in ((width, min(width, other[1])), (height, min(height, other[0]))):
            center, reach = rng.uniform(0, length), length * side
            bounds.append([round(min(max(edge, 0), limit)) for edge in (center - reach, center + reach)])
        (x1, x2), (y1, y2) = bounds
        return Window(x1, y1, x2, y2)
