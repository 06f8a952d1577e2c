"""Losses that weigh false positives and false negatives: Tversky and F-beta."""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.cfgutils import NonNegativeFloat, PositiveFloat, component
from dltools.losses.regions import RegionLoss, ratio
from dltools.losses.scores import Sums


@component("loss", "tversky")
class TverskyLoss(RegionLoss):
    """One minus the Tversky index, which weighs false positives by alpha and false negatives by beta.

    1 - (I + smooth) / (I + alpha (S - I) + beta (T - I) + smooth), range 0..1; alpha = beta = 0.5 is `dice`, both 1 is
    `jaccard`. Salehi et al. 2017, arXiv:1706.05721, eq. 4. Shapes, options and errors: `RegionLoss`.
    """

    alpha: NonNegativeFloat = 0.3
    """Weight of false positives."""
    beta: NonNegativeFloat = 0.7
    """Weight of false negatives."""

    def formula(self, sums: Sums) -> Tensor:
        """Return 1 - (I + smooth) / (I + alpha FP + beta FN + smooth)."""
        return 1 - _index(sums, self.alpha, self.beta, self.smooth)


@component("loss", "focal_tversky")
class FocalTverskyLoss(TverskyLoss):
    """Tversky loss of each region to the power 1 / gamma, so that poorly found regions weigh more (gamma > 1: less).

    (1 - index)^(1 / gamma), range 0..1. Abraham and Khan 2018, arXiv:1810.07842, eq. 4, where gamma = 4/3. The power
    is taken of each region, before any mean. Shapes, options and errors: `RegionLoss`.
    """

    gamma: PositiveFloat = 4 / 3
    """Inverse of the exponent; 1 is `tversky`."""

    def formula(self, sums: Sums) -> Tensor:
        """Return (1 - index)^(1 / gamma), with a finite gradient at index 1."""
        loss = 1 - _index(sums, self.alpha, self.beta, self.smooth)
        return loss.clamp(min=torch.finfo(loss.dtype).eps) ** (1 / self.gamma)


@component("loss", "f1")
class F1Loss(RegionLoss):
    """One minus the soft F-beta score, in which recall counts beta times as much as precision; F1 at beta 1.

    1 - ((1 + beta^2) I + smooth) / ((1 + beta^2) I + beta^2 (T - I) + (S - I) + smooth), range 0..1; beta 1 is `dice`.
    Van Rijsbergen 1979, "Information Retrieval", chapter 7. Shapes, options and errors: `RegionLoss`.
    """

    beta: PositiveFloat = 1.0
    """How many times as much recall counts as precision."""

    def formula(self, sums: Sums) -> Tensor:
        """Return 1 - F-beta."""
        square = self.beta**2
        hit = (1 + square) * sums.overlap
        missed = square * (sums.true - sums.overlap)
        return 1 - ratio(hit + self.smooth, hit + missed + sums.predicted - sums.overlap + self.smooth)


def _index(sums: Sums, alpha: float, beta: float, smooth: float) -> Tensor:
    """Return the Tversky index, a ratio in 0..1."""
    wrong = alpha * (sums.predicted - sums.overlap) + beta * (sums.true - sums.overlap)
    return ratio(sums.overlap + smooth, sums.overlap + wrong + smooth)
