"""Metrics of continuous values."""

from dltools.metrics.regression.errors import ErrorMetric, SampleErrors
from dltools.metrics.regression.magnitude import (
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
)
from dltools.metrics.regression.psnr import PeakSignalNoiseRatio

__all__ = [
    "ErrorMetric",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "PeakSignalNoiseRatio",
    "R2Score",
    "RootMeanSquaredError",
    "SampleErrors",
]
