"""Metrics of detected objects."""

from dltools.metrics.detection.average_precision import MeanAveragePrecision, OKSAveragePrecision
from dltools.metrics.detection.coco import Backend
from dltools.metrics.detection.f1 import DetectionF1
from dltools.metrics.detection.metric import DetectionMetric
from dltools.metrics.detection.state import Detections, IouType

__all__ = [
    "Backend",
    "DetectionF1",
    "DetectionMetric",
    "Detections",
    "IouType",
    "MeanAveragePrecision",
    "OKSAveragePrecision",
]
