"""Losses of image classification beside the cross entropies."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from dltools.cfgutils import NonNegativeFloat, Probability, component
from dltools.losses.base import Elements, weighted
from dltools.losses.classes import ClassLoss
from dltools.losses.readings import SoftScores
from dltools.losses.scores import Scores, over_channels
from dltools.mode import Mode


@component("loss", "soft_margin")
class SoftMarginLoss(ClassLoss):
    """Soft margin: log(1 + exp(-y x)) for labels y of -1 and 1, which are given as 0 and 1.

    A label between is the mixture of both. That is `bce`, under the name and the default mode that suit independent
    labels, and it does not overflow. Shapes and errors: `ClassLoss`, modes multilabel and binary; class ids are taken
    as one label each. Range 0 and up. Hastie et al. 2009, "The Elements of Statistical Learning", section 10.5.

        >>> round(SoftMarginLoss()(torch.tensor([[-100.0, 100.0]]), torch.tensor([[1, 1]])).item(), 4)
        50.0
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multilabel, Mode.binary)
    mode: Mode | None = None
    """What the channels mean: multilabel or binary; None as the task needs, or multilabel."""

    def __post_init__(self) -> None:
        """Check that the options go with the mode."""
        super().__post_init__()
        self._refuse_class_weight("weight the whole term")

    def of_scores(self, scores: Scores) -> Elements:
        """Return w_c times the loss of each label, and w_c."""
        weight = scores.weight(self.per_channel("class_weight", scores.channels))
        return weighted(scores.cross_entropy, weight)


@component("loss", "multilabel_soft_margin")
class MultilabelSoftMarginLoss(ClassLoss):
    """Soft margin of independent labels: the mean over the labels of each sample, then over the samples.

    With w_c the class weights, sum_c w_c bce_c / sum_c w_c at each place, then the mean over the places that have a
    label that is not ignored. So each sample counts alike, however many of its labels are known, where in
    `soft_margin` each label does; where nothing is ignored both are one. Shapes and errors: `ClassLoss`, mode
    multilabel; class ids are taken as one label each. Range 0 and up.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multilabel,)

    def of_scores(self, scores: Scores) -> Elements:
        """Return the mean loss of the labels at each place, and 1, or 0 where all are ignored."""
        of_class = self.per_channel("class_weight", scores.channels)
        value, weight = weighted(scores.cross_entropy, scores.weight(of_class))
        known = torch.ones_like(value) if weight is None else weight.expand_as(value)
        total = known.sum(1)
        return weighted(value.sum(1) / total.where(total > 0, 1), total > 0)


@component("loss", "poly1")
class Poly1Loss(ClassLoss):
    """Cross entropy with another weight of the first term of its expansion in powers of 1 - p.

    -log p_y + epsilon (1 - p_y), and the mixture of that with class probabilities as target. Range 0 and up for
    epsilon from -1 up. Leng et al. 2022, arXiv:2204.12511 (Poly-1). Shapes and errors: `ClassLoss`, mode multiclass.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multiclass,)
    epsilon: Annotated[float, Ge(-1)] = 1.0
    """What is added to the weight of 1 - p; 0 is `ce`."""

    def of_scores(self, scores: Scores) -> Elements:
        """Return w_y times the loss of each place, and w_y."""
        of_class = self.per_channel("class_weight", scores.channels)
        weight = scores.weight(of_class)
        if not isinstance(scores, SoftScores):
            return weighted(self._loss(scores.cross_entropy), weight)
        truth = scores.truth if of_class is None else scores.truth * over_channels(of_class, scores.truth)
        return Elements((truth * self._loss(-scores.log_probability)).sum(1), weight)

    def _loss(self, cross_entropy: Tensor) -> Tensor:
        return cross_entropy - self.epsilon * torch.expm1(-cross_entropy)


@component("loss", "asymmetric")
class AsymmetricLoss(ClassLoss):
    """Binary cross entropy that is focused on hard labels, more on negative ones, and drops the easiest of these.

    -t (1 - p)^gamma_pos log p - (1 - t) q^gamma_neg log(1 - q) with q = max(p - clip, 0). Range 0 and up. With both
    gammas and clip at 0 it is `bce`. Ridnik et al. 2021, arXiv:2009.14119; the mean is over labels where
    the paper sums over classes. Shapes and errors: `ClassLoss`, modes multilabel and binary; class ids are taken as
    one label each.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multilabel, Mode.binary)
    mode: Mode | None = None
    """What the channels mean: multilabel or binary; None as the task needs, or multilabel."""
    gamma_pos: NonNegativeFloat = 0.0
    """How strongly easy positives are scaled down."""
    gamma_neg: NonNegativeFloat = 4.0
    """How strongly easy negatives are scaled down."""
    clip: Probability = 0.05
    """Negatives of a probability up to this count nothing."""
    detach: bool = False
    """Take the scaling factors as constants, without a gradient of their own."""

    def __post_init__(self) -> None:
        """Check that the options go with the mode."""
        super().__post_init__()
        self._refuse_class_weight("weight the whole term")

    def of_scores(self, scores: Scores) -> Elements:
        """Return w_c times the loss of each label, and w_c."""
        logits, truth = scores.masked_logits, scores.truth
        missed = torch.sigmoid(-logits)
        positive = F.logsigmoid(logits) * self._focus(missed, self.gamma_pos)
        shifted = (scores.probability - self.clip).clamp(min=0)
        log_rejected = F.logsigmoid(-logits) if self.clip == 0 else (missed + self.clip).clamp(max=1).log()
        negative = log_rejected * self._focus(shifted, self.gamma_neg)
        loss = -(truth * positive + (1 - truth) * negative)
        return weighted(loss, scores.weight(self.per_channel("class_weight", scores.channels)))

    def _focus(self, wrong: Tensor, gamma: float) -> Tensor:
        """Return wrong^gamma, with a finite gradient at 0."""
        if gamma == 0:
            return torch.ones_like(wrong)
        wrong = wrong.detach() if self.detach else wrong
        return wrong.clamp(min=torch.finfo(wrong.dtype).tiny) ** gamma
