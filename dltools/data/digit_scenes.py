"""Real digits scattered over real photographs: masks, boxes and keypoints without a download."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any

import cv2
import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray

from dltools.cfgutils import FieldError, NonNegativeInt, PositiveInt, component
from dltools.data.base import SPLITS, Provider, Sample, Split
from dltools.data.digits import DIGIT_NAMES, load_scans, partition
from dltools.data.placed_digit import INK, PlacedDigit, enlarged, extent

BANDS = {"train": (0.0, 0.7), "val": (0.7, 0.82), "test": (0.82, 1.0)}
"""From where to where in a photograph's width the backgrounds of a split are cut."""


@component("data", "digit_scenes")
class DigitScenes(Provider):
    """Scanned digits, turned, scaled, coloured and blended onto two photographs; ships with scikit-learn.

    A scene is a function of (seed, split, position). Digits and photograph regions of the splits are disjoint.

    Samples: `image` (size, size, 3) uint8; `mask` (size, size) uint8, 0 the background and digit + 1 where its ink is;
    `boxes` (N, 4) tight around the visible ink; `labels` (N,) 0..9; `keypoints` (N, 5, 3): centre and corners of each
    scan's frame, named as the upright digit has them. N is from `min_digits` to `max_digits`, and at least 1.
    """

    size: Annotated[int, Ge(32)] = 64
    """Side of a scene in pixels."""
    min_digits: PositiveInt = 2
    """Least number of digits in a scene."""
    max_digits: PositiveInt = 5
    """Largest number of digits in a scene; fewer where no more find room."""
    min_scale: Annotated[float, Ge(8)] = 18.0
    """Least side of a digit's frame in pixels."""
    max_scale: Annotated[float, Ge(8)] = 30.0
    """Largest side of a digit's frame in pixels."""
    rotation: Annotated[float, Interval(ge=0, le=180)] = 30.0
    """Digits are turned by up to this many degrees to either side."""
    hidden: Annotated[float, Interval(ge=0, lt=1)] = 0.05
    """Largest share of a digit's ink that later digits may cover."""
    contrast: Annotated[float, Interval(ge=0, le=220)] = 160.0
    """Least distance in RGB of a digit's colour from the mean colour of what lies below it."""
    opacity: Annotated[float, Interval(gt=0, le=1)] = 0.85
    """Least opacity of a digit's ink; the largest is 1."""
    train_scenes: PositiveInt = 8000
    """Number of training scenes."""
    val_scenes: PositiveInt = 300
    """Number of validation scenes."""
    test_scenes: PositiveInt = 500
    """Number of test scenes."""
    seed: NonNegativeInt = 0
    """Decides which scans go to which split, and every scene."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""

    class_names = DIGIT_NAMES
    in_channels = 3
    keypoint_names = ("centre", "top_left", "top_right", "bottom_right", "bottom_left")

    def __post_init__(self) -> None:
        if self.max_digits < self.min_digits:
            raise FieldError("max_digits", f"must be at least min_digits = {self.min_digits}, got {self.max_digits}")
        if self.max_scale < self.min_scale:
            raise FieldError("max_scale", f"must be at least min_scale = {self.min_scale}, got {self.max_scale}")
        diagonal = extent(self.max_scale, min(self.rotation, 45.0))
        if diagonal > self.size:
            raise FieldError(
                "max_scale", f"must let a turned digit fit into size = {self.size}; it takes {diagonal:.0f} pixels"
            )

    def _split(self, name: str) -> Split:
        return ScenesSplit(self, name)

    def _content(self) -> Iterable[bytes]:
        yield from (array.tobytes() for array in load_scans())
        yield from (photograph.tobytes() for photograph in load_photographs())


class ScenesSplit(Split):
    """Scenes of one split, painted when they are first asked for and kept in memory by each process."""

    def __init__(self, scenes: DigitScenes, name: str) -> None:
        self.scenes = scenes
        self.name = name
        self._size = {"train": scenes.train_scenes, "val": scenes.val_scenes, "test": scenes.test_scenes}[name]
        self._positions = partition(val_fraction=0.1, test_fraction=0.2, seed=scenes.seed)[name]
        self._painted: dict[int, Sample] = {}

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._size:
            raise IndexError(f"scene {index} of {self._size}")
        sample = self._painted.get(index)
        if sample is None:
            rng = np.random.default_rng([self.scenes.seed, SPLITS.index(self.name), index])
            sample = self._painted[index] = self._paint(rng)
        return {**{key: array.copy() for key, array in sample.items()}, "index": index}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_painted": {}}

    def _paint(self, rng: np.random.Generator) -> Sample:
        """Paint digits one over the other onto a background, leaving out those that find no room."""
        scenes = self.scenes
        image = _background(rng, BANDS[self.name], scenes.size).astype(np.float32)
        owner = np.full((scenes.size, scenes.size), -1, np.int64)
        digits: list[PlacedDigit] = []
        for _ in range(rng.integers(scenes.min_digits, scenes.max_digits + 1)):
            digit = self._place(rng, owner, digits)
            if digit is not None:
                image = self._blend(rng, image, digit.ink)
                owner[digit.ink > INK] = len(digits)
                digits.append(digit)
        labels = np.array([digit.label for digit in digits], np.int64)
        return {
            "image": np.rint(image).astype(np.uint8),
            "mask": np.append(labels + 1, 0)[owner].astype(np.uint8),
            "boxes": np.stack([_tight_box(owner == number) for number in range(len(digits))]),
            "labels": labels,
            "keypoints": np.stack([digit.keypoints for digit in digits]),
        }

    def _place(
        self, rng: np.random.Generator, owner: NDArray[np.int64], others: list[PlacedDigit]
    ) -> PlacedDigit | None:
        """Return a digit at a place where it hides no more of the others than allowed, or None if none is found."""
        scans, labels = load_scans()
        chosen = rng.choice(self._positions)
        scale = rng.uniform(self.scenes.min_scale, self.scenes.max_scale)
        angle = rng.uniform(-self.scenes.rotation, self.scenes.rotation)
        ink = enlarged(scans[chosen])
        margin = extent(scale, abs(angle)) / 2
        areas = np.array([other.area for other in others])
        for _ in range(20):
            centre = rng.uniform(margin, self.scenes.size - margin, 2)
            digit = PlacedDigit.at(ink, labels[chosen], centre, scale, angle, self.scenes.size)
            left = np.bincount(owner[(digit.ink <= INK) & (owner >= 0)], minlength=len(others))
            if np.all(left >= (1 - self.scenes.hidden) * areas):
                return digit
        return None

    def _blend(
        self, rng: np.random.Generator, image: NDArray[np.float32], ink: cv2.typing.MatLike
    ) -> NDArray[np.float32]:
        """Return the image with the ink laid over it, in a random colour that stands off from what lies below."""
        below = image[ink > INK].mean(axis=0)
        colours = rng.uniform(0, 255, (32, 3))
        # The first that stands off, or the one that does best: argmax returns the first of the largest.
        distances = np.linalg.norm(colours - below, axis=1).clip(max=self.scenes.contrast)
        alpha = ink[..., None] * np.float32(rng.uniform(self.scenes.opacity, 1.0))
        return image * (1 - alpha) + colours[distances.argmax()].astype(np.float32) * alpha


@lru_cache(maxsize=1)
def load_photographs() -> tuple[NDArray[np.uint8], ...]:
    """Return the two photographs, (427, 640, 3) uint8 each."""
    from sklearn.datasets import load_sample_images

    return tuple(load_sample_images().images)


def _background(rng: np.random.Generator, band: tuple[float, float], size: int) -> cv2.typing.MatLike:
    """Return a random piece (size, size, 3) of a photograph's band, cut at a random scale, mirrored at random."""
    photographs = load_photographs()
    photograph = photographs[rng.integers(len(photographs))]
    height, width = photograph.shape[:2]
    start, end = round(band[0] * width), round(band[1] * width)
    side = int(rng.integers(40, min(end - start, height, 140) + 1))
    top, left = rng.integers(0, height - side + 1), rng.integers(start, end - side + 1)
    piece = cv2.resize(photograph[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
    return piece[:, ::-1] if rng.random() < 0.5 else piece


def _tight_box(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return x1, y1, x2, y2 around the true pixels of a mask, whose far edges are exclusive."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
