"""Fractions of what is counted of each class: accuracy, precision, recall and their like."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.distutils import widest_float
from dltools.metrics.averages import Average
from dltools.metrics.counted import FractionMetric
from dltools.metrics.counts import Totals
from dltools.mode import Mode


@component("metric", "accuracy")
class Accuracy(FractionMetric):
    """Share of the places that are predicted right.

    Range 0..1. mode multiclass: micro is the plain accuracy; the value of a class is the share of its true places, so
    that macro is `balanced_accuracy` and weighted equals micro. mode binary and multilabel: a place is right where the
    label is predicted and holds, or neither. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "accuracy"

    average: Average = Average.micro
    """Over places (micro), classes (macro), or classes by their true places (weighted)."""

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return hits and true places; of labels what is right, and all places."""
        if self.mode is Mode.multiclass:
            return totals.hits, totals.true
        return totals.hits + totals.rejected, totals.places


@component("metric", "precision")
class Precision(FractionMetric):
    """Share of what is predicted to be of a class that is of it, TP / (TP + FP).

    Range 0..1. A class that is never predicted is undefined. Average micro of mode multiclass equals the accuracy.
    Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "precision"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return hits and predicted places."""
        return totals.hits, totals.predicted


@component("metric", "recall")
class Recall(FractionMetric):
    """Share of what is of a class that is found (sensitivity), TP / (TP + FN).

    Range 0..1. A class that never occurs is undefined. Average micro of mode multiclass equals the accuracy.
    Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "recall"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return hits and true places."""
        return totals.hits, totals.true


@component("metric", "specificity")
class Specificity(FractionMetric):
    """Share of what is not of a class that is not predicted to be of it, TN / (TN + FP).

    Range 0..1. A class of which everything is has none. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "specificity"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return rejected places and those of other classes."""
        return totals.rejected, totals.places - totals.true


@component("metric", "f1")
class F1Score(FractionMetric):
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    Range 0..1. A class neither predicted nor true is left out of the mean; one that is only predicted counts 0.
    Average micro of mode multiclass equals the accuracy. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "f1"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return twice the hits, and predicted plus true places."""
        return 2 * totals.hits, totals.predicted + totals.true


@component("metric", "fbeta")
class FBetaScore(FractionMetric):
    """F-beta score, in which recall counts beta times as much as precision; `f1` at beta 1.

    (1 + beta^2) TP / ((1 + beta^2) TP + beta^2 FN + FP), range 0..1, undefined where `f1` is.
    Van Rijsbergen 1979, "Information Retrieval", chapter 7. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "fbeta"

    beta: PositiveFloat = 2.0
    """How many times as much recall counts as precision."""

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return (1 + beta^2) times the hits, and predicted plus beta^2 times the true places."""
        square, dtype = self.beta**2, widest_float(totals.hits.device)
        return (1 + square) * totals.hits.to(dtype), totals.predicted + square * totals.true.to(dtype)
