"""The interface of all visualizers, and what they are given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import FieldError, PositiveInt
from dltools.cfgutils.timeunit import TimeUnit

Marks = dict[str, Any]
"""What is known or thought of an image, in its pixels; any of

label: class id, or shares (classes,) of several; with `score` from 0 to 1 where it is a guess.
mask: (H, W) class ids, or shares (classes, H, W) of several; 0 is the background, 255 is ignored.
boxes: (N, 4) xyxy; with `labels` (N,) class ids, and `scores` (N,) from 0 to 1 where they are guesses.
keypoints: (N, K, 3) x, y, visibility, or (N, K, 2); of one object also without N.
"""


@dataclass(frozen=True)
class Picture:
    """An image with what is true and what the model says."""

    image: NDArray[Any]
    """(H, W, 3) RGB, or (H, W, C): of four channels the first three are shown, else the first; uint8 or uint16."""
    truth: Marks = field(default_factory=dict)
    """What is true; arrays of numpy."""
    prediction: Marks = field(default_factory=dict)
    """What the model says; arrays of numpy."""
    names: list[str] = field(default_factory=list)
    """Names of the class ids of labels or masks; an id without one is shown as a number."""
    caption: str = ""
    """Words for this image, such as its file or index."""


@dataclass(kw_only=True, eq=False, repr=False)
class Visualizer(ABC):
    """Draws an image from samples and predictions. Subclasses are components of group `visualizer`."""

    every: str = "1ep"
    """How often to draw, such as 1ep or 500st."""
    num_images: PositiveInt = 8
    """How many samples to draw: the first of the evaluation, so that images of different times can be compared."""

    def __post_init__(self) -> None:
        if TimeUnit.parse(self.every, "every").is_clock:
            raise FieldError("every", f"must be counted in ep, st or %, got {self.every!r}")

    @abstractmethod
    def draw(self, pictures: list[Picture]) -> NDArray[np.uint8]:
        """Return an image (H, W, 3) uint8, RGB.

        Args:
            pictures: at least one; beyond `num_images` they are left out.
        """
