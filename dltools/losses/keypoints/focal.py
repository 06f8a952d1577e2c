"""The focal loss of heat maps."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from dltools.cfgutils import NonNegativeFloat, component
from dltools.losses.base import Elements, Loss, weighted
from dltools.losses.keypoints.joints import map_pair


@component("loss", "focal_heatmap")
class FocalHeatmapLoss(Loss):
    """Focal cross entropy of each pixel of a heat map: the peak is the joint, the less so the farther from it.

    With p = sigmoid(input) and target y: -(1 - p)^alpha log p on the peak, -(1 - y)^beta p^alpha log(1 - p) elsewhere;
    the sum over the pixels of a map is the loss of its joint. The peak is the highest pixel of a map, of height 1 for
    a joint on the centre of a pixel. Input logits (B, K, h, w) and target (B, K, h, w) in 0..1, absent joints NaN in
    it; they are left out of sum and weight. Range 0 and up. Law and Deng 2018 (CornerNet), arXiv:1808.01244, eq. 1.

    Raises ValueError for shapes that differ or are not (B, K, h, w).
    """

    kind: ClassVar[str] = "values"

    alpha: NonNegativeFloat = 2.0
    """How much less the pixels count that are nearly right."""
    beta: NonNegativeFloat = 4.0
    """How much less the pixels around a peak count."""

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the loss of each joint (B, K), and which are present."""
        logits, truth, present = map_pair(input, target)
        height = truth.amax((2, 3), keepdim=True)
        peak = (truth == height) & (height > 0)
        hit, miss = F.logsigmoid(logits), F.logsigmoid(-logits)
        on = (self.alpha * miss).exp() * hit
        off = (1 - truth).clamp(min=0) ** self.beta * (self.alpha * hit).exp() * miss
        return weighted(-on.where(peak, off).sum((2, 3)), present)
