"""The peak signal-to-noise ratio of images."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.metrics.ratio import ratio
from dltools.metrics.regression.errors import ErrorMetric, total_of


@component("metric", "psnr")
class PeakSignalNoiseRatio(ErrorMetric):
    """Peak signal-to-noise ratio, in decibels.

    10 log10(data_range^2 / MSE). Usually the mean over the images (N, ...), of which those with an unknown truth only
    are left out. An image that is predicted exactly has infinity, and so has then the mean; a prediction that is NaN
    makes the value NaN. Shapes and errors: `SampleErrors`.
    """

    name: ClassVar[str] = "psnr"
    higher_is_better: ClassVar[bool | None] = True

    data_range: PositiveFloat = 1.0
    """Largest minus smallest value that the truth may take: 1 for images in 0..1, 255 for bytes."""
    per_image: bool = True
    """Take the mean over the images' values, or the value of the data set's mean squared error."""

    def compute(self) -> Tensor:
        """Return the ratio."""
        if not self.per_image:
            total = self.state.total()
            return self._decibels(ratio(total.squared, total.number))
        images = self.state.samples()
        known = images.number > 0
        values = self._decibels(ratio(images.squared[known], images.number[known]))
        return ratio(total_of(values), known.sum())

    def _decibels(self, error: Tensor) -> Tensor:
        return 10 * (self.data_range**2 / error).log10()
