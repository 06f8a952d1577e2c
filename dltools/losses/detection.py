"""Losses of boxes."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import component
from dltools.losses.base import Loss, weighted_sum
from dltools.losses.boxes import BoxPair


@component("loss", "giou")
class GIoULoss(Loss):
    """One minus the generalized IoU of each box and its target.

    Input and target (Q, 4) boxes as x1, y1, x2, y2, aligned; Q may be 0, and then the loss is 0. Range 0..2; it has a
    gradient for disjoint boxes too. Rezatofighi et al. 2019, arXiv:1902.09630.

    Raises ValueError for shapes other than (Q, 4).
    """

    kind: ClassVar[str] = "boxes"

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of 1 - GIoU and the number of boxes."""
        return weighted_sum(1 - BoxPair(input, target).giou, None)
