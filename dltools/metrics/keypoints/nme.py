"""How far joints are missed."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import PositiveFloat, component
from dltools.metrics.keypoints.distances import KeypointMetric


@component("metric", "nme")
class NormalizedMeanError(KeypointMetric):
    """Mean distance of joints from the truth, in scales.

    For faces the scale is usually the distance of the outer corners of the eyes (inter-ocular) or of the pupils:
    name both points in `between`. A prediction that is NaN counts `limit`, or makes the value infinite: it never drops
    out of the mean. Range 0 and up, NaN without joints; a fraction, where papers often write it in percent. Sagonas et
    al. 2013, "300 Faces in-the-Wild Challenge". Shapes, options and errors: `KeypointMetric`.
    """

    name: ClassVar[str] = "nme"
    higher_is_better: ClassVar[bool | None] = False

    limit: PositiveFloat | None = None
    """Most that a joint counts, in scales, be it far or NaN; None is no limit."""

    def score(self, distances: Tensor) -> Tensor:
        """Return the distance up to the limit."""
        return distances if self.limit is None else distances.clamp(max=self.limit)
