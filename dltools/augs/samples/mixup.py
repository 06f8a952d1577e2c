"""Two images, one shining through the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.augs.base import Sample
from dltools.augs.samples.mix import Learned, Mix, with_cut_boxes
from dltools.augs.samples.objects import OBJECTS, joined, objects_of
from dltools.augs.samples.soft import mixed_masks, soft_label, soft_mask
from dltools.cfgutils import DataError, PositiveFloat, PositiveInt, component

KEYS = {Learned.label: ("label",), Learned.mask: ("mask",), Learned.boxes: OBJECTS}
"""Keys of what a task learns."""


@component("transform", "mixup")
class Mixup(Mix):
    """Mix the image with another: a random share of one and the rest of the other.

    A label becomes the shares of the classes (num_classes,) and a mask those of each pixel (H, W, num_classes), both
    float32, also where nothing is mixed; a pixel that is ignored in either mask is 255 in all channels. Objects are
    those of both images. Targets that the task does not learn are left out.

    Images with labels or masks must be of one size. With boxes, the smaller one lies in the upper left corner and is
    black beyond its border, so that no object is lost.

    Source: Zhang et al. 2018, mixup, arXiv:1710.09412; for boxes Zhang et al. 2019, Bag of Freebies, arXiv:1902.04103,
    section 3.1.
    """

    takes: ClassVar[tuple[Learned, ...]] = (Learned.label, Learned.mask, Learned.boxes)

    alpha: PositiveFloat = 0.2
    """The share is drawn from Beta(alpha, alpha)."""
    alpha_boxes: PositiveFloat = 1.5
    """The same for samples with boxes, whose objects count whole, however faint: mostly shares around one half."""
    num_classes: PositiveInt | None = None
    """Number of labels, or of ids in a mask; None as the data says."""

    def mix(self, sample: Sample, another: Callable[[], Sample], rng: np.random.Generator) -> Sample:
        """Return both samples as one.

        Raises:
            DataError: the images differ in size, and have labels or masks.
        """
        other = another()
        alpha = self.alpha_boxes if "boxes" in sample else self.alpha
        share = float(rng.beta(alpha, alpha))
        if ("label" in sample or "mask" in sample) and sample["image"].shape != other["image"].shape:
            (height, width), (rows, columns) = (image.shape[:2] for image in (sample["image"], other["image"]))
            raise DataError(
                f"images of {height} x {width} and of {rows} x {columns} pixels cannot be mixed; put a transform "
                "before this one that gives all images one size, such as resize or random_crop"
            )
        result = {**sample, "image": _mixed(sample["image"], other["image"], share)}
        if "label" in sample:
            result["label"] = np.float32(share) * sample["label"] + np.float32(1 - share) * other["label"]
        if "mask" in sample:
            result["mask"] = mixed_masks(sample["mask"], other["mask"], share)
        return {**result, **joined([objects_of(sample), objects_of(other)])}

    def prepared(self, sample: Sample) -> Sample:
        """Return a sample with shares for labels and masks, and without what the task does not learn."""
        unlearned = {key for learned, keys in KEYS.items() if self.learns not in (None, learned) for key in keys}
        result = {key: value for key, value in sample.items() if key not in unlearned}
        if "label" in result:
            result["label"] = soft_label(result["label"], self.num_classes)
        if "mask" in result:
            result["mask"] = soft_mask(result["mask"], self.num_classes)
        return with_cut_boxes(result)


def _mixed(first: NDArray[Any], second: NDArray[Any], share: float) -> NDArray[Any]:
    """Return the weighted sum of two images (H, W, C), black where one of them ends."""
    height, width = (max(sides) for sides in zip(first.shape[:2], second.shape[:2], strict=True))
    one, other = (_padded(image, height, width) for image in (first, second))
    return np.asarray(cv2.addWeighted(one, share, other, 1 - share, 0)).reshape(one.shape)


def _padded(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    rows, columns = image.shape[:2]
    return np.pad(image, ((0, height - rows), (0, width - columns), (0, 0)))
