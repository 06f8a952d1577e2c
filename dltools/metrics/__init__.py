"""Metrics, with the method names of torchmetrics: `update(preds, target)`, `compute()`, `reset()`."""

from dltools.metrics.base import Metric
from dltools.metrics.classification import Accuracy, F1Score
from dltools.metrics.combine import MetricSet
from dltools.metrics.confusion import ConfusionMatrix, ConfusionMetric
from dltools.metrics.detection import MeanAveragePrecision
from dltools.metrics.keypoints import PCK
from dltools.metrics.segmentation import DiceScore, MeanIoU

__all__ = [
    "PCK",
    "Accuracy",
    "ConfusionMatrix",
    "ConfusionMetric",
    "DiceScore",
    "F1Score",
    "MeanAveragePrecision",
    "MeanIoU",
    "Metric",
    "MetricSet",
]
