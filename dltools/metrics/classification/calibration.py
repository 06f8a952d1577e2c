"""How far the confidence of predictions and their success lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import DataError, PositiveInt, component
from dltools.distutils import widest_float
from dltools.metrics.class_metric import ClassMetric
from dltools.metrics.classes import IGNORED, STRAY, scores_of
from dltools.metrics.ids import stray_error
from dltools.metrics.ratio import ratio
from dltools.metrics.state import Reading, State
from dltools.mode import Mode

UNIT = 2**30
"""What a confidence of 1 is counted as: whole numbers, whose sum depends on no order. Their rounding is below 1e-9."""


class Norm(str, Enum):
    """How the gaps of the bins become one value."""

    l1 = "l1"
    """Mean gap over places: the expected calibration error (ECE)."""
    l2 = "l2"
    """Root of the mean squared gap over places."""
    max = "max"
    """The largest gap of a bin in which anything is (MCE)."""


@dataclass(kw_only=True, eq=False, repr=False)
class ConfidenceBins(State):
    """Places, successes and summed confidence by bins of confidence, which are equally wide and contain their end."""

    mode: Mode
    """What the channels of the preds mean."""
    size: int
    """Number of classes or labels."""
    bins: int
    """Number of bins of 0..1."""
    from_logits: bool
    """Preds are logits, not probabilities."""
    ignore_index: int | None
    """Target value that is not counted."""

    def __post_init__(self) -> None:
        """Make the sums, (3, labels * bins + 1), the last of which is of what does not count."""
        self.labels = 1 if self.mode is Mode.multiclass else self.size
        self.add_sum("sums", 3, self.labels * self.bins + 1)
        self.add_sum("strays")

    def update(self, reading: Reading) -> None:
        """Add a batch.

        Raises:
            DataError: preds are no probabilities (told on a CPU only).
        """
        scores, truth = scores_of(reading, self.mode, self.size, self.from_logits, self.ignore_index)
        if scores.device.type == "cpu" and ((scores < 0) | (scores > 1)).any():
            raise DataError("probabilities must be in 0..1; logits need from_logits=true")
        if self.mode is Mode.multiclass:
            scores, pred = scores.max(1, keepdim=True)
            success, worst = (pred == truth) & ~scores.isnan(), torch.ones_like(scores)
        else:
            success, worst = truth == 1, (truth != 1).to(scores.dtype)
        confidence = torch.where(scores.isnan(), worst, scores).to(widest_float(scores.device))
        label = torch.arange(self.labels, device=scores.device).view(1, -1, 1) * self.bins
        index = label + ((confidence * self.bins).ceil().long() - 1).clamp(0, self.bins - 1)
        index = torch.where(truth == IGNORED, self.labels * self.bins, index)
        added = torch.ones_like(truth), success.long(), (confidence * UNIT).round().long()
        for sums, values in zip(self.sums, added, strict=True):
            sums.scatter_add_(0, index.flatten(), values.flatten())
        self.strays += (truth == STRAY).sum()

    def gaps(self) -> tuple[Tensor, Tensor]:
        """Return the gap between confidence and success, NaN where nothing is, and the places, of (labels, bins).

        Raises:
            DataError: ids out of range were seen.
        """
        if self.strays > 0:
            raise stray_error(f"{self.strays.item()} others", self.size, self.ignore_index)
        places, hits, confidence = self.sums[:, :-1].view(3, self.labels, self.bins)
        return (ratio(confidence, places * UNIT) - ratio(hits, places)).abs(), places


@component("metric", "calibration_error")
class CalibrationError(ClassMetric):
    """How far confidence and success lie apart, over bins of confidence.

    Range 0..1, 0 is best. mode multiclass: the highest probability against the share of places where its class is
    right. mode binary: the probability of the label against the share of places where it holds; mode multilabel: the
    mean over labels of that. A score that is NaN counts as full confidence in what is wrong. Naeini et al. 2015,
    "Obtaining well calibrated probabilities using Bayesian binning"; Guo et al. 2017, arXiv:1706.04599, eq. 3 to 5.

    Reads logits or probabilities (N, C, *spatial), and ids (N, *spatial), or 0 and 1 in the places of the preds.
    """

    name: ClassVar[str] = "calibration_error"
    higher_is_better: ClassVar[bool | None] = False

    bins: PositiveInt = 15
    """Number of bins of confidence, (0, 1/bins], and so on; 0 is in the first."""
    norm: Norm = Norm.l1
    """Mean gap (l1), root mean square of gaps (l2), or the largest (max)."""
    from_logits: bool = True
    """The preds are logits, not probabilities."""

    def make_state(self) -> ConfidenceBins:
        """Return the bins that this metric reads."""
        return ConfidenceBins(
            mode=self.mode,
            size=self.size,
            bins=self.bins,
            from_logits=self.from_logits,
            ignore_index=self.ignore_index,
        )

    def compute(self) -> Tensor:
        """Return the error, of labels the mean where it is defined."""
        gaps, places = self.state.gaps()
        if self.norm is Norm.max:
            values = gaps.nan_to_num(-1).amax(1)
            values = torch.where(values < 0, torch.nan, values)
        else:
            power = 2 if self.norm is Norm.l2 else 1
            values = (gaps.nan_to_num() ** power * ratio(places, places.sum(1, keepdim=True))).sum(1) ** (1 / power)
        return values.nanmean()
