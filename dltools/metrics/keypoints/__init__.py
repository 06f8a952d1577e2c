"""Metrics of keypoints."""

from dltools.metrics.keypoints.distances import JointDistances, KeypointMetric
from dltools.metrics.keypoints.nme import NormalizedMeanError
from dltools.metrics.keypoints.pck import PCK, KeypointAUC, PCKh

__all__ = ["PCK", "JointDistances", "KeypointAUC", "KeypointMetric", "NormalizedMeanError", "PCKh"]
