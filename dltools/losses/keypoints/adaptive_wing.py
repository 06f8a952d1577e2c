"""The wing loss of heat maps."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from torch import Tensor
from torch.nn import functional as F

from dltools.cfgutils import NonNegativeFloat, PositiveFloat, component
from dltools.losses.keypoints.heatmap import HeatmapLoss

FOREGROUND = 0.2
"""Least height of the dilated target around which pixels are emphasised; section 4.3 of the paper."""


@component("loss", "adaptive_wing")
class AdaptiveWingLoss(HeatmapLoss):
    """Difference of heat maps whose shape follows the target: a wing on the joint, nearly squared on the background.

    For target y and difference d, p = alpha - y: omega ln(1 + |d / epsilon|^p) for |d| < theta, else A |d| - C, with
    A and C such that value and slope are continuous. Pixels where the target, dilated by one pixel, is at least 0.2
    are weighed 1 + emphasis, the others 1. Input and target (B, K, h, w), target in 0..1, absent joints NaN in it.
    Range 0 and up. Wang et al. 2019, arXiv:1904.07399, eq. 3 and section 4.3.

    Raises ValueError for shapes that differ or are not (B, K, h, w).
    """

    alpha: Annotated[float, Gt(2)] = 2.1
    """Exponent where the target is 0; above 2, so that it is above 1 where the target is 1."""
    omega: PositiveFloat = 14.0
    """Height of the logarithm."""
    epsilon: PositiveFloat = 1.0
    """Difference that the logarithm takes as unit."""
    theta: PositiveFloat = 0.5
    """Difference at which the logarithm ends and the line begins."""
    emphasis: NonNegativeFloat = 10.0
    """Further weight of the pixels around a joint (W in the paper); 0 weighs all pixels alike."""

    def pixels(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the adaptive wing of the differences, weighed by the map of the foreground."""
        size, power = (input - target).abs(), self.alpha - target
        inner = size.clamp(max=self.theta)
        edge = (self.theta / self.epsilon) ** power
        slope = self.omega * power * edge / (self.theta * (1 + edge))
        loss = self.omega * ((inner / self.epsilon) ** power).log1p() + slope * (size - inner)
        if self.emphasis == 0:
            return loss
        dilated = F.max_pool2d(target.flatten(0, 1).unsqueeze(1), 3, stride=1, padding=1).view_as(target)
        return loss * (1 + self.emphasis * (dilated >= FOREGROUND))
