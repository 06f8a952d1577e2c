"""Region losses: functions of how much of prediction and truth overlap, summed over the places of a class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor

from dltools.cfgutils import FieldError, NonNegativeFloat, component
from dltools.losses.base import ClassLoss, Mode, weighted_sum
from dltools.losses.targets import class_pair, label_pair


class Pool(str, Enum):
    """Over which places one region is summed."""

    image = "image"
    """Each image by itself."""
    batch = "batch"
    """All images of the batch together."""


class Average(str, Enum):
    """How the classes of a region become one value."""

    macro = "macro"
    """The mean of the classes' values."""
    micro = "micro"
    """The value of the classes' sums."""


class Absent(str, Enum):
    """What counts for a class that the truth does not have."""

    skip = "skip"
    """Nothing: the class is left out of the mean."""
    penalize = "penalize"
    """The mean probability that was given to it."""
    formula = "formula"
    """What the formula says, which is close to 1 and nearly without gradient."""


class Sums(NamedTuple):
    """Sums over the places of each region, (N, C)."""

    overlap: Tensor
    """Sum of min(probability, target), which is the product where targets are 0 or 1."""
    predicted: Tensor
    """Sum of the probabilities."""
    true: Tensor
    """Sum of the targets."""
    places: Tensor
    """Number of valid places."""


@dataclass(kw_only=True, eq=False, repr=False)
class RegionLoss(ClassLoss):
    """Base of region losses: a subclass is its formula over (overlap, predicted, true) and nothing else.

    Shapes as in `ce` for mode multiclass (class ids), as in `bce` for modes binary and multilabel (0, 1 or between).
    The mean runs over the regions, which are pairs of image and class, weighted by `class_weight`.
    For soft targets the overlap is sum(min(p, t)) = (sum p + sum t - sum |p - t|) / 2, whose loss is least at p = t
    (Wang et al. 2023, arXiv:2302.05666); for targets of 0 and 1 that is sum(p t).

    Raises ValueError for wrong shapes or dtypes, DataError for a target out of range.
    """

    mode: Mode | None = None
    """What the channels mean: multiclass, binary or multilabel; None as the task needs, or multiclass."""
    smooth: NonNegativeFloat = 1e-6
    """Added to numerator and denominator."""
    include_background: bool = True
    """Count channel 0 as a class."""
    pool: Pool = Pool.image
    """Sum over each image, or over the whole batch."""
    average: Average = Average.macro
    """Average the values of the classes, or take the value of their sums."""
    absent: Absent = Absent.skip
    """What a class counts that the truth of the region does not have."""

    def __post_init__(self) -> None:
        """Check that the options go with the mode and make the buffer."""
        super().__post_init__()
        self._mode = self.mode or Mode.multiclass
        if self._mode is Mode.binary:
            self._refuse_class_weight("weight the whole term")
            if not self.include_background:
                raise FieldError("include_background", "must be True in mode binary, whose channel is the foreground")

    def formula(self, overlap: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        """Return the loss of each region from its sums, all of one shape."""
        raise NotImplementedError

    def measure(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the regions' losses, and the weight of the regions that count."""
        sums = self._sums(input, target)
        weights = self.per_channel("class_weight", sums.true)
        if not self.include_background:
            sums = Sums(*(value[:, 1:] for value in sums))
            weights = None if weights is None else weights[1:]
        if self.pool is Pool.batch:
            sums = Sums(*(value.sum(0, keepdim=True) for value in sums))
        if self.average is Average.micro:
            sums = Sums(*(_weighted(value, weights).sum(1, keepdim=True) for value in sums))
            weights = None
        loss = self.formula(*sums[:3])
        counts = sums.places > 0
        if self.absent is Absent.skip:
            counts = counts & (sums.true > 0)
        elif self.absent is Absent.penalize:
            loss = torch.where(sums.true > 0, loss, _ratio(sums.predicted, sums.places))
        return weighted_sum(loss, _weighted(counts.to(loss.dtype), weights))

    def _sums(self, input: Tensor, target: Tensor) -> Sums:
        if self._mode is Mode.multiclass:
            logits, ids, valid = class_pair(input, target, self.ignore_index)
            return _sums_of_ids(torch.softmax(logits, dim=1), ids, valid)
        # sigmoid(-inf) is 0, so that ignored places add nothing.
        logits, truth, valid = label_pair(input, target, self._mode, self.ignore_index, fill=-math.inf)
        probability = torch.sigmoid(logits)
        places = torch.ones_like(truth) if valid is None else valid.to(truth.dtype)
        return Sums(*map(_sum, (torch.minimum(probability, truth), probability, truth, places)))


@component("loss", "dice")
class DiceLoss(RegionLoss):
    """Soft Dice loss: one minus twice the overlap over the sum of both areas.

    1 - (2 I + smooth) / (S + T + smooth), range 0..1. Milletari et al. 2016 (V-Net), arXiv:1606.04797, with the
    areas S and T instead of their squares. Shapes, options and errors: `RegionLoss`.

        >>> DiceLoss(mode="binary")(torch.tensor([[[9.0, -9.0]]]), torch.tensor([[[1, 0]]])).item() < 1e-3
        True
    """

    def formula(self, overlap: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        """Return 1 - (2 I + smooth) / (S + T + smooth)."""
        return 1 - _ratio(2 * overlap + self.smooth, predicted + true + self.smooth)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, 0 where both are 0."""
    return part / whole.clamp(min=torch.finfo(whole.dtype).eps)


def _weighted(values: Tensor, weights: Tensor | None) -> Tensor:
    return values if weights is None else values * weights


def _sum(values: Tensor) -> Tensor:
    """Sum (N, C, *spatial) over the places."""
    return values.flatten(2).sum(-1) if values.dim() > 2 else values


def _sums_of_ids(probability: Tensor, ids: Tensor, valid: Tensor | None) -> Sums:
    """Sum without a one-hot target: gather the probability of the truth, then scatter it to its class.

    The scattered sums are fp64, since they grow one place at a time and fp32 would lose the small ones.
    """
    images, classes = probability.shape[:2]
    wide = torch.float32 if probability.device.type == "mps" else torch.float64
    one = torch.ones_like(ids, dtype=wide) if valid is None else valid.to(wide)
    hit = probability.gather(1, ids.unsqueeze(1)).squeeze(1) * one
    if valid is not None:
        probability = probability * valid.unsqueeze(1)
    first = torch.arange(images, device=ids.device).view(-1, *[1] * (ids.dim() - 1)) * classes
    region = (ids + first).flatten()
    empty = hit.new_zeros(images * classes)

    def of_class(values: Tensor) -> Tensor:
        return empty.scatter_add(0, region, values.flatten()).view(images, classes).to(probability.dtype)

    places = one.flatten(1).sum(1, keepdim=True) if ids.dim() > 1 else one.unsqueeze(1)
    return Sums(of_class(hit), _sum(probability), of_class(one), places.to(probability.dtype).expand(-1, classes))
