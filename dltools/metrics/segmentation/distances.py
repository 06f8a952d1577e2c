"""Metrics of the distance between the outlines of predicted and true masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from dltools.cfgutils import component
from dltools.metrics.segmentation.outlines import Gaps, Masks
from dltools.metrics.segmentation.surfaces import GapMeasure, Measure, SurfaceMetric


@component("metric", "hausdorff")
class HausdorffDistance(SurfaceMetric):
    """Hausdorff distance: how far the outlines are apart where they are farthest.

    max(P(d(p, T): p in P), P(d(t, P): t in T)) of the outlines P and T, where P(.) is the percentile of the distances
    of one direction, interpolated linearly; 100 is the largest. Unit of the spacing, or pixels; 0 is best. Where only
    one of both masks is there, it is the diagonal of the image, which no distance exceeds. Huttenlocher et al. 1993,
    doi:10.1109/34.232073. Shapes, means and outlines: `SurfaceMetric`.
    """

    name: ClassVar[str] = "hausdorff"
    higher_is_better: ClassVar[bool | None] = False

    percentile: Annotated[float, Interval(gt=0, le=100)] = 100.0
    """Percentile of the distances of each direction; less than 100 forgives single pixels that are far off."""

    def measure(self) -> Measure:
        """Return the percentile of the distances."""
        return _Farthest(self.percentile)


@component("metric", "hd95")
class HD95(HausdorffDistance):
    """Hausdorff distance at the 95th percentile: `hausdorff` that forgives 5 % of each outline."""

    name: ClassVar[str] = "hd95"

    percentile: Annotated[float, Interval(gt=0, le=100)] = 95.0
    """Percentile of the distances of each direction."""


@component("metric", "assd")
class ASSD(SurfaceMetric):
    """Average symmetric surface distance: how far the outlines are apart in the mean.

    (sum_p d(p, T) + sum_t d(t, P)) / (|P| + |T|) over the pixels of both outlines P and T together, so that the longer
    one weighs more; it is not the mean of both directions' means. Unit of the spacing, or pixels; 0 is best. Where only
    one of both masks is there, it is the diagonal of the image. Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
    Shapes, means and outlines: `SurfaceMetric`.
    """

    name: ClassVar[str] = "assd"
    higher_is_better: ClassVar[bool | None] = False

    def measure(self) -> Measure:
        """Return the mean of the distances."""
        return _Mean()


@dataclass(frozen=True)
class _Distance(GapMeasure):
    def worst(self, masks: Masks) -> float:
        """Return the diagonal of the image."""
        return masks.diagonal


@dataclass(frozen=True)
class _Farthest(_Distance):
    percentile: float

    def of_gaps(self, gaps: Gaps, index: int, masks: Masks) -> float:
        """Return the larger percentile of both directions."""
        return float(max(np.percentile(distances, self.percentile) for distances in gaps))


@dataclass(frozen=True)
class _Mean(_Distance):
    def of_gaps(self, gaps: Gaps, index: int, masks: Masks) -> float:
        """Return the mean over both outlines."""
        return float(np.concatenate(gaps).mean())
