"""Counts of the classes of each image by itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dltools.metrics.classes import ids_of
from dltools.metrics.counts.base import Counts, Totals
from dltools.metrics.counts.cells import cells_of, count_into, tabulated
from dltools.metrics.ids import stray_error
from dltools.metrics.state import Reading, Rows


@dataclass(kw_only=True, eq=False, repr=False)
class ImageCounts(Counts):
    """Totals of each class in each image. Takes what `classes.ids_of` reads."""

    num_classes: int
    """Number of classes C, 2 at least."""
    ignore_index: int | None = None
    """Target id that is not counted, inside 0..C-1 or not."""

    def __post_init__(self) -> None:
        """Make the rows, one for each image."""
        self.rows = Rows(len(Totals._fields) * self.num_classes, torch.int64)
        self.add_sum("strays")

    def update(self, reading: Reading) -> None:
        """Count the images of a batch."""
        pred, true = (ids.unsqueeze(-1).flatten(1) for ids in ids_of(reading, self.num_classes))
        tables = [tabulated(*pair, self.num_classes, self.ignore_index) for pair in zip(pred, true, strict=True)]
        counted = [table for table in tables if table is not None]
        if counted:
            totals = self._of_tables(torch.stack(counted))
        else:
            totals = self._of_cells(cells_of(pred, true, self.num_classes, self.ignore_index))
        self.rows.add(torch.cat(totals, dim=1))

    def totals(self) -> Totals:
        """Return the totals of each image and class, (N, C)."""
        if self.strays > 0:
            raise stray_error(f"{self.strays.item()} others", self.num_classes, self.ignore_index)
        return Totals(*self.rows.read().split(self.num_classes, dim=1))

    def _of_tables(self, tables: Tensor) -> Totals:
        """Return the totals of counted cells, (N, C * C + 2)."""
        matrices = tables[:, :-2].unflatten(1, (self.num_classes, -1))
        places = matrices.sum((1, 2)).unsqueeze(1).expand(-1, self.num_classes)
        return Totals(matrices.diagonal(dim1=1, dim2=2), matrices.sum(1), matrices.sum(2), places)

    def _of_cells(self, cells: Tensor) -> Totals:
        """Return the totals of cells that are still to be counted, (N, places)."""
        classes = self.num_classes
        inside = cells < classes * classes
        self.strays += (cells > classes * classes).sum()
        true, pred = (torch.where(inside, ids, classes) for ids in (cells // classes, cells % classes))
        hits = torch.where(true == pred, true, classes)
        places = inside.sum(1, keepdim=True).expand(-1, classes)
        hits, predicted, held = (_count_by_image(ids, classes) for ids in (hits, pred, true))
        return Totals(hits, predicted, held, places)


def _count_by_image(ids: Tensor, classes: int) -> Tensor:
    """Return how often each id of 0..C-1 is in each row, (N, C); id C is not counted."""
    rows = torch.arange(len(ids), device=ids.device).unsqueeze(1) * (classes + 1)
    bins = torch.zeros(len(ids) * (classes + 1), dtype=torch.int64, device=ids.device)
    count_into(bins, (ids + rows).flatten())
    return bins.view(len(ids), classes + 1)[:, :classes]
