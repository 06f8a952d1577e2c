"""Metrics of keypoints."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.metrics.base import Metric
from dltools.metrics.share import Share


@component("metric", "pck")
class PCK(Metric):
    """Percentage of correct keypoints: those no farther from the truth than a share of the instance's scale.

    Preds (B, K, 2) x, y in pixels. Target a dict of `keypoints` (B, K, 3) x, y, visibility, and `scale` (B,) in
    pixels, such as the longer side of the instance's box. Joints of visibility 0 are absent and left out; the share
    runs over all other joints of the data set. A prediction that is NaN is not correct. Range 0..1, NaN without
    joints. Yang and Ramanan 2013, IEEE TPAMI 35(12).

    Raises ValueError for other shapes.
    """

    name: ClassVar[str] = "pck"
    kind: ClassVar[str] = "keypoints"

    threshold: PositiveFloat = 0.1
    """Largest distance that is correct, as a share of the scale."""

    def __post_init__(self) -> None:
        """Make the state."""
        self.share = Share()

    def update(self, preds: Tensor, target: dict[str, Tensor]) -> None:
        """Add the joints of a batch."""
        keypoints, scale = target["keypoints"], target["scale"]
        batch, joints = preds.shape[:2]
        if preds.shape != (batch, joints, 2) or keypoints.shape != (batch, joints, 3) or scale.shape != (batch,):
            shapes = f"{tuple(preds.shape)}, {tuple(keypoints.shape)} and {tuple(scale.shape)}"
            raise ValueError(f"pck takes preds (B, K, 2), keypoints (B, K, 3) and scale (B,), got {shapes}")
        present = keypoints[..., 2] > 0
        distance = (preds.float() - keypoints[..., :2].float()).norm(dim=-1)
        self.share.add(present & (distance <= self.threshold * scale.float().unsqueeze(1)), present)

    def compute(self) -> Tensor:
        """Return the share of correct joints."""
        return self.share.value()
