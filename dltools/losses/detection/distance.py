"""Losses of the overlap of boxes and of how far apart they are, which pull disjoint boxes together too."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from dltools.cfgutils import NonNegativeFloat, component
from dltools.losses.detection.boxes import EPS, BoxLoss, BoxPair, power, share


@component("loss", "giou")
class GIoULoss(BoxLoss):
    """One minus the generalized IoU: 1 - IoU plus the share of the enclosing box that neither covers.

    Shapes: `BoxLoss`. Range 0..2. Rezatofighi et al. 2019, arXiv:1902.09630, algorithm 1.
    """

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        return 1 - pair.iou + pair.gap


@component("loss", "diou")
class DIoULoss(BoxLoss):
    """One minus IoU, plus the squared distance of the centres over the squared diagonal of the enclosing box.

    Shapes: `BoxLoss`. Range 0..2. Zheng et al. 2020, arXiv:1911.08287, eq. 7.
    """

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        return 1 - pair.iou + pair.distance


@component("loss", "ciou")
class CIoULoss(BoxLoss):
    """The `diou` loss, plus a weighted difference of the aspect ratios.

    The weight has no gradient and counts for any overlap. Shapes: `BoxLoss`. Range 0..3. Zheng et al. 2020,
    arXiv:1911.08287, eq. 8 to 11.
    """

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        return 1 - pair.iou + pair.distance + pair.aspect


@component("loss", "eiou")
class EIoULoss(BoxLoss):
    """The `diou` loss, plus the squared differences of width and height over those of the enclosing box.

    With gamma (0.5 in the paper) it is Focal-EIoU: each pair's loss times IoU^gamma, through which no gradient flows,
    so that badly placed boxes count less and disjoint ones not at all; the mean is still over all pairs. Another
    paper's "extended IoU" of the same abbreviation is a different formula. Shapes: `BoxLoss`. Range 0..4, more where
    corners are swapped. Zhang et al. 2021, arXiv:2101.08158, sections 3 and 4.
    """

    gamma: NonNegativeFloat = 0.0
    """Exponent of the IoU by which each loss is multiplied; 0 does not."""

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        first, second = pair.sides
        sides = share((first - second).square(), pair.hull.square(), EPS**2).sum(1)
        cost = 1 - pair.iou + pair.distance + sides
        return cost * power(pair.iou.detach(), self.gamma) if self.gamma > 0 else cost


@component("loss", "siou")
class SIoULoss(BoxLoss):
    """One minus IoU, plus half of a distance cost, which the angle between the centres scales, and a shape cost.

    With the angle a of the line through the centres to the nearer axis, angle cost A = sin 2a = 2 sin a cos a (the
    paper writes it by arcsin, whose gradient is infinite at 45 degrees). Distance cost: the sum over x and y of
    1 - exp(-(2 - A) r) with r the squared offset over the squared side of the enclosing box. It grows with the
    distance; some programs read the sign of 2 - A the other way, which rewards distance. Shape cost: the sum over
    width and height of (1 - exp(-|w - w'| / max(w, w')))^theta. Shapes: `BoxLoss`. Range 0..2.5. Gevorgyan
    2022, arXiv:2205.12740, section 3.
    """

    theta: Annotated[float, Ge(1)] = 4.0
    """How little small differences of the shape count; the paper takes 2 to 6."""

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        x, y = pair.offset.abs().unbind(1)
        angle = share(2 * x * y, x.square() + y.square(), EPS**2)
        reach = share(pair.offset.square(), pair.hull.square(), EPS**2)
        distance = -torch.expm1((angle - 2).unsqueeze(1) * reach).sum(1)
        first, second = pair.extents
        shape = (-torch.expm1(-(first - second).abs() / torch.maximum(first, second))) ** self.theta
        return 1 - pair.iou + (distance + shape.sum(1)) / 2
