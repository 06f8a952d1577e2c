"""The loss of the correlation between prediction and truth."""

from __future__ import annotations

import torch
from torch import Tensor

from dltools.cfgutils import component
from dltools.losses.base import Elements
from dltools.losses.regions import Average, RegionLoss, merged, ratio
from dltools.losses.scores import Sums


@component("loss", "mcc")
class MCCLoss(RegionLoss):
    """One minus the soft Matthews correlation coefficient, which counts true negatives too.

    1 - (I - S T / n) / (sqrt(S (1 - S / n) T (1 - T / n)) + smooth) with the overlap I, the areas S and T and the
    number n of valid places; range 0..2, 1 where prediction and truth are independent. This is
    (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN)) without products of pixel counts. Abhishek and
    Hamarneh 2021, arXiv:2010.13454. Shapes, options and errors: `RegionLoss`.

    The correlation is undefined for a class that is absent and for one that fills its region, and it is the same for a
    class and its complement. A class that fills its region is therefore counted as its complement, which is absent:
    `absent` leaves it out (skip), takes the mean probability that was denied to it (penalize) or 1 (formula).
    """

    def formula(self, sums: Sums) -> Tensor:
        """Return 1 - covariance / (the product of both standard deviations + smooth)."""
        places = sums.places.clamp(min=1)
        covariance = sums.overlap - sums.predicted * (sums.true / places)
        deviations = _deviation(sums.predicted, places) * _deviation(sums.true, places)
        return 1 - ratio(covariance, deviations + self.smooth)

    def of_sums(self, sums: Sums, weights: Tensor | None) -> Elements:
        """Return the weighted losses of the regions and their weights, with full regions as their complements."""
        if self.average is Average.micro:
            sums, weights = merged(sums, weights), None
        full = sums.true >= sums.places
        complement = sums._replace(
            overlap=torch.where(full, 0, sums.overlap),
            predicted=torch.where(full, sums.places - sums.predicted, sums.predicted),
            true=torch.where(full, 0, sums.true),
        )
        return super().of_sums(complement, weights)


def _deviation(area: Tensor, places: Tensor) -> Tensor:
    """Return sqrt(area (1 - area / places)), with a finite gradient where nothing varies."""
    variance = area * (1 - area / places)
    return variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()
