"""The confusion matrix as a table."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from torch import Tensor

from dltools.cfgutils import component
from dltools.metrics.counted import CountedMetric
from dltools.metrics.ratio import ratio
from dltools.mode import Mode


class Normalize(str, Enum):
    """What the entries of a confusion matrix are divided by."""

    none = "none"
    """Nothing: counts."""
    true = "true"
    """Places of the true class: each row sums to 1, the diagonal is the recall."""
    pred = "pred"
    """Places of the predicted class: each column sums to 1, the diagonal is the precision."""
    all = "all"
    """All places."""


@component("metric", "confusion_matrix")
class ConfusionTable(CountedMetric):
    """Confusion matrix as a table: row the true class, column the predicted one, (C, C).

    Counts, or shares in 0..1 where `normalize` says of what, NaN where that is nothing. mode binary: (2, 2) of not and
    of the label; mode multilabel: such a table for each label, under `confusion_matrix/<label>`.
    Shapes: see `CountedMetric`.
    """

    name: ClassVar[str] = "confusion_matrix"
    higher_is_better: ClassVar[bool | None] = None

    normalize: Normalize = Normalize.none
    """Divide by nothing (none), by row (true), by column (pred), or by all places (all)."""

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the table, or that of each label."""
        if self.mode is Mode.multiclass:
            return self._normalized(self.state.matrix())
        tables = [self._normalized(table) for table in self.state.totals().against_rest()]
        if self.mode is Mode.binary:
            return tables[0]
        return {f"{self.name}/{self.class_name(label)}": table for label, table in enumerate(tables)}

    def axes(self, rows: int, columns: int) -> tuple[list[str], list[str]]:
        """Return the names of the classes; of a label's table its two answers."""
        names = [self.class_name(index) for index in self.classes()] if rows == self.size else ["0", "1"]
        return names, names

    def _normalized(self, table: Tensor) -> Tensor:
        if self.normalize is Normalize.none:
            return table
        wholes = {
            Normalize.true: table.sum(1, keepdim=True),
            Normalize.pred: table.sum(0, keepdim=True),
            Normalize.all: table.sum(),
        }
        return ratio(table, wholes[self.normalize])
