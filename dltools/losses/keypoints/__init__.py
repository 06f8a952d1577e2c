"""Losses of keypoints: of their heat maps, of their places, and of their distributions."""

from dltools.losses.keypoints.adaptive_wing import AdaptiveWingLoss
from dltools.losses.keypoints.focal import FocalHeatmapLoss
from dltools.losses.keypoints.heatmap import HeatmapLoss, HeatmapMSELoss
from dltools.losses.keypoints.oks import OKSLoss
from dltools.losses.keypoints.rle import RLELoss
from dltools.losses.keypoints.wing import WingLoss

__all__ = [
    "AdaptiveWingLoss",
    "FocalHeatmapLoss",
    "HeatmapLoss",
    "HeatmapMSELoss",
    "OKSLoss",
    "RLELoss",
    "WingLoss",
]
