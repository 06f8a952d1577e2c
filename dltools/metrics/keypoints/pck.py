"""Shares of joints that are found."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.metrics.keypoints.distances import KeypointMetric


@component("metric", "pck")
class PCK(KeypointMetric):
    """Percentage of correct keypoints: those no farther from the truth than a share of the object's scale.

    The scale is usually the longer side of the object's box; with `between` two joints it is theirs, such as the torso
    from a shoulder to the opposite hip. A prediction that is NaN is not correct. Range 0..1, NaN without joints. Yang
    and Ramanan 2013, IEEE TPAMI 35(12). Shapes, options and errors: `KeypointMetric`.
    """

    name: ClassVar[str] = "pck"

    threshold: PositiveFloat = 0.1
    """Largest distance that is correct, in scales."""

    def score(self, distances: Tensor) -> Tensor:
        """Return 1 for a correct joint, else 0."""
        return (distances <= self.threshold).to(distances.dtype).masked_fill(distances.isnan(), float("nan"))


@component("metric", "pckh")
class PCKh(PCK):
    """Percentage of correct keypoints in sizes of the head: `pck` with the head as scale.

    The target's `head_size` (B,) is the length of the head segment in pixels; for MPII that is 0.6 times the diagonal
    of the annotated head box, a factor that the data must already contain. Where the head is annotated by two joints,
    its top and the upper neck, name them in `between`: their distance is the segment itself, without a factor. Range
    0..1, NaN without joints. Andriluka et al. 2014, "2D Human Pose Estimation: New Benchmark and State of the Art
    Analysis". Shapes, options and errors: `KeypointMetric`.
    """

    name: ClassVar[str] = "pckh"

    scale: str = "head_size"
    """Key of the target with the head's size of each object in pixels."""
    threshold: PositiveFloat = 0.5
    """Largest distance that is correct, in head sizes."""


@component("metric", "keypoint_auc")
class KeypointAUC(KeypointMetric):
    """Area under the curve of `pck` over its threshold from 0 to a limit, divided by the limit.

    The integral itself and no sum over some thresholds: the mean over joints of max(0, 1 - distance / limit). A
    prediction that is NaN counts 0. Range 0..1, NaN without joints. For the curve of MPII take scale=head_size and
    limit=0.5. Shapes, options and errors: `KeypointMetric`.
    """

    name: ClassVar[str] = "keypoint_auc"

    limit: PositiveFloat = 0.2
    """Threshold at which the curve ends, in scales."""

    def score(self, distances: Tensor) -> Tensor:
        """Return the share of the thresholds at which a joint is correct."""
        return (1 - distances / self.limit).clamp(min=0)
