"""Losses of segmentation."""

from dltools.losses.segmentation.region import DiceLoss, RegionLoss

__all__ = ["DiceLoss", "RegionLoss"]
