"""Metrics of masks."""

from dltools.metrics.segmentation.boundary import BoundaryF1, BoundaryIoU, NormalizedSurfaceDice
from dltools.metrics.segmentation.distances import ASSD, HD95, HausdorffDistance
from dltools.metrics.segmentation.overlap import DiceScore, FrequencyWeightedIoU, MeanIoU, PixelAccuracy
from dltools.metrics.segmentation.panoptic import PanopticQuality

__all__ = [
    "ASSD",
    "HD95",
    "BoundaryF1",
    "BoundaryIoU",
    "DiceScore",
    "FrequencyWeightedIoU",
    "HausdorffDistance",
    "MeanIoU",
    "NormalizedSurfaceDice",
    "PanopticQuality",
    "PixelAccuracy",
]
