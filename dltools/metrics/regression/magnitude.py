"""Metrics of the size of errors, over all values of the data set."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import component
from dltools.metrics.ratio import ratio
from dltools.metrics.regression.errors import ErrorMetric


@component("metric", "mae")
class MeanAbsoluteError(ErrorMetric):
    """Mean absolute error.

    mean |p - t| over all values. Range 0 and up, in the unit of the values. Shapes and errors: `SampleErrors`.
    """

    name: ClassVar[str] = "mae"

    def compute(self) -> Tensor:
        """Return the mean absolute error."""
        total = self.state.total()
        return ratio(total.absolute, total.number)


@component("metric", "mse")
class MeanSquaredError(ErrorMetric):
    """Mean squared error.

    mean (p - t)^2 over all values. Range 0 and up, in the squared unit. Shapes and errors: `SampleErrors`.
    """

    name: ClassVar[str] = "mse"

    def compute(self) -> Tensor:
        """Return the mean squared error."""
        total = self.state.total()
        return ratio(total.squared, total.number)


@component("metric", "rmse")
class RootMeanSquaredError(MeanSquaredError):
    """Root of the mean squared error of the data set, which is not the mean of the roots of its batches.

    sqrt(mean (p - t)^2). Range 0 and up, in the unit of the values. Shapes and errors: `SampleErrors`.
    """

    name: ClassVar[str] = "rmse"

    def compute(self) -> Tensor:
        """Return the root of the mean squared error."""
        return super().compute().sqrt()


@component("metric", "r2")
class R2Score(ErrorMetric):
    """Coefficient of determination: the share of the truth's variance that is predicted.

    1 - sum (p - t)^2 / sum (t - mean t)^2 over all values together. 1 is perfect, 0 as good as predicting the mean,
    below 0 worse. NaN where the truth does not vary, as for a single value. Shapes and errors: `SampleErrors`.
    """

    name: ClassVar[str] = "r2"
    higher_is_better: ClassVar[bool | None] = True

    def compute(self) -> Tensor:
        """Return the coefficient of determination."""
        total = self.state.total()
        return 1 - ratio(total.squared, total.spread.masked_fill(total.spread == 0, float("nan")))
