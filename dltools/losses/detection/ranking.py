"""The loss of a ranking: average precision, trained by the errors of the order instead of a derivative."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.losses.base import Elements, Loss
from dltools.losses.targets import label_pair
from dltools.mode import Mode

FURTHEST = 1e5
"""Logits beyond it rank as if they were it, infinite ones too: running sums hold them beside those that are not."""


@component("loss", "ap")
class APLoss(Loss):
    """One minus the average precision of the ranking of all scores of a batch.

    Input (M, C) logits, target (M, C) in {0, 1}; what is above 0 is positive. With the step H(x), 0 below -delta, 1
    above delta and linear between, a positive i ranked under negatives j costs sum_j L_ij with
    L_ij = H(s_j - s_i) / (1 + sum_{k != i} H(s_k - s_i)); the mean is over the positives. The order has no useful
    derivative: the gradient is the error itself, L_ij at j and minus their sum at i. Range 0..1, 0 without positives.
    Chen et al. 2019, arXiv:1904.06373, section 3.

    H is linear between its ends, so that sums over pairs are differences of running sums over the sorted scores: N
    scores take O(N log N) time and O(N) memory, whatever the number of positives.

    Raises ValueError for wrong shapes, DataError for a target outside 0..1.
    """

    kind: ClassVar[str] = "classes"

    delta: PositiveFloat = 1.0
    """Half the width of the step, in logits: how far apart scores count as ordered."""
    interpolated: bool = True
    """Take as precision of a positive the best one at its recall or above, as in evaluation."""

    def elements(self, input: Tensor, target: Tensor) -> Elements:
        """Return the ranking error of each positive, 0 for the negatives, and which are positive, (M, C)."""
        logits, truth, _ = label_pair(input, target, Mode.multilabel, ignore_index=None)
        positive = (truth > 0).to(logits.dtype)
        error = _RankingError.apply(logits.flatten(), positive.flatten(), self.delta, self.interpolated)
        return Elements(error.view_as(positive), positive)


class _RankingError(torch.autograd.Function):
    """Scores (N,) to the ranking error of each positive (N,), with the error-driven gradient."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, positive: Tensor, delta: float, interpolated: bool) -> Tensor:
        """Rank in fp64, since the running sums are over all scores of a batch."""
        ranked, order = scores.sort()
        ranked = ranked.double().clamp(-FURTHEST, FURTHEST) / (2 * delta)
        hit = positive[order].double()
        hits_above = _above(ranked, hit) - 0.5  # less the positive itself, for which H(0) = 0.5
        misses_above = _above(ranked, 1 - hit).clamp(min=0)
        precision = hit * (1 + hits_above) / (1 + hits_above + misses_above)
        best = precision.cummax(0).values if interpolated else precision
        error = hit * (1 - best)
        ctx.save_for_backward(ranked, order, hit, error, misses_above)
        return torch.zeros_like(scores).scatter_(0, order, error.to(scores.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        """Divide each positive's error among the negatives above it, as far as each is above it."""
        ranked, order, hit, error, misses_above = ctx.saved_tensors
        error = grads[0][order] * error
        blame = torch.where(misses_above > 0, error / misses_above, 0)
        gradient = (1 - hit) * _below(ranked, blame) - error
        return torch.zeros_like(grads[0]).scatter_(0, order, gradient.to(grads[0].dtype)), None, None, None


def _above(ranked: Tensor, weight: Tensor) -> Tensor:
    """Return sum_k weight_k H(s_k - s_e) for each e, from scores in ascending order."""
    return _below(-ranked.flip(0), weight.flip(0)).flip(0)


def _below(ranked: Tensor, weight: Tensor) -> Tensor:
    """Return sum_k weight_k H(s_e - s_k) for each e, from scores (N,) in ascending order in units of 2 delta."""
    inside = torch.searchsorted(ranked, ranked - 0.5)
    beyond = torch.searchsorted(ranked, ranked + 0.5, right=True)
    total, moment = (torch.cat([part.new_zeros(1), part.cumsum(0)]) for part in (weight, weight * ranked))
    near = (ranked + 0.5) * (total[beyond] - total[inside]) - (moment[beyond] - moment[inside])
    return total[inside] + near
