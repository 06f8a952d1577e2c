"""Cross entropy that looks at what is still wrong."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from dltools.cfgutils import FieldError, NonNegativeFloat, Probability, component
from dltools.losses.base import Elements, Measure, weighted
from dltools.losses.classes import ClassLoss
from dltools.losses.gradients import with_gradient
from dltools.losses.readings import LabelScores, SoftScores
from dltools.losses.scores import Scores
from dltools.mode import Mode


class Normalizer(str, Enum):
    """What a loss over many places of which few are positive is divided by."""

    elements = "elements"
    """The weight of all valid elements."""
    positives = "positives"
    """The weight of the positive targets, 1 at least."""


@component("loss", "focal")
class FocalLoss(ClassLoss):
    """Cross entropy, scaled down by (1 - p)^gamma where the truth already has a high probability p.

    Over softmax in mode multiclass, over sigmoid in modes binary and multilabel. At gamma 0 it is exactly `ce` or
    `bce`; for gamma below 1 the gradient stays finite at p = 1. With soft labels t a sigmoid counts as
    p = p t + (1 - p) (1 - t), a softmax as the sum over the classes of t_c (1 - p_c)^gamma (-log p_c). Range 0 and up.
    Shapes and errors: `ClassLoss`. Lin et al. 2017, arXiv:1708.02002, eq. 5.

    Detectors use `FocalLoss(mode="multilabel", alpha=0.25, normalizer="positives")`.
    """

    mode: Mode | None = None
    """What the channels mean: multiclass, binary or multilabel; None as the task needs, or multiclass."""
    gamma: NonNegativeFloat = 2.0
    """How strongly easy examples are scaled down; 0 does not."""
    alpha: Probability | None = None
    """Factor of the positives, 1 - alpha of the negatives (binary, multilabel); None as the task needs, or 1."""
    normalizer: Normalizer | None = None
    """Divide by all valid elements, or by the positive ones (multiclass: all but class 0); None as the task needs."""

    def __post_init__(self) -> None:
        """Check that the options go with the mode."""
        super().__post_init__()
        self._refuse_class_weight("use alpha")
        if self._mode is Mode.multiclass and self.alpha is not None:
            raise FieldError("alpha", f"must be None in mode multiclass, got {self.alpha}; use class_weight")

    def of_scores(self, scores: Scores) -> Elements:
        """Return w times the loss of each element, and w, or w of the positive elements."""
        loss = self._loss(scores)
        weight = scores.weight(self.per_channel("class_weight", scores.channels))
        elements = weighted(loss, weight)
        if self.normalizer is not Normalizer.positives:
            return elements
        positive = _positive(scores).to(loss.dtype)
        return Elements(elements.value, positive if weight is None else positive * weight)

    def measure_scores(self, scores: Scores) -> Measure:
        """Return the sum of w times the loss, and what `normalizer` divides it by."""
        measure = super().measure_scores(scores)
        if self.normalizer is not Normalizer.positives:
            return measure
        return measure._replace(weight=measure.weight.clamp(min=1))

    def _loss(self, scores: Scores) -> Tensor:
        if isinstance(scores, SoftScores):
            missed = -torch.expm1(scores.log_probability)
            return -(scores.truth * _power(missed, self.gamma) * scores.log_probability).sum(1)
        cross_entropy = scores.cross_entropy
        if not isinstance(scores, LabelScores):
            return cross_entropy * _power(-torch.expm1(-cross_entropy), self.gamma)
        loss = _focused(scores, self.gamma)
        if self.alpha is None:
            return loss
        return loss * (self.alpha * scores.truth + (1 - self.alpha) * (1 - scores.truth))


def _positive(scores: Scores) -> Tensor:
    if isinstance(scores, LabelScores):
        return scores.truth
    return scores.truth > 0 if not isinstance(scores, SoftScores) else 1 - scores.truth[:, 0]


def _focused(scores: LabelScores, gamma: float) -> Tensor:
    """Return the cross entropy times m^gamma, with m = p + t - 2 p t, what is missing to the label."""
    t, cross_entropy = scores.truth, scores.cross_entropy
    if gamma == 0:
        return cross_entropy
    if torch.compiler.is_compiling():
        p = scores.probability
        return cross_entropy * _power(torch.lerp(p, 1 - p, t), gamma)
    with torch.no_grad():
        p = scores.constant_probability
        missing = torch.lerp(p, 1 - p, t)
        less = _power(missing, gamma - 1)
        power = less * missing
        # d missing / dp is 1 - 2 t.
        slope = (less * cross_entropy).mul_(gamma)
        slope.addcmul_(slope, t, value=-2)
        torch.ops.aten.sigmoid_backward.grad_input(slope, p, grad_input=slope)
        slope.addcmul_(power, p - t)
        value = power.mul_(cross_entropy)
    return with_gradient(scores.masked_logits, (value,), torch.mul, slope)[0]


def _power(base: Tensor, exponent: float) -> Tensor:
    """Return base^exponent for a base in 0..1, with a finite gradient at 0."""
    if exponent == 1:
        return base
    return (base if exponent > 1 else base.clamp(min=torch.finfo(base.dtype).tiny)) ** exponent
