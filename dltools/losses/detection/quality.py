"""The parts of the generalized focal loss: scores that tell how good a box is, and distances as distributions."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dltools.cfgutils import NonNegativeFloat, component
from dltools.losses.base import Elements, Loss, Measure
from dltools.losses.detection.boxes import power
from dltools.losses.precision import raised
from dltools.losses.targets import label_pair, misfit
from dltools.mode import Mode


class Normalizer(str, Enum):
    """What a loss of scores is divided by."""

    elements = "elements"
    """The number of all elements."""
    positives = "positives"
    """The number of targets above 0, 1 at least."""
    quality = "quality"
    """The sum of the targets, 1 at least."""


@component("loss", "quality_focal")
class QualityFocalLoss(Loss):
    """Binary cross entropy with the quality of a box as target, scaled down by |y - s|^beta where the score s fits.

    Input (M, C) logits, target (M, C) in 0..1: for the class of a point's object the IoU of the predicted box with
    the true one, else 0. At beta 0 it is `bce`; for beta below 1 the gradient stays finite. Range 0 and up. Li et al.
    2020, arXiv:2006.04388, quality focal loss of section 3.

    Raises ValueError for wrong shapes, DataError for a target outside 0..1.
    """

    kind: ClassVar[str] = "quality"

    beta: NonNegativeFloat = 2.0
    """How strongly scores that fit are scaled down; 0 does not."""
    normalizer: Normalizer = Normalizer.positives
    """Divide by all elements, by the positive ones, or by the sum of the targets."""

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the loss of each element (M, C), and what it counts."""
        logits, truth, _ = label_pair(input, target, Mode.multilabel, ignore_index=None)
        loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        if self.beta > 0:
            loss = loss * power((truth - logits.sigmoid()).abs(), self.beta)
        if self.normalizer is Normalizer.elements:
            return Elements(loss)
        return Elements(loss, truth if self.normalizer is Normalizer.quality else (truth > 0).to(loss.dtype))

    def measure(self, *pair: Tensor) -> Measure:
        """Return the sum of the losses, and what `normalizer` divides it by."""
        total, weight = super().measure(*pair)
        return Measure(total, weight.clamp(min=1))


@component("loss", "distribution_focal")
class DistributionFocalLoss(Loss):
    """Cross entropy of a distribution over 0..n with the two whole numbers on both sides of the true distance.

    Input (*, n + 1) logits, target (*) distances in strides, such as (Q, 4, n + 1) and (Q, 4) for the sides of Q
    boxes. A target y counts the lower neighbour as far as it is near it; below 0 and above n it counts as 0 and n,
    which is as far as the distribution reaches. Range 0 and up; least where it is all on the two neighbours. Li et
    al. 2020, arXiv:2006.04388, eq. 6. The detector needs bins: `model.bins=16`.

    Raises ValueError for wrong shapes.
    """

    kind: ClassVar[str] = "distances"

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the loss of each distance (*)."""
        if input.dim() < 1 or input.shape[:-1] != target.shape or input.shape[-1] < 2:
            raise misfit("distribution_focal takes input (*, n + 1) with n > 0 and target (*)", input, target)
        log_share = F.log_softmax(raised(input), dim=-1)
        last = input.shape[-1] - 1
        distance = target.to(log_share.dtype).clamp(0, last)
        below = distance.floor().clamp(max=last - 1)
        near = torch.stack([below, below + 1], dim=-1)
        weight = 1 - (distance.unsqueeze(-1) - near).abs()
        return Elements(-(weight * log_share.gather(-1, near.long())).sum(-1))
