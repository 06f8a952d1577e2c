"""Metrics of the overlap of masks: what of the confusion matrix of pixels is told of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import FieldError, component
from dltools.metrics.averages import Average
from dltools.metrics.counted import FractionMetric
from dltools.metrics.counts import Counts, Totals
from dltools.mode import Mode


@dataclass(kw_only=True, eq=False, repr=False)
class OverlapMetric(FractionMetric):
    """Base of overlap metrics.

    The counts run over all pixels since the last reset, so that the value belongs to the data set and is not a mean
    over batches, nor, without `per_image`, over images. A class neither predicted nor true is undefined and left out
    of the mean; one that is only predicted counts 0. With `per_image` that holds in each image: the value of an image
    is the average over its classes, and the metric is the mean over the images that have one; the value of a class is
    the mean over the images where it is defined.
    """

    per_image: bool = False
    """Measure each image by itself and take the mean over those where the value is defined."""
    include_background: bool = True
    """Count channel 0 as a class."""

    def __post_init__(self) -> None:
        """Check that the options go with the mode and make the state."""
        if self.mode is Mode.binary and not self.include_background:
            raise FieldError("include_background", "must be True in mode binary, whose channel is the foreground")
        super().__post_init__()

    def make_state(self) -> Counts:
        """Tell images apart if each is to be measured."""
        return self.counts(per_image=self.per_image)

    def classes(self) -> list[int]:
        """Leave the background out unless it is to count."""
        return [index for index in super().classes() if index > 0 or self.include_background]


@component("metric", "iou")
class MeanIoU(OverlapMetric):
    """Mean intersection over union (Jaccard index), TP / (TP + FP + FN).

    Range 0..1. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "iou"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return intersection and union."""
        return totals.hits, totals.predicted + totals.true - totals.hits


@component("metric", "dice")
class DiceScore(OverlapMetric):
    """Mean Dice coefficient, 2 TP / (2 TP + FP + FN).

    Range 0..1. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "dice"

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return twice the intersection, and the sum of both areas."""
        return 2 * totals.hits, totals.predicted + totals.true


@component("metric", "fw_iou")
class FrequencyWeightedIoU(MeanIoU):
    """Intersection over union of each class, weighted by its share of the true pixels.

    sum_c t_c IoU_c / sum_c t_c, t_c the true pixels of class c; range 0..1. A class that is only predicted has weight
    0, and costs what it takes from the classes that are there. Long et al. 2015, arXiv:1411.4038, section 5. Shapes:
    see `CountedMetric`.
    """

    name: ClassVar[str] = "fw_iou"

    average: Average = Average.weighted
    """Over pixels (micro), classes (macro: `iou`), or classes by their true pixels (weighted)."""


@component("metric", "pixel_accuracy")
class PixelAccuracy(OverlapMetric):
    """Share of the pixels whose class is predicted.

    Range 0..1. Multiclass: sum_c TP_c / sum_c t_c, t_c the true pixels of class c, and of a class the share of its true
    pixels that is found, so that average macro is the "mean accuracy" (Long et al. 2015, arXiv:1411.4038, section 5).
    Without the background it is the share of the true foreground that is found. Modes binary and multilabel: the share
    of the decisions that are right. Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "pixel_accuracy"

    average: Average = Average.micro
    """Over pixels (micro), classes (macro), or classes by their true pixels (weighted)."""

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return what is right, and what there is."""
        if self.mode is Mode.multiclass:
            return totals.hits, totals.true
        return totals.hits + totals.rejected, totals.places
