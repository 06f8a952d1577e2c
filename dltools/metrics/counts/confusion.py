"""The confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dltools.metrics.classes import ids_of
from dltools.metrics.counts.base import Counts, Totals
from dltools.metrics.counts.cells import cells_of, count_into, tabulated
from dltools.metrics.ids import stray_error
from dltools.metrics.state import Reading


@dataclass(kw_only=True, eq=False, repr=False)
class ConfusionMatrix(Counts):
    """Counts of true against predicted class.

    Takes what `classes.ids_of` reads: logits (N, C, *spatial) or ids (N, *spatial), and target ids (N, *spatial).
    An id that is neither in 0..C-1 nor ignored is a DataError: at once on a CPU, when `matrix` is read elsewhere.
    """

    num_classes: int
    """Number of classes C, 2 at least."""
    ignore_index: int | None = None
    """Target id that is not counted, inside 0..C-1 or not."""

    def __post_init__(self) -> None:
        """Make the bins: (C * C + 2,) counts of the cells, of the ignored places, and of the strays."""
        self.add_sum("bins", self.num_classes**2 + 2)

    def update(self, reading: Reading) -> None:
        """Count a batch."""
        pred, true = (ids.flatten() for ids in ids_of(reading, self.num_classes))
        counts = tabulated(pred, true, self.num_classes, self.ignore_index)
        if counts is not None:
            self.bins += counts
        else:
            count_into(self.bins, cells_of(pred, true, self.num_classes, self.ignore_index))

    def matrix(self) -> Tensor:
        """Return the counts (C, C): row the truth, column the prediction.

        Raises:
            DataError: ids out of range were seen.
        """
        if self.bins[-1] > 0:
            raise stray_error(f"{self.bins[-1].item()} others", self.num_classes, self.ignore_index)
        return self.bins[:-2].view(self.num_classes, self.num_classes)

    def totals(self) -> Totals:
        """Return the totals of each class, (C,)."""
        counts = self.matrix()
        return Totals(counts.diagonal(), counts.sum(0), counts.sum(1), counts.sum().expand(self.num_classes))
