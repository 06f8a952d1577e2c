"""The base of transforms that make one sample of several."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from dltools.augs.base import Sample, SampleTransform
from dltools.cfgutils import ConfigError, DataError, FieldError, Probability


class Learned(str, Enum):
    """What a task learns of a sample."""

    label = "label"
    """The class of the image."""
    mask = "mask"
    """The class of each pixel."""
    boxes = "boxes"
    """Boxes and classes of the objects."""
    keypoints = "keypoints"
    """Keypoints of single objects that are cut out."""


REASONS = {
    Learned.label: "an image with several others in it has no one label; mixup and cutmix share labels out",
    Learned.keypoints: "each sample is a single object, cut out, and a mixture of two is none",
}


@dataclass(kw_only=True, eq=False, repr=False)
class Mix(SampleTransform):
    """Draws when it is applied and which other samples take part; a subclass says how they become one.

    The others are drawn from the whole split, each as likely as the rest. They come as the transforms before this one
    make them, and are made only if this one is applied. Other keys than targets stay those of the sample.
    """

    takes: ClassVar[tuple[Learned, ...]] = (Learned.mask, Learned.boxes)
    """What tasks may learn that use it."""

    p: Probability = 0.5
    """Probability that it is applied."""
    learns: Learned | None = None
    """What the task learns: label, mask, boxes or keypoints; None as the task says, or all that a sample has."""

    def __post_init__(self) -> None:
        """Refuse tasks that it would spoil."""
        if self.learns is not None and self.learns not in self.takes:
            fitting = " or ".join(learned.value for learned in self.takes)
            raise FieldError("learns", f"must be {fitting}, got {self.learns.value}: {REASONS[self.learns]}")

    def __call__(self, sample: Sample, fetch: Callable[[int], Sample], count: int, rng: np.random.Generator) -> Sample:
        """Return a sample that others may have become a part of.

        Raises:
            ConfigError: the samples do not have what it needs.
            DataError: the other sample has pixels of another type.
        """

        def another() -> Sample:
            other = fetch(int(rng.integers(count)))
            _check_pixels(sample, other)
            return self.prepared(other)

        own = self.prepared(sample)
        return own if rng.random() >= self.p else self.mix(own, another, rng)

    @abstractmethod
    def mix(self, sample: Sample, another: Callable[[], Sample], rng: np.random.Generator) -> Sample:
        """Return one sample made of several, and leave these as they are.

        Args:
            sample: the one that others are added to, prepared.
            another: returns a random other sample, prepared.
            rng: the only source of randomness.
        """

    def prepared(self, sample: Sample) -> Sample:
        """Return a sample with the keys that the result has, whether it is mixed or not.

        Raises:
            ConfigError: it does not have what is needed.
        """
        if "mask" not in sample and "boxes" not in sample:
            name = type(self).__name__
            raise ConfigError(f"{name} needs samples with a mask or boxes; these have {', '.join(sample)}.")
        kept = {key: value for key, value in sample.items() if key != "label"}
        return with_cut_boxes(kept)


def with_cut_boxes(sample: Sample) -> Sample:
    """Return a sample whose boxes, if it has any, end at the border of the image."""
    if "boxes" not in sample:
        return sample
    height, width = sample["image"].shape[:2]
    return {**sample, "boxes": sample["boxes"].clip(0, [width, height, width, height]).astype(np.float32)}


def drawn(bounds: list[float], rng: np.random.Generator) -> float:
    """Return a number between a least and a largest one, each as likely."""
    least, largest = bounds
    return rng.uniform(least, largest)


def check_range(field: str, values: list[float], least: float, most: float | None = None) -> None:
    """Refuse a field that is not a pair of rising values within bounds.

    Raises:
        FieldError: naming the field.
    """
    if len(values) != 2 or not least <= values[0] <= values[1] or (most is not None and values[1] > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise FieldError(field, f"must be two rising numbers {bounds}, got {list(values)}")


def _check_pixels(sample: Sample, other: Sample) -> None:
    own, given = ((image.dtype, image.shape[2]) for image in (sample["image"], other["image"]))
    if own != given:
        (kind, channels), (other_kind, other_channels) = own, given
        raise DataError(
            f"its image is {kind} with {channels} channels, and that of sample {other.get('index', '?')}, which is to "
            f"be mixed in, {other_kind} with {other_channels}; they must be alike"
        )
