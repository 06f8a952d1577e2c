"""Counts of labels that hold or not, each by itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dltools.metrics.classes import labels_of
from dltools.metrics.counts.base import Counts, Totals
from dltools.metrics.state import Reading, Rows


@dataclass(kw_only=True, eq=False, repr=False)
class LabelCounts(Counts):
    """Totals of labels. Takes what `classes.labels_of` reads."""

    num_labels: int
    """Number of labels L."""
    threshold: float = 0.5
    """Probability above which a label is predicted."""
    from_logits: bool = True
    """Floating preds are logits, not probabilities."""
    ignore_index: int | None = None
    """Target value that is not counted."""

    def __post_init__(self) -> None:
        """Make the counts, (4, L)."""
        self.add_sum("counts", len(Totals._fields), self.num_labels)

    def update(self, reading: Reading) -> None:
        """Count a batch."""
        self.counts += torch.stack(self.totals_of_images(reading)).sum(1)

    def totals(self) -> Totals:
        """Return the totals of each label, (L,)."""
        return Totals(*self.counts)

    def totals_of_images(self, reading: Reading) -> Totals:
        """Return the totals of each image of a batch and label, (N, L)."""
        pred, true, valid = labels_of(reading, self.num_labels, self.threshold, self.from_logits, self.ignore_index)
        hits, held = (pred & true).sum(2), true.sum(2)
        if valid is None:
            return Totals(hits, pred.sum(2), held, torch.full_like(held, pred.shape[2]))
        return Totals(hits, (pred & valid).sum(2), held, valid.sum(2))


@dataclass(kw_only=True, eq=False, repr=False)
class ImageLabelCounts(LabelCounts):
    """Totals of labels in each image. Takes what `classes.labels_of` reads."""

    def __post_init__(self) -> None:
        """Make the rows, one for each image."""
        self.rows = Rows(len(Totals._fields) * self.num_labels, torch.int64)

    def update(self, reading: Reading) -> None:
        """Count the images of a batch."""
        self.rows.add(torch.cat(self.totals_of_images(reading), dim=1))

    def totals(self) -> Totals:
        """Return the totals of each image and label, (N, L)."""
        return Totals(*self.rows.read().split(self.num_labels, dim=1))
