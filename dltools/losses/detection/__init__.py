"""Losses of object detectors: of pairs of boxes, of scores that tell a box's quality, and of their ranking."""

from dltools.losses.detection.boxes import BoxLoss, BoxPair
from dltools.losses.detection.distance import CIoULoss, DIoULoss, EIoULoss, GIoULoss, SIoULoss
from dltools.losses.detection.overlap import AlphaIoULoss, IoULoss, MIoULoss
from dltools.losses.detection.quality import DistributionFocalLoss, QualityFocalLoss
from dltools.losses.detection.ranking import APLoss

__all__ = [
    "APLoss",
    "AlphaIoULoss",
    "BoxLoss",
    "BoxPair",
    "CIoULoss",
    "DIoULoss",
    "DistributionFocalLoss",
    "EIoULoss",
    "GIoULoss",
    "IoULoss",
    "MIoULoss",
    "QualityFocalLoss",
    "SIoULoss",
]
