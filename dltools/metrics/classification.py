"""Metrics of class ids, averaged over classes in the usual ways."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import component
from dltools.metrics.confusion import ConfusionMetric, Totals
from dltools.metrics.share import ratio


class Average(str, Enum):
    """How the classes become one value."""

    micro = "micro"
    """The value of all places together."""
    macro = "macro"
    """The mean of the classes where the value is defined."""
    weighted = "weighted"
    """The mean of the classes, weighted by their true places."""
    none = "none"
    """No mean: one value a class."""


@dataclass(kw_only=True, eq=False, repr=False)
class AveragedMetric(ConfusionMetric):
    """Base of metrics of class ids whose classes are averaged in one of the usual ways."""

    average: Average = Average.macro
    """How the classes become one value."""

    def compute(self) -> Tensor:
        """Return a scalar, or (C,) for average `none`; NaN where nothing is defined."""
        totals = self.totals()
        part, whole = self.fraction(totals)
        if self.average is Average.micro:
            return ratio(part.sum(), whole.sum())
        values = self.by_class(part, whole)
        if self.average is Average.none:
            return values
        if self.average is Average.macro:
            return values.nanmean()
        return (values * totals.true).nansum() / totals.true.sum()


@component("metric", "accuracy")
class Accuracy(AveragedMetric):
    """Share of the places whose class is predicted.

    Preds logits (N, C, *spatial) or ids, target ids (N, *spatial). Range 0..1. Average micro is the plain accuracy,
    macro the mean recall of the classes that occur ("balanced accuracy"); weighted equals micro.
    """

    name: ClassVar[str] = "accuracy"

    average: Average = Average.micro
    """Over places (micro), classes (macro), classes by frequency (weighted), or one value a class (none)."""

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return hits and true places."""
        return totals.hits, totals.true


@component("metric", "f1")
class F1Score(AveragedMetric):
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    Preds logits (N, C, *spatial) or ids, target ids (N, *spatial). Range 0..1. A class neither predicted nor true is
    left out of the mean; one that is only predicted counts 0. Average micro equals the accuracy.
    """

    name: ClassVar[str] = "f1"

    average: Average = Average.macro
    """Over places (micro), classes (macro), classes by frequency (weighted), or one value a class (none)."""

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return twice the hits, and predicted plus true places."""
        return 2 * totals.hits, totals.predicted + totals.true
