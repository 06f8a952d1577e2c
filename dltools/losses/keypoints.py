"""Losses of keypoint heat maps."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import component
from dltools.losses.base import Loss, weighted_sum
from dltools.losses.targets import raised


@component("loss", "heatmap_mse")
class HeatmapMSELoss(Loss):
    """Mean squared error of heat maps, over the joints that are there.

    Input and target (B, K, h, w). A joint that is absent has NaN in its target map: it is left out of sum and weight,
    and its gradient is exactly 0. The mean runs over the pixels of a map, then over the present joints, so that the
    number of absent ones changes nothing. Range 0 and up. Xiao et al. 2018 (Simple Baselines), arXiv:1804.06208.

    Raises ValueError for shapes that differ or are not (B, K, h, w).
    """

    kind: ClassVar[str] = "values"

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the joints' mean squared errors and the number of present joints."""
        values = raised(input)
        if input.dim() != 4 or input.shape != target.shape:
            shapes = f"input {tuple(input.shape)} and target {tuple(target.shape)}"
            raise ValueError(f"heat maps must be (B, K, h, w) in input and target, got {shapes}")
        present = ~target.isnan().flatten(2).any(2)
        shown = present[:, :, None, None]
        difference = torch.where(shown, values, 0) - torch.where(shown, target.to(values.dtype), 0)
        return weighted_sum(difference.square().mean((2, 3)), present)
