"""Losses of the probability given to the truth: cross entropies and divergence."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F

from dltools.cfgutils import PositiveFloat, Probability, component
from dltools.losses.base import Elements, weighted
from dltools.losses.classes import ClassLoss
from dltools.losses.precision import raised
from dltools.losses.readings import SoftScores
from dltools.losses.scores import Scores, over_channels
from dltools.mode import Mode


@component("loss", "ce")
class CrossEntropyLoss(ClassLoss):
    """Cross entropy over softmax, for class ids or class probabilities (mixup, distillation).

    Shapes and errors: `ClassLoss`, mode multiclass. Range 0 and up. With class weights the mean is
    `sum(w_y * loss) / sum(w_y)`. Label smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7.

        >>> loss = CrossEntropyLoss(ignore_index=255)(torch.zeros(1, 4, 2, 2), torch.tensor([[[0, 1], [3, 255]]]))
        >>> round(loss.item(), 4)
        1.3863
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multiclass,)
    label_smoothing: Probability = 0.0
    """Share of the target that is spread evenly over all classes."""

    def of_scores(self, scores: Scores) -> Elements:
        """Return w_y times the cross entropy, and w_y."""
        of_class = self.per_channel("class_weight", scores.channels)
        weight = scores.weight(of_class)
        if self.label_smoothing == 0 and (of_class is None or not isinstance(scores, SoftScores)):
            return weighted(scores.cross_entropy, weight)
        logits, smoothing = scores.masked_logits, self.label_smoothing
        of_class = None if of_class is None else of_class.to(logits.dtype)
        loss = F.cross_entropy(logits, scores.truth, of_class, reduction="none", label_smoothing=smoothing)
        return Elements(loss if scores.valid is None else loss * scores.valid, weight)


@component("loss", "nll")
class NLLLoss(ClassLoss):
    """Negative log likelihood: minus the log probability of the true class, which the model gives itself.

    Input (N, C, *spatial) log probabilities (with `from_logits=false` probabilities), target (N, *spatial) class ids
    or (N, C, *spatial) class probabilities. With logits use `ce`. Errors: `ClassLoss`. Range 0 and up.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multiclass,)

    def of_scores(self, scores: Scores) -> Elements:
        """Return w_y times minus the input at the true class, and w_y."""
        of_class = self.per_channel("class_weight", scores.channels)
        if isinstance(scores, SoftScores):
            truth = scores.truth if of_class is None else scores.truth * over_channels(of_class, scores.truth)
            return Elements(-(truth * scores.masked_logits).sum(1), scores.weight(of_class))
        of_truth = raised(scores.logits.gather(1, scores.truth.unsqueeze(1)).squeeze(1))
        if scores.valid is not None:
            of_truth = torch.where(scores.valid, of_truth, 0)
        return weighted(-of_truth, scores.weight(of_class))


@component("loss", "kl")
class KLLoss(ClassLoss):
    """Kullback-Leibler divergence of the predicted class probabilities from the given ones, as distillation uses it.

    sum_c t_c (log t_c - log p_c) at each place, with p = softmax(input / T) and the result times T^2, so that the
    gradient keeps its size (Hinton et al. 2015, arXiv:1503.02531, section 2.1). Input (N, C, *spatial) logits, target
    the same shape of probabilities; class ids are taken too, and then it is `ce`. The mean is over the places. Range
    0 and up, 0 at p = t. Errors: `ClassLoss`.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.multiclass,)
    temperature: PositiveFloat = 1.0
    """T, which the logits are divided by; the target is expected to be made with the same."""

    def of_scores(self, scores: Scores) -> Elements:
        """Return w times the divergence at each place, and w."""
        truth, squared = scores.labels, self.temperature**2
        gap = torch.xlogy(truth, truth) - truth * torch.log_softmax(scores.masked_logits / self.temperature, 1)
        return weighted(gap.sum(1) * squared, scores.weight(self.per_channel("class_weight", scores.channels)))


@component("loss", "bce")
class BCELoss(ClassLoss):
    """Binary cross entropy over sigmoid, for one channel or for independent labels.

    Shapes and errors: `ClassLoss`, modes binary and multilabel. Range 0 and up.
    """

    modes: ClassVar[tuple[Mode, ...]] = (Mode.binary, Mode.multilabel)
    mode: Mode | None = None
    """What the channels mean: binary or multilabel; None as the task needs, or binary."""
    pos_weight: list[float] | None = None
    """Factor of the positive part of the loss, one for each channel; None is 1."""
    label_smoothing: Probability = 0.0
    """Share by which targets are moved to one half."""

    def __post_init__(self) -> None:
        """Check the options and make the buffers."""
        super().__post_init__()
        self._refuse_class_weight("use pos_weight")
        self._keep_per_channel("pos_weight")

    def of_scores(self, scores: Scores) -> Elements:
        """Return w_c times the loss of each element, and w_c."""
        weight = scores.weight(self.per_channel("class_weight", scores.channels))
        factor = self.per_channel("pos_weight", scores.channels)
        if factor is None and self.label_smoothing == 0:
            return weighted(scores.cross_entropy, weight)
        factor = None if factor is None else over_channels(factor, scores.logits)
        truth = scores.truth + self.label_smoothing * (0.5 - scores.truth)
        loss = F.binary_cross_entropy_with_logits(scores.masked_logits, truth, pos_weight=factor, reduction="none")
        return weighted(loss if scores.valid is None else loss * scores.valid, weight)
