"""Losses of the overlap of boxes alone, and its powers."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.losses.base import Elements, weighted
from dltools.losses.detection.boxes import EPS, BoxLoss, BoxPair, power


class Form(str, Enum):
    """How an IoU becomes a loss."""

    linear = "linear"
    """1 - IoU."""
    log = "log"
    """-log IoU, as if the IoU were 1e-7 at least (UnitBox)."""
    square = "square"
    """1 - IoU^2."""


@component("loss", "iou")
class IoULoss(BoxLoss):
    """One minus the IoU of each box and its target, or its logarithm, or one minus its square.

    Shapes: `BoxLoss`. Range 0..1, 0..16.2 for the logarithm. Boxes that do not overlap have no gradient in any form;
    `giou` and its kin have one. Yu et al. 2016, arXiv:1608.01471, section 3.1, for the logarithm.
    """

    form: Form = Form.linear
    """What is made of the IoU: linear, log or square."""

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        return _FORMS[self.form](pair.iou)


class Penalty(str, Enum):
    """What is added to a power of the IoU."""

    none = "none"
    """Nothing."""
    giou = "giou"
    """The share of the hull that neither box covers."""
    diou = "diou"
    """The distance of the centres."""
    ciou = "ciou"
    """The distance of the centres, and the difference of the shapes."""


@component("loss", "alpha_iou")
class AlphaIoULoss(BoxLoss):
    """One minus a power of the IoU, plus the same power of what `penalty` names.

    An alpha above 1 gives boxes that fit well a larger share of the gradient. For alpha below 1 the gradient stays
    finite at an IoU of 0. Shapes: `BoxLoss`. Range 0..1, with penalty 0..3. He et al. 2021, arXiv:2110.13675,
    section 3.
    """

    alpha: PositiveFloat = 3.0
    """Exponent of every part; 1 gives `iou`, `giou`, `diou` or `ciou`."""
    penalty: Penalty = Penalty.none
    """What is added to the power of the IoU: none, giou, diou or ciou."""

    def cost(self, pair: BoxPair) -> Tensor:
        """Return the loss of each pair (Q,)."""
        cost = 1 - power(pair.iou, self.alpha)
        for part in _PENALTIES[self.penalty](pair):
            cost = cost + power(part, self.alpha)
        return cost


@component("loss", "miou")
class MIoULoss(BoxLoss):
    """Mean over the classes of the mean of 1 - IoU of their pairs, so that rare classes count as much as common ones.

    Input and target as in `BoxLoss`, labels (Q,) class ids of any integer dtype; without labels all pairs are of one
    class. A pair weighs 1 / (pairs of its class), so that sums over batches weigh each batch's classes alike. Range
    0..1. This is dltools' definition: the name has no paper, and MPDIoU (arXiv:2307.07662) is something else.

    Raises ValueError for other shapes.
    """

    kind: ClassVar[str] = "labelled_boxes"

    def elements(self, input: Tensor, target: Tensor, labels: Tensor | None = None) -> Elements:
        """Return 1 - IoU over the number of pairs of the class, for each pair (Q,), and that weight."""
        pair = BoxPair(input, target)
        if labels is None:
            labels = torch.zeros(len(target), dtype=torch.int64, device=target.device)
        if labels.shape != target.shape[:1]:
            raise ValueError(
                f"labels must be (Q,) for boxes (Q, 4), got {tuple(labels.shape)} and {tuple(target.shape)}"
            )
        ordered = labels.sort().values
        count = torch.searchsorted(ordered, labels, right=True) - torch.searchsorted(ordered, labels)
        return weighted(1 - pair.iou, 1 / count.to(pair.iou.dtype))


_FORMS: dict[Form, Callable[[Tensor], Tensor]] = {
    Form.linear: lambda iou: 1 - iou,
    Form.log: lambda iou: -iou.clamp(min=EPS).log(),
    Form.square: lambda iou: 1 - iou.square(),
}

_PENALTIES: dict[Penalty, Callable[[BoxPair], tuple[Tensor, ...]]] = {
    Penalty.none: lambda pair: (),
    Penalty.giou: lambda pair: (pair.gap,),
    Penalty.diou: lambda pair: (pair.distance,),
    Penalty.ciou: lambda pair: (pair.distance, pair.aspect),
}
