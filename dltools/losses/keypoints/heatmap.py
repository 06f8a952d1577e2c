"""Losses of heat maps: the mean over the pixels of a map is the loss of its joint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import PositiveInt, component
from dltools.losses.base import Elements, Loss, weighted
from dltools.losses.keypoints.joints import map_pair


@dataclass(kw_only=True, eq=False, repr=False)
class HeatmapLoss(Loss):
    """Base of losses of heat maps: a subclass is the loss of each pixel.

    Input and target (B, K, h, w). A joint that is absent has NaN in its target map: it is left out of sum and weight,
    and its gradient is exactly 0. The mean runs over the pixels of a map, then over the present joints, so that the
    number of absent ones changes nothing.

    Raises ValueError for shapes that differ or are not (B, K, h, w).
    """

    kind: ClassVar[str] = "values"

    hard_joints: PositiveInt | None = None
    """Only that many joints of each image count, those with the largest loss; None counts all present ones."""

    def pixels(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each pixel."""
        raise NotImplementedError

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the loss of each joint (B, K), and which joints count."""
        values, truth, counted = map_pair(input, target)
        loss = self.pixels(values, truth).mean((2, 3))
        if self.hard_joints is not None:
            counted = _hardest(loss, counted, self.hard_joints)
        return weighted(loss, counted)


@component("loss", "heatmap_mse")
class HeatmapMSELoss(HeatmapLoss):
    """Mean squared error of heat maps, over the joints that are there, or over the hardest of them.

    Input and target (B, K, h, w), absent joints NaN in the target. Range 0 and up. Xiao et al. 2018 (Simple
    Baselines), arXiv:1804.06208; `hard_joints` is the online hard keypoint mining of Chen et al. 2018 (CPN),
    arXiv:1711.07319, section 3.2 (8 of 17 joints there).

    Raises ValueError for shapes that differ or are not (B, K, h, w).
    """

    def pixels(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the squared differences."""
        return (input - target).square()


def _hardest(loss: Tensor, present: Tensor, count: int) -> Tensor:
    """Return which of the present joints (B, K) are among the `count` of the largest loss in their image."""
    ranked = torch.where(present, loss.detach(), -torch.inf)
    best = ranked.topk(min(count, loss.shape[1]), dim=1).indices
    return present & torch.zeros_like(present).scatter(1, best, True)
