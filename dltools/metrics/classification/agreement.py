"""How far predicted and true classes agree beyond chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import component
from dltools.distutils import widest_float
from dltools.metrics.base import PerClassMetric
from dltools.metrics.counted import CountedMetric
from dltools.mode import Mode


class Weights(str, Enum):
    """How much a confusion of class i with class j counts."""

    none = "none"
    """All the same."""
    linear = "linear"
    """|i - j|, for classes that are grades."""
    quadratic = "quadratic"
    """(i - j)^2, for classes that are grades."""


@dataclass(kw_only=True, eq=False, repr=False)
class AgreementMetric(CountedMetric, PerClassMetric):
    """Base of metrics of a whole confusion matrix.

    In modes of labels the value is the mean of the labels'. The value of a class is that of it against the rest, and
    the overall value of mode multiclass is no mean of these.
    """

    def of_matrix(self, matrix: Tensor) -> Tensor:
        """Return the value of a confusion matrix, (R, R): row the truth."""
        raise NotImplementedError

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the value; with `per_class` that of each class against the rest too."""
        if self.mode is Mode.multiclass and not self.per_class:
            return self.of_matrix(self.state.matrix())
        values = torch.stack([self.of_matrix(matrix) for matrix in self.state.totals().against_rest()])
        overall = self.of_matrix(self.state.matrix()) if self.mode is Mode.multiclass else values.nanmean()
        return self.told(overall, values, self.classes())


@component("metric", "mcc")
class MatthewsCorrelation(AgreementMetric):
    """Matthews correlation coefficient: the correlation of predicted and true classes.

    Range -1..1, 0 is chance; of more than two classes it is R_K, whose lower bound lies between -1 and 0. Undefined
    where all that is predicted, or all that is true, is of one class. Gorodkin 2004, "Comparing two K-category
    assignments by a K-category correlation coefficient", eq. 8. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "mcc"

    def of_matrix(self, matrix: Tensor) -> Tensor:
        """Return R_K, of whole numbers until the last division."""
        true, pred, right = matrix.sum(1).tolist(), matrix.sum(0).tolist(), int(matrix.trace())
        places = sum(true)
        together = right * places - sum(t * p for t, p in zip(true, pred, strict=True))
        spread = (places**2 - sum(t * t for t in true)) * (places**2 - sum(p * p for p in pred))
        return torch.tensor(together / math.sqrt(spread) if spread > 0 else math.nan, dtype=torch.float64)


@component("metric", "kappa")
class CohenKappa(AgreementMetric):
    """Cohen's kappa: agreement beyond what the frequencies of predicted and true classes give by chance.

    1 - observed / expected disagreement, range -1..1, 0 is chance. Undefined where all that is predicted and all that
    is true is of the same class. Cohen 1968, "Weighted kappa". Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "kappa"

    weights: Weights = Weights.none
    """How much a confusion counts: all the same (none), or by the distance of the ids (linear, quadratic)."""

    def __post_init__(self) -> None:
        """Refuse weights where there are two answers only, and make the state."""
        if self.mode is not Mode.multiclass or self.per_class:
            self.refuse("weights", "with labels or per_class, where a class is confused with the rest only")
        super().__post_init__()

    def of_matrix(self, matrix: Tensor) -> Tensor:
        """Return kappa."""
        matrix = matrix.to(widest_float(matrix.device))
        ids = torch.arange(len(matrix), dtype=matrix.dtype, device=matrix.device)
        apart = (ids - ids.unsqueeze(1)).abs()
        cost = {Weights.none: apart > 0, Weights.linear: apart, Weights.quadratic: apart**2}[self.weights]
        expected = matrix.sum(1) @ cost.to(matrix.dtype) @ matrix.sum(0) / matrix.sum()
        return 1 - (cost * matrix).sum() / expected
