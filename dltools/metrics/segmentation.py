"""Metrics of the overlap of masks, over all pixels of the data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import FieldError, component
from dltools.metrics.confusion import ConfusionMetric, Totals


@dataclass(kw_only=True, eq=False, repr=False)
class OverlapMetric(ConfusionMetric):
    """Base of overlap metrics: the mean of a fraction over classes.

    The counts run over all pixels since the last reset, so that the value belongs to the data set and is not a mean
    over images or batches. A class neither predicted nor true is undefined and left out of the mean; one that is
    only predicted counts 0.
    """

    include_background: bool = True
    """Count class 0 in the mean."""
    per_class: bool = False
    """Return the value of each class too."""
    class_names: list[str] | None = None
    """Names of the classes in the keys of `per_class`; None names them by their ids."""

    def __post_init__(self) -> None:
        """Check the names and make the state."""
        super().__post_init__()
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise FieldError("class_names", f"must be {self.num_classes} names, got {len(self.class_names)}")

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the mean over classes; with `per_class` a dict of it and `<name>/<class>`."""
        values = self.by_class(*self.fraction(self.totals()))
        first = 0 if self.include_background else 1
        mean = values[first:].nanmean()
        if not self.per_class:
            return mean
        names = self.class_names or [str(index) for index in range(len(values))]
        return {self.name: mean} | {f"{self.name}/{names[i]}": values[i] for i in range(first, len(values))}


@component("metric", "iou")
class MeanIoU(OverlapMetric):
    """Mean intersection over union (Jaccard index), TP / (TP + FP + FN).

    Preds logits (N, C, *spatial) or ids, target ids (N, *spatial). Range 0..1.
    """

    name: ClassVar[str] = "iou"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return intersection and union."""
        return totals.hits, totals.predicted + totals.true - totals.hits


@component("metric", "dice")
class DiceScore(OverlapMetric):
    """Mean Dice coefficient, 2 TP / (2 TP + FP + FN).

    Preds logits (N, C, *spatial) or ids, target ids (N, *spatial). Range 0..1.
    """

    name: ClassVar[str] = "dice"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return twice the intersection, and the sum of both areas."""
        return 2 * totals.hits, totals.predicted + totals.true
