"""An image that parts of samples are laid on."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.augs.base import Sample
from dltools.augs.samples.objects import Objects, Window, joined, objects_of, scaled, shifted, within
from dltools.augs.samples.soft import soft_mask
from dltools.cfgutils import FieldError


class Canvas:
    """A plain image that takes on the targets of what is laid on it.

    Args:
        like: tells the channels, types and targets.
        height: in pixels.
        width: in pixels.
        fill: colour where nothing lies: a value for each channel, or one for all.
        mask_fill: class id where nothing lies.

    Raises:
        FieldError: the colour does not fit the image.
    """

    def __init__(self, like: Sample, height: int, width: int, fill: list[float], mask_fill: int) -> None:
        kind, channels = like["image"].dtype, like["image"].shape[2]
        if len(fill) not in (1, channels) or not 0 <= min(fill) <= max(fill) <= np.iinfo(kind).max:
            rule = f"1 value or {channels}, one a channel, from 0 to {np.iinfo(kind).max} for images of {kind}"
            raise FieldError("fill", f"must have {rule}, got {list(fill)}")
        self.arrays = {"image": np.empty((height, width, channels), kind)}
        self.arrays["image"][:] = fill
        if "mask" in like:
            classes, plain = like["mask"].shape[2:], np.full((1, 1), mask_fill)
            self.arrays["mask"] = np.empty((height, width, *classes), like["mask"].dtype)
            self.arrays["mask"][:] = soft_mask(plain, classes[0]) if classes else plain
        self._objects: list[Objects] = []

    def lay(self, part: Sample, x: int, y: int, window: Window, min_visibility: float) -> None:
        """Lay a sample with its corner at x and y, and show what of it lies in a window of the canvas.

        Args:
            part: with the targets of the canvas.
            x: column of its left edge, which may be outside.
            y: row of its upper edge, which may be outside.
            window: of the canvas.
            min_visibility: least share of an object that stays.
        """
        height, width = part["image"].shape[:2]
        x1, y1, x2, y2 = window
        seen = Window(max(x1, x), max(y1, y), min(x2, x + width), min(y2, y + height))
        if seen.x1 < seen.x2 and seen.y1 < seen.y2:
            inner = Window(seen.x1 - x, seen.y1 - y, seen.x2 - x, seen.y2 - y)
            for key, array in self.arrays.items():
                array[seen.place] = part[key][inner.place]
        self._objects.append(within(shifted(objects_of(part), x, y), seen, min_visibility))

    @property
    def sample(self) -> Sample:
        """Image, mask and objects as they are now."""
        return {**self.arrays, **joined(self._objects)}


def zoomed(sample: Sample, zoom: float) -> Sample:
    """Return a sample with image, mask and objects scaled; a side keeps a pixel at least."""
    height, width = sample["image"].shape[:2]
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    if size == (width, height):
        return sample
    shrinks = zoom < 1 and sample["image"].shape[2] <= 4  # more channels cv2.INTER_AREA does not take
    result = {**sample, "image": _resized(sample["image"], size, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)}
    if "mask" in sample:
        result["mask"] = _resized(sample["mask"], size, cv2.INTER_NEAREST_EXACT)
    return {**result, **scaled(objects_of(sample), size[0] / width, size[1] / height)}


def fitting(sample: Sample, height: int, width: int) -> float:
    """Return the scale at which an image just fits into a height and width."""
    return min(height / sample["image"].shape[0], width / sample["image"].shape[1])


def _resized(array: NDArray[Any], size: tuple[int, int], interpolation: int) -> NDArray[Any]:
    resized = cv2.resize(array, size, interpolation=interpolation)
    return resized.reshape(*resized.shape[:2], *array.shape[2:])
