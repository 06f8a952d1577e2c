"""Losses of segmentation."""

from dltools.losses.segmentation.boundary import BoundaryLoss, HausdorffLoss
from dltools.losses.segmentation.geometric import Surface2EdgeLoss, SurfaceLoss
from dltools.losses.segmentation.region import DiceLoss, GDiceLoss, JaccardLoss, SqDiceLoss, SqJaccardLoss

__all__ = [
    "BoundaryLoss",
    "DiceLoss",
    "GDiceLoss",
    "HausdorffLoss",
    "JaccardLoss",
    "SqDiceLoss",
    "SqJaccardLoss",
    "Surface2EdgeLoss",
    "SurfaceLoss",
]
