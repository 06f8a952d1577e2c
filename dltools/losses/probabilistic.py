"""Losses of the probability given to the truth: cross entropy, binary cross entropy, focal."""

from __future__ import annotations

from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor

from dltools.cfgutils import FieldError, NonNegativeFloat, Probability, component
from dltools.losses.base import ClassLoss, Mode, weighted_sum
from dltools.losses.targets import class_pair, label_pair, soft_pair


@component("loss", "ce")
class CrossEntropyLoss(ClassLoss):
    """Cross entropy over softmax, for class ids or class probabilities.

    Input (N, C, *spatial) logits. Target (N, *spatial) class ids of any integer dtype, or (N, C, *spatial) class
    probabilities (mixup, distillation), with which nothing can be ignored. Range 0 and up. With class weights the
    mean is `sum(w_y * loss) / sum(w_y)`. Label smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7.

    Raises ValueError for wrong shapes or dtypes, DataError for a class id out of range.

        >>> loss = CrossEntropyLoss(ignore_index=255)(torch.zeros(1, 4, 2, 2), torch.tensor([[[0, 1], [3, 255]]]))
        >>> round(loss.item(), 4)
        1.3863
    """

    label_smoothing: Probability = 0.0
    """Share of the target that is spread evenly over all classes."""

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of w_y times the cross entropy, and the sum of w_y."""
        if target.is_floating_point():
            return self._measure_soft(input, target)
        logits, ids, valid = class_pair(input, target, self.ignore_index)
        weights = self.per_channel("class_weight", logits)
        loss = F.cross_entropy(logits, ids, weights, reduction="none", label_smoothing=self.label_smoothing)
        total, count = weighted_sum(loss, valid)
        return total, count if weights is None else weighted_sum(weights[ids], valid)[0]

    def _measure_soft(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if self.ignore_index is not None:
            raise ValueError(f"ignore_index {self.ignore_index} needs class ids, got a target of {target.dtype}")
        logits, truth, _ = soft_pair(input, target)
        weights = self.per_channel("class_weight", logits)
        loss = F.cross_entropy(logits, truth, weights, reduction="none", label_smoothing=self.label_smoothing)
        weighted = truth if weights is None else truth * _over_channels(weights, truth)
        return loss.sum(), weighted.sum()


@component("loss", "bce")
class BCELoss(ClassLoss):
    """Binary cross entropy over sigmoid, for one channel or for independent labels.

    Mode binary: input (N, 1, *spatial), (N, H, W) or (N,), target of the same places. Mode multilabel: both
    (N, C, *spatial). Targets are 0, 1 or between, of any dtype. Range 0 and up.

    Raises ValueError for wrong shapes, DataError for a target outside 0..1.
    """

    mode: Mode | None = None
    """What the channels mean: binary or multilabel; None as the task needs, or binary."""
    pos_weight: list[float] | None = None
    """Factor of the positive part of the loss, one for each channel; None is 1."""

    def __post_init__(self) -> None:
        """Check the mode and make the buffers."""
        super().__post_init__()
        self._mode = self.mode or Mode.binary
        if self._mode is Mode.multiclass:
            raise FieldError("mode", "must be binary or multilabel, got multiclass; use ce")
        if self._mode is Mode.binary:
            self._refuse_class_weight("use pos_weight")
        self._keep_per_channel("pos_weight")

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of w_c times the loss over all valid elements, and the sum of w_c."""
        logits, truth, valid = label_pair(input, target, self._mode, self.ignore_index)
        factors = self.per_channel("pos_weight", logits)
        factors = None if factors is None else _over_channels(factors, logits)
        loss = F.binary_cross_entropy_with_logits(logits, truth, pos_weight=factors, reduction="none")
        return weighted_sum(loss, _element_weight(self.per_channel("class_weight", logits), logits, valid))


class Normalizer(str, Enum):
    """What a focal loss is divided by."""

    elements = "elements"
    """The weight of all valid elements."""
    positives = "positives"
    """The weight of the positive targets, 1 at least."""


@component("loss", "focal")
class FocalLoss(ClassLoss):
    """Cross entropy, scaled down by (1 - p)^gamma where the truth already has a high probability p.

    Over softmax in mode multiclass (shapes as `ce`, class ids only), over sigmoid in modes binary and multilabel
    (shapes as `bce`). At gamma 0 it is exactly `ce` or `bce`; for gamma below 1 the gradient stays finite at p = 1.
    Soft targets t count as p = p t + (1 - p) (1 - t). Range 0 and up. Lin et al. 2017, arXiv:1708.02002, eq. 5.

    Detectors use `FocalLoss(mode="multilabel", alpha=0.25, normalizer="positives")`.

    Raises ValueError for wrong shapes or dtypes, DataError for a target out of range.
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
        """Check that the options go with the mode and make the buffer."""
        super().__post_init__()
        self._mode = self.mode or Mode.multiclass
        self._normalizer = self.normalizer or Normalizer.elements
        if self._mode is Mode.multiclass and self.alpha is not None:
            raise FieldError("alpha", f"must be None in mode multiclass, got {self.alpha}; use class_weight")
        if self._mode is Mode.binary:
            self._refuse_class_weight("use alpha")

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of w_c times the loss, and what `normalizer` divides it by."""
        of_ids = self._mode is Mode.multiclass
        loss, weight, positive = (self._over_softmax if of_ids else self._over_sigmoid)(input, target)
        total, count = weighted_sum(loss, weight)
        if self._normalizer is Normalizer.positives:
            count = weighted_sum(positive, weight)[0].clamp(min=1)
        return total, count

    def _over_softmax(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        logits, ids, valid = class_pair(input, target, self.ignore_index)
        weights = self.per_channel("class_weight", logits)
        loss = F.cross_entropy(logits, ids, reduction="none")
        if self.gamma > 0:
            loss = loss * _power(-torch.expm1(-loss), self.gamma)
        weight = valid if weights is None else weights[ids] if valid is None else weights[ids] * valid
        return loss, weight, (ids > 0).to(loss.dtype)

    def _over_sigmoid(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        logits, truth, valid = label_pair(input, target, self._mode, self.ignore_index)
        loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        if self.gamma > 0:
            miss = torch.sigmoid(logits) * (1 - truth) + torch.sigmoid(-logits) * truth
            loss = loss * _power(miss, self.gamma)
        if self.alpha is not None:
            loss = loss * (self.alpha * truth + (1 - self.alpha) * (1 - truth))
        return loss, _element_weight(self.per_channel("class_weight", logits), logits, valid), truth


def _power(base: Tensor, gamma: float) -> Tensor:
    """Return base^gamma with a finite gradient at 0 for gamma below 1."""
    return base.clamp(min=torch.finfo(base.dtype).tiny) ** gamma


def _over_channels(values: Tensor, like: Tensor) -> Tensor:
    """View (C,) values so that they broadcast over (N, C, *spatial)."""
    return values.view(-1, *[1] * (like.dim() - 2))


def _element_weight(weights: Tensor | None, logits: Tensor, valid: Tensor | None) -> Tensor | None:
    """Combine the weights of the channels (C,) with the valid elements (N, C, *spatial)."""
    if weights is None:
        return valid
    weights = _over_channels(weights, logits)
    return weights if valid is None else weights * valid
