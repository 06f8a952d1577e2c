"""Losses. Each is a plain module with keyword arguments: `DiceLoss(ignore_index=255)(logits, target)`."""

from dltools.losses.base import ClassLoss, Loss, Mode
from dltools.losses.combine import LossSum
from dltools.losses.detection import GIoULoss
from dltools.losses.keypoints import HeatmapMSELoss
from dltools.losses.magnitude import L1Loss, MagnitudeLoss, SmoothL1Loss
from dltools.losses.probabilistic import BCELoss, CrossEntropyLoss, FocalLoss
from dltools.losses.segmentation import DiceLoss, RegionLoss

__all__ = [
    "BCELoss",
    "ClassLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "FocalLoss",
    "GIoULoss",
    "HeatmapMSELoss",
    "L1Loss",
    "Loss",
    "LossSum",
    "MagnitudeLoss",
    "Mode",
    "RegionLoss",
    "SmoothL1Loss",
]
