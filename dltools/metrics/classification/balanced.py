"""Accuracy in which every class counts the same."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import component
from dltools.metrics.base import PerClassMetric
from dltools.metrics.counted import CountedMetric
from dltools.metrics.ratio import ratio
from dltools.mode import Mode


@component("metric", "balanced_accuracy")
class BalancedAccuracy(CountedMetric, PerClassMetric):
    """Mean recall of the classes that occur, however rare each is.

    Range 0..1. mode multiclass: `per_class` tells the recalls. mode binary: the mean of the recalls of both answers,
    sensitivity and specificity, of which one that is undefined is left out; mode multilabel: the mean over labels of
    that. Brodersen et al. 2010, "The balanced accuracy and its posterior distribution". Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "balanced_accuracy"

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the mean recall; with `per_class` each class's value too."""
        totals = self.state.totals()
        values = ratio(totals.hits, totals.true)
        if self.mode is not Mode.multiclass:
            specificity = ratio(totals.rejected, totals.places - totals.true)
            values = torch.stack([values, specificity]).nanmean(0)
        return self.told(values.nanmean(), values, self.classes())
