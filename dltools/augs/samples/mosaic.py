"""Four images around a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Annotated

import numpy as np
from annotated_types import Interval

from dltools.augs.base import Sample
from dltools.augs.samples.canvas import Canvas, fitting, zoomed
from dltools.augs.samples.mix import Mix, check_range, drawn
from dltools.augs.samples.objects import Window
from dltools.augs.samples.soft import IGNORED
from dltools.cfgutils import FieldError, Probability, component


@component("transform", "mosaic")
class Mosaic(Mix):
    """Put the image and three others around a random point, each with its corner there.

    Objects are cut where their image ends; keypoints beyond are absent, and areas shrink by the share that is cut off.

    Source: Bochkovskiy et al. 2020, YOLOv4, arXiv:2004.10934, section 3.3.
    """

    size: list[int] | None = None
    """Height and width of the result in pixels; None is that of the sample. With p below 1 let a resize follow."""
    scale: list[float] = field(default_factory=lambda: [0.5, 1.0])
    """Least and largest scale of each image; at 1 it fits into the result."""
    center: list[float] = field(default_factory=lambda: [0.25, 0.75])
    """Where the four meet: least and largest share of the height and of the width."""
    fill: list[float] = field(default_factory=lambda: [114.0])
    """Colour where no image reaches, in values of the image: one for each channel, or one for all."""
    mask_fill: Annotated[int, Interval(ge=0, le=255)] = IGNORED
    """Class id of the mask there; 255 is ignored."""
    min_visibility: Probability = 0.1
    """Objects are dropped of whose box less than this share is left, or a side below a pixel."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check_range("scale", self.scale, 0.01)
        check_range("center", self.center, 0, 1)
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 2):
            raise FieldError("size", f"must be a height and a width of at least 2 pixels, got {self.size}")

    def mix(self, sample: Sample, another: Callable[[], Sample], rng: np.random.Generator) -> Sample:
        """Return the four images as one."""
        height, width = self.size or sample["image"].shape[:2]
        x, y = (round(side * drawn(self.center, rng)) for side in (width, height))
        canvas = Canvas(sample, height, width, self.fill, self.mask_fill)
        for lower, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            tile = another() if lower or right else sample
            tile = zoomed(tile, fitting(tile, height, width) * drawn(self.scale, rng))
            rows, columns = tile["image"].shape[:2]
            window = Window(x if right else 0, y if lower else 0, width if right else x, height if lower else y)
            canvas.lay(tile, x if right else x - columns, y if lower else y - rows, window, self.min_visibility)
        return {**sample, **canvas.sample}
