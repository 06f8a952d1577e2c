"""Scores of the borders of masks: how much of them is where it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dltools.cfgutils import FieldError, NonNegativeFloat, PositiveFloat, component
from dltools.metrics.segmentation.outlines import Floats, Gaps, Masks
from dltools.metrics.segmentation.surfaces import GapMeasure, Measure, SurfaceMetric


@component("metric", "nsd")
class NormalizedSurfaceDice(SurfaceMetric):
    """Normalized surface Dice (surface Dice at tolerance): the share of both outlines that is near to the other one.

    (|{p in P: d(p, T) <= tolerance}| + |{t in T: d(t, P) <= tolerance}|) / (|P| + |T|) of the pixels of the outlines P
    and T; range 0..1. Nikolov et al. 2018, arXiv:1809.04430; here each pixel of an outline counts 1, as in MONAI, and
    not by its area. Shapes, means and outlines: `SurfaceMetric`.
    """

    name: ClassVar[str] = "nsd"

    tolerance: NonNegativeFloat = 1.0
    """Distance that is near, in the unit of the spacing, or pixels."""
    tolerances: list[float] | None = None
    """Distance of each class instead, of all `num_classes`."""

    def __post_init__(self) -> None:
        """Check the tolerances and make the state."""
        given = self.tolerances
        if given is not None and (len(given) != self.num_classes or any(value < 0 for value in given)):
            raise FieldError(
                "tolerances", f"must be num_classes = {self.num_classes} numbers of 0 or more, got {list(given)}"
            )
        super().__post_init__()

    def measure(self) -> Measure:
        """Return the share of the outlines within the tolerance."""
        assert self.num_classes is not None
        return _SurfaceDice(tuple(self.tolerances or (self.tolerance,) * self.num_classes))


@component("metric", "boundary_f1")
class BoundaryF1(SurfaceMetric):
    """Boundary F1 (BF score): harmonic mean of the precision and the recall of the outline.

    2 P R / (P + R), P the share of the predicted outline that is within the tolerance of the true one, R the share of
    the true outline that is within the tolerance of the predicted one; range 0..1. Csurka et al. 2013,
    doi:10.5244/C.27.32. Shapes, means and outlines: `SurfaceMetric`.
    """

    name: ClassVar[str] = "boundary_f1"

    tolerance: NonNegativeFloat = 0.0075
    """Distance that is near: below 1 a share of the image's diagonal, else in the unit of the spacing, or pixels."""

    def measure(self) -> Measure:
        """Return the F1 of the outline."""
        return _OutlineF1(self.tolerance)


@component("metric", "boundary_iou")
class BoundaryIoU(SurfaceMetric):
    """Boundary IoU: intersection over union of what of both masks is near to its own outline.

    |P_d and T_d| / |P_d or T_d|, P_d the pixels of the predicted mask within d of its end and T_d those of the true
    one; range 0..1. Distances are Chebyshev's and d is rounded to whole pixels, 1 at least, as in the authors' code.
    Cheng et al. 2021, arXiv:2103.16562. Shapes, means and outlines: `SurfaceMetric`.
    """

    name: ClassVar[str] = "boundary_iou"

    width: PositiveFloat = 0.02
    """The distance d: below 1 a share of the image's diagonal, else in the unit of the spacing, or pixels."""

    def measure(self) -> Measure:
        """Return the IoU of the bands."""
        return _BandIoU(self.width)


@dataclass(frozen=True)
class _SurfaceDice(GapMeasure):
    tolerances: tuple[float, ...]

    def of_gaps(self, gaps: Gaps, index: int, masks: Masks) -> float:
        """Return the share of both outlines within the tolerance."""
        return float(np.concatenate(gaps.within(self.tolerances[index])).mean())


@dataclass(frozen=True)
class _OutlineF1(GapMeasure):
    tolerance: float

    def of_gaps(self, gaps: Gaps, index: int, masks: Masks) -> float:
        """Return the harmonic mean of both shares, 0 where both are."""
        precision, recall = (float(near.mean()) for near in gaps.within(_length(self.tolerance, masks)))
        return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


@dataclass(frozen=True)
class _BandIoU(Measure):
    width: float

    def __call__(self, masks: Masks) -> Floats:
        """Return the IoU of the bands of each class."""
        pred, true = masks.bands(_length(self.width, masks))
        common = masks.counts(np.where(pred == true, pred, -1))
        either = masks.counts(pred) + masks.counts(true) - common
        return np.divide(common, either, out=np.full(masks.num_classes, np.nan), where=either > 0)


def _length(value: float, masks: Masks) -> float:
    """Return a length of which values below 1 are a share of the image's diagonal."""
    return value * masks.diagonal if value < 1 else value
