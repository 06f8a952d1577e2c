"""The wing loss of points."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.losses.base import Elements, Loss, weighted
from dltools.losses.keypoints.joints import point_pair


@component("loss", "wing")
class WingLoss(Loss):
    """Distance of points along each axis that small errors weigh more in: a logarithm near 0, a line beyond.

    width ln(1 + |d| / epsilon) for |d| < width, else |d| - C, with C such that the two parts meet; a joint's loss is
    the mean over its axes. Input (B, K, 2) and target (B, K, 2) x, y in pixels of the crop, absent joints NaN: they
    are left out of sum and weight. Range 0 and up. Feng et al. 2018, arXiv:1711.06753, eq. 5. Points that are read from
    heat maps learn faster beside a loss of the maps: `heatmap_mse+0.001*wing`.

    Raises ValueError for other shapes.
    """

    kind: ClassVar[str] = "points"

    width: PositiveFloat = 10.0
    """Error in pixels at which the logarithm ends (w in the paper)."""
    epsilon: PositiveFloat = 2.0
    """Curvature of the logarithm in pixels: the smaller, the steeper around 0."""

    def elements(self, input: Tensor, target: Tensor, scale: Tensor | None = None) -> Elements:
        """Return the loss of each joint (B, K), and which are present.

        Args:
            input: (B, K, 2).
            target: (B, K, 2), NaN where absent.
            scale: comes with points, for `oks`; a crop shows its object at one size, so that pixels will do here.
        """
        values, truth, present = point_pair(input, target)
        size = (values - truth).abs()
        inner = size.clamp(max=self.width)
        line = size - inner
        return weighted((self.width * (inner / self.epsilon).log1p() + line).mean(2), present)
