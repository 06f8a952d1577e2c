"""The base of losses of regions: functions of how much of prediction and truth overlap."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from dltools.cfgutils import FieldError, NonNegativeFloat
from dltools.distutils import sum_over_ranks
from dltools.losses.base import Elements, weighted
from dltools.losses.classes import ClassLoss
from dltools.losses.scores import Scores, Sums
from dltools.mode import Mode

Pool = Enum("Pool", {"image": "image", "batch": "batch", "global": "global"}, type=str, module=__name__)
"""Over which places one region is summed: each image, the whole batch, or the batches of all ranks."""


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


@dataclass(kw_only=True, eq=False, repr=False)
class PerClassLoss(ClassLoss):
    """Base of losses that have a value for each class: its regions, not its places, are what is averaged."""

    mode: Mode | None = None
    """What the channels mean: multiclass, binary or multilabel; None as the task needs, or multiclass."""
    include_background: bool = True
    """Count channel 0 as a class."""
    absent: Absent = Absent.skip
    """What a class counts that the truth of the region does not have: skip, penalize or formula."""

    def __post_init__(self) -> None:
        """Check that the options go with the mode."""
        super().__post_init__()
        self._refuse_class_weight("weight the whole term")
        if self._mode is Mode.binary and not self.include_background:
            raise FieldError("include_background", "must be True in mode binary, whose channel is the foreground")


@dataclass(kw_only=True, eq=False, repr=False)
class RegionLoss(PerClassLoss):
    """Base of region losses: a subclass is its formula over the sums of a region and nothing else.

    Shapes and errors: `ClassLoss`. The mean runs over the regions, which are pairs of image and class, weighted by
    `class_weight`. With soft targets the overlap is sum(min(p, t)) = (sum p + sum t - sum |p - t|) / 2, whose loss is
    least at p = t (Wang et al. 2023, arXiv:2302.05666); with targets of 0 and 1 that is sum(p t).
    """

    smooth: NonNegativeFloat = 1e-6
    """Added to numerator and denominator."""
    pool: Pool = Pool.image
    """Sum over each image, over the whole batch, or (global) over the batches of all ranks."""
    average: Average = Average.macro
    """Average the values of the classes, or take the value of their sums."""

    def formula(self, sums: Sums) -> Tensor:
        """Return the loss of each region from its sums, all of one shape."""
        raise NotImplementedError

    def of_scores(self, scores: Scores) -> Elements:
        """Return the weighted losses of the regions and their weights, (N or 1, C or 1)."""
        sums, weights = self._pooled(scores.sums), self.per_channel("class_weight", scores.channels)
        if not self.include_background:
            sums = Sums(*(part[:, 1:] for part in sums))
            weights = None if weights is None else weights[1:]
        return self.of_sums(sums, weights)

    def of_sums(self, sums: Sums, weights: Tensor | None) -> Elements:
        """Return the weighted losses of the regions and their weights.

        Args:
            sums: of each region, (N, C).
            weights: of each class, (C,), or None.
        """
        if self.average is Average.micro:
            sums, weights = merged(sums, weights), None
        loss, counts = self.formula(sums), sums.places > 0
        if self.absent is Absent.skip:
            counts = counts & (sums.true > 0)
        elif self.absent is Absent.penalize:
            loss = torch.where(sums.true > 0, loss, ratio(sums.predicted, sums.places))
        weight = counts.to(loss.dtype)
        return weighted(loss, weight if weights is None else weight * weights)

    def _pooled(self, sums: Sums) -> Sums:
        if self.pool is Pool.image:
            return sums
        stacked = torch.stack([part.sum(0, keepdim=True) for part in sums])
        return Sums(*(sum_over_ranks(stacked) if self.pool is Pool["global"] else stacked))


def merged(sums: Sums, weights: Tensor | None) -> Sums:
    """Return the sums over the classes, (N, 1), each times its weight: (C,), (N, C) or None for 1."""
    return Sums(*((part if weights is None else part * weights).sum(1, keepdim=True) for part in sums))


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, 0 where both are 0."""
    return part / whole.clamp(min=torch.finfo(whole.dtype).eps)
