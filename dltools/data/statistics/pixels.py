"""Statistics of pixel values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError
from dltools.data.statistics.base import Accumulator
from dltools.data.statistics.facts import Facts
from dltools.data.statistics.summary import quantiles_of


@dataclass(frozen=True, kw_only=True)
class PixelMoments:
    """Mean and spread of the pixels of all images together, for each channel."""

    mean: NDArray[np.float64]
    """(C,) in the unit of the pixels: 0 to 255 for uint8."""
    std: NDArray[np.float64]
    """(C,) of the whole population, in the unit of the pixels."""
    count: NDArray[np.int64]
    """(C,) pixels."""
    white: float
    """Largest value of the type of the pixels: 255, 65535, or 1 for floats."""


@dataclass(frozen=True, kw_only=True)
class PixelQuantiles:
    """Extremes and quantiles of the pixels of all images together, for each channel."""

    minimum: NDArray[np.float64]
    """(C,) in the unit of the pixels."""
    maximum: NDArray[np.float64]
    """(C,) in the unit of the pixels."""
    quantiles: dict[float, NDArray[np.float64]]
    """(C,) by probability, interpolated as numpy does."""


@dataclass(kw_only=True, eq=False)
class Moments(Accumulator[PixelMoments]):
    """Mean and standard deviation of each channel over all pixels, so that a large image weighs more than a small one.

    Integers are summed exactly: the result does not depend on the order. Floats are merged in float64 around a first
    value, which keeps 10 digits also where the mean is a million times the spread; NaN and infinities are left out.

    Source: for floats, Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm, 1979.

    Example:
        >>> moments = Moments()
        >>> moments.add({"image": np.full((4, 4, 3), 7, np.uint8)})
        >>> moments.result().mean
        array([7., 7., 7.])
    """

    requires: ClassVar[tuple[str, ...]] = ("image",)

    exact: IntegerMoments | None = field(default=None, init=False)
    """What was counted of uint8 and uint16."""
    rounded: FloatMoments | None = field(default=None, init=False)
    """What was counted of floats."""

    def measure(self, sample: Facts) -> IntegerMoments | FloatMoments:
        """Return the moments of one image."""
        if sample.image.dtype.kind == "f":
            measured: IntegerMoments | FloatMoments = FloatMoments.of(sample.image)
        else:
            count = sample.image.shape[0] * sample.image.shape[1]
            sums, squares = zip(*sample.sums, strict=True)
            measured = IntegerMoments(count, list(sums), list(squares), np.iinfo(sample.image.dtype).max)
        self._check(measured)
        return measured

    def count(self, measured: IntegerMoments | FloatMoments) -> None:
        """Add the moments of an image."""
        if isinstance(measured, IntegerMoments):
            self.exact = measured if self.exact is None else self.exact.plus(measured)
        else:
            self.rounded = measured if self.rounded is None else self.rounded.plus(measured)

    def result(self) -> PixelMoments:
        """Return mean and std of each channel."""
        moments = self.exact or self.rounded
        if moments is None:
            nothing = np.zeros(0)
            return PixelMoments(mean=nothing, std=nothing, count=nothing.astype(np.int64), white=np.nan)
        return moments.result()

    def _merge(self, other: Moments) -> None:
        for moments in (other.exact, other.rounded):
            if moments is not None:
                self._check(moments)
                self.count(moments)

    def _check(self, new: IntegerMoments | FloatMoments) -> None:
        old = self.exact or self.rounded
        if old is not None and (old.kind != new.kind or old.channels != new.channels):
            raise DataError(
                f"its image has {new.channels} channels of {new.kind}, those before have {old.channels} of {old.kind}; "
                "all images must have the same"
            )


@dataclass(frozen=True)
class IntegerMoments:
    """Exact sums of the pixels of each channel."""

    pixels: int
    sums: list[int]
    squares: list[int]
    white: int

    @property
    def kind(self) -> str:
        """What the pixels are."""
        return f"uint{self.white.bit_length()}"

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.sums)

    def plus(self, other: IntegerMoments) -> IntegerMoments:
        """Return the sums of both."""
        sums = [a + b for a, b in zip(self.sums, other.sums, strict=True)]
        squares = [a + b for a, b in zip(self.squares, other.squares, strict=True)]
        return IntegerMoments(self.pixels + other.pixels, sums, squares, self.white)

    def result(self) -> PixelMoments:
        """Return mean and std, each rounded once from the exact fraction."""
        n = self.pixels
        variance = [(n * square - total**2) / n**2 for total, square in zip(self.sums, self.squares, strict=True)]
        mean = np.array([total / n for total in self.sums])
        return PixelMoments(mean=mean, std=np.sqrt(variance), count=np.full(self.channels, n), white=self.white)


@dataclass(frozen=True)
class FloatMoments:
    """Mean and sum of squared deviations of each channel, the mean as the distance from a value near it."""

    kind: ClassVar[str] = "floats"

    pixels: NDArray[np.int64]
    origin: NDArray[np.float64]
    offset: NDArray[np.float64]
    deviations: NDArray[np.float64]

    @classmethod
    def of(cls, image: NDArray[Any]) -> FloatMoments:
        """Return the moments of an image (H, W, C), in two passes."""
        rows = []
        for plane in np.moveaxis(image, -1, 0):
            values = plane[np.isfinite(plane)].astype(np.float64)
            origin = values[0] if len(values) else 0.0
            values -= origin
            offset = values.mean() if len(values) else 0.0
            rows.append((len(values), origin, offset, np.square(values - offset).sum()))
        pixels, origins, offsets, deviations = (np.array(column) for column in zip(*rows, strict=True))
        return cls(pixels, origins, offsets, deviations)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.pixels)

    def plus(self, other: FloatMoments) -> FloatMoments:
        """Return the moments of both."""
        pixels = self.pixels + other.pixels
        share = other.pixels / np.maximum(pixels, 1)
        origin = np.where(self.pixels > 0, self.origin, other.origin)
        apart = np.where(self.pixels > 0, (other.origin - origin) + (other.offset - self.offset), 0)
        offset = np.where(self.pixels > 0, self.offset + apart * share, other.offset)
        deviations = self.deviations + other.deviations + apart**2 * self.pixels * share
        return FloatMoments(pixels, origin, offset, deviations)

    def result(self) -> PixelMoments:
        """Return mean and std, NaN for a channel of which nothing is finite."""
        with np.errstate(invalid="ignore"):
            std = np.sqrt(self.deviations / self.pixels)
        mean = np.where(self.pixels > 0, self.origin + self.offset, np.nan)
        return PixelMoments(mean=mean, std=std, count=self.pixels, white=1.0)


@dataclass(kw_only=True, eq=False)
class Histogram(Accumulator[PixelQuantiles]):
    """How often each value is in each channel, for uint8 and uint16; its quantiles are exact."""

    requires: ClassVar[tuple[str, ...]] = ("image",)

    probabilities: tuple[float, ...] = (0.005, 0.05, 0.5, 0.95, 0.995)
    """Which quantiles the result has, from 0 to 1."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64), init=False, repr=False)
    """(C, 256) for uint8 or (C, 65536) for uint16; (0, 0) before the first image."""

    def __post_init__(self) -> None:
        if not all(0 <= probability <= 1 for probability in self.probabilities):
            raise FieldError("probabilities", f"must be from 0 to 1, got {self.probabilities}")

    def measure(self, sample: Facts) -> NDArray[np.int64]:
        """Return the counts of one image, (C, bins)."""
        self._check(sample.counts)
        return sample.counts

    def count(self, measured: NDArray[np.int64]) -> None:
        """Add the counts of an image."""
        if self.counts.size:
            self.counts += measured
        else:
            self.counts = measured.copy()

    def result(self) -> PixelQuantiles:
        """Return extremes and quantiles of each channel."""
        values = np.arange(self.counts.shape[1], dtype=np.float64)
        wanted = (0.0, 1.0, *self.probabilities)
        rows = np.array([quantiles_of(values, row, wanted) for row in self.counts]).reshape(-1, len(wanted))
        quantiles = dict(zip(self.probabilities, rows.T[2:], strict=True))
        return PixelQuantiles(minimum=rows[:, 0], maximum=rows[:, 1], quantiles=quantiles)

    def _merge(self, other: Histogram) -> None:
        if other.counts.size:
            self._check(other.counts)
            self.count(other.counts)

    def _check(self, new: NDArray[np.int64]) -> None:
        if self.counts.size and new.shape != self.counts.shape:
            (channels, bins), (before, bins_before) = new.shape, self.counts.shape
            raise DataError(
                f"its image has {channels} channels of {bins} values, those before have {before} of {bins_before}; "
                "all images must have the same"
            )
