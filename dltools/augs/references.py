"""Images that take on the looks of another one of the split.

The other is drawn anew each time. Masks, boxes and keypoints stay as they are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.augs.base import Sample, SampleTransform
from dltools.augs.samples.mix import check_range, drawn
from dltools.cfgutils import DataError, Probability, component

Pixels = NDArray[np.float64]
"""(H, W, C), in the values of the image's type."""


@dataclass(kw_only=True, eq=False, repr=False)
class ReferenceTransform(SampleTransform):
    """Draws the reference and the strength; a subclass says how an image takes on its looks."""

    p: Probability = 0.5
    """Probability that it is applied."""

    def __call__(self, sample: Sample, fetch: Callable[[int], Sample], count: int, rng: np.random.Generator) -> Sample:
        """Return the sample with its image changed.

        Raises:
            DataError: the reference has another number of channels.
        """
        if rng.random() >= self.p:
            return sample
        image, reference = sample["image"], fetch(int(rng.integers(count)))["image"]
        if image.shape[2] != reference.shape[2]:
            raise DataError(f"the image has {image.shape[2]} channels and its reference {reference.shape[2]}")
        adapted = self.adapt(image.astype(np.float64), reference.astype(np.float64), rng)
        return {**sample, "image": np.rint(adapted).clip(0, np.iinfo(image.dtype).max).astype(image.dtype)}

    @abstractmethod
    def adapt(self, image: Pixels, reference: Pixels, rng: np.random.Generator) -> Pixels:
        """Return an image with the looks of a reference, which may be of another size."""


@component("transform", "fda")
class FourierAdaptation(ReferenceTransform):
    """Take the amplitudes of low frequencies from another image of the split.

    Source: Yang and Soatto, FDA: Fourier Domain Adaptation for Semantic Segmentation, CVPR 2020, equation 3.
    """

    beta_limit: list[float] = field(default_factory=lambda: [0.0, 0.1])
    """Least and largest half side of the square of frequencies, as a share of the shorter side; up to 0.5."""

    def __post_init__(self) -> None:
        check_range("beta_limit", self.beta_limit, 0.0, 0.5)

    def adapt(self, image: Pixels, reference: Pixels, rng: np.random.Generator) -> Pixels:
        """Return the image with its own phases and the reference's amplitudes."""
        height, width = image.shape[:2]
        resized = np.asarray(cv2.resize(reference, (width, height), interpolation=cv2.INTER_AREA)).reshape(image.shape)
        own, other = (np.fft.fft2(pixels, axes=(0, 1)) for pixels in (image, resized))
        reach = int(min(height, width) * drawn(self.beta_limit, rng))
        rows, columns = (np.abs(np.fft.fftfreq(side, 1 / side)) <= reach for side in (height, width))
        low = (rows[:, None] & columns)[..., None]
        amplitudes = np.where(low, np.abs(other), np.abs(own))
        return np.fft.ifft2(amplitudes * np.exp(1j * np.angle(own)), axes=(0, 1)).real


@component("transform", "histogram_matching")
class HistogramMatching(ReferenceTransform):
    """Give each channel the histogram of another image of the split.

    Source: Gonzalez and Woods, Digital Image Processing, section 3.3.
    """

    blend_ratio: list[float] = field(default_factory=lambda: [0.5, 1.0])
    """Least and largest share of the changed image in the blend with the original."""

    def __post_init__(self) -> None:
        check_range("blend_ratio", self.blend_ratio, 0.0, 1.0)

    def adapt(self, image: Pixels, reference: Pixels, rng: np.random.Generator) -> Pixels:
        """Return the image with each value replaced by the reference's at the same quantile."""
        matched = np.empty_like(image)
        for channel in range(image.shape[2]):
            _, inverse, counts = np.unique(image[..., channel], return_inverse=True, return_counts=True)
            wanted, wanted_counts = np.unique(reference[..., channel], return_counts=True)
            quantiles, wanted_quantiles = (np.cumsum(n) / n.sum() for n in (counts, wanted_counts))
            matched[..., channel] = np.interp(quantiles, wanted_quantiles, wanted)[inverse].reshape(image.shape[:2])
        return _blended(image, matched, self.blend_ratio, rng)


class TransformType(str, Enum):
    """What the pixels take from the reference."""

    pca = "pca"
    """Mean and covariance of the channels."""
    standard = "standard"
    """Mean and spread of each channel."""
    minmax = "minmax"
    """Least and largest value of each channel."""


@component("transform", "pixel_distribution_adaptation")
class PixelDistributionAdaptation(ReferenceTransform):
    """Give the colours the mean and spread of those of another image of the split.

    Source: Reinhard et al., Color Transfer between Images, IEEE CG&A 2001; for `pca` their covariance.
    """

    blend_ratio: list[float] = field(default_factory=lambda: [0.25, 1.0])
    """Least and largest share of the changed image in the blend with the original."""
    transform_type: TransformType = TransformType.pca
    """Match mean and covariance of the channels (pca), mean and spread of each (standard), or its range (minmax)."""

    def __post_init__(self) -> None:
        check_range("blend_ratio", self.blend_ratio, 0.0, 1.0)

    def adapt(self, image: Pixels, reference: Pixels, rng: np.random.Generator) -> Pixels:
        """Return the image with its colours moved, and scaled or turned as well."""
        change = {"pca": _by_covariance, "standard": _by_spread, "minmax": _by_range}[self.transform_type.value]
        channels = image.shape[2]
        moved = change(image.reshape(-1, channels), reference.reshape(-1, channels)).reshape(image.shape)
        return _blended(image, moved, self.blend_ratio, rng)


def _by_covariance(own: Pixels, other: Pixels) -> Pixels:
    """Return colours (n, C) with the mean and the covariance of others: whitened, then coloured."""
    whiten, colour = (_root_of_covariance(colours) for colours in (own, other))
    return (own - own.mean(0)) @ np.linalg.pinv(whiten) @ colour + other.mean(0)


def _root_of_covariance(colours: Pixels) -> Pixels:
    """Return the symmetric square root of the covariance, (C, C)."""
    centred = colours - colours.mean(0)
    values, axes = np.linalg.eigh(centred.T @ centred / len(colours))
    return (axes * np.sqrt(values.clip(0))) @ axes.T


def _by_spread(own: Pixels, other: Pixels) -> Pixels:
    spread = own.std(0)
    return (own - own.mean(0)) * (other.std(0) / np.where(spread > 0, spread, 1)) + other.mean(0)


def _by_range(own: Pixels, other: Pixels) -> Pixels:
    reach = np.ptp(own, axis=0)
    return (own - own.min(0)) * (np.ptp(other, axis=0) / np.where(reach > 0, reach, 1)) + other.min(0)


def _blended(image: Pixels, changed: Pixels, limits: list[float], rng: np.random.Generator) -> Pixels:
    share = drawn(limits, rng)
    return image * (1 - share) + changed * share
