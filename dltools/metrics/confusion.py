"""The confusion matrix: one integer state that all metrics of class ids read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from annotated_types import Ge
from torch import Tensor, nn

from dltools.cfgutils import DataError, FieldError
from dltools.metrics.base import Metric
from dltools.metrics.share import ratio

ClassCount = Annotated[int, Ge(2)]


class ConfusionMatrix(nn.Module):
    """Counts of true against predicted class, int64, so that they are exact and add up over batches and ranks.

    Args:
        num_classes: number of classes C, 2 at least.
        ignore_index: target id that is not counted, inside 0..C-1 or not.
    """

    bins: Tensor
    """(C * C + 2,) counts of the cells, of the ignored places, and of the strays: ids out of range, not ignored."""

    def __init__(self, num_classes: int, ignore_index: int | None = None) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.register_buffer("bins", torch.zeros(num_classes**2 + 2, dtype=torch.int64), persistent=False)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch, without waiting for the device.

        Args:
            preds: logits (N, C, *spatial); or ids (N, *spatial) of an integer dtype; or, where C is 2, logits of
                class 1 alone, (N, 1, *spatial) or (N, *spatial), which predict it where they are positive.
            target: ids (N, *spatial) or (N, 1, *spatial) of an integer dtype.

        Raises:
            ValueError: shapes or dtypes do not fit.
            DataError: an id is neither in 0..C-1 nor ignored; an accelerator reports it in `counts` only.
        """
        pred, true = (ids.flatten() for ids in self._ids(preds, target))
        classes = self.num_classes
        inside = (true >= 0) & (true < classes) & (pred >= 0) & (pred < classes)
        ignored, stray = classes * classes, classes * classes + 1
        # Ids outside may wrap around in the narrow type: their cells are replaced before they are counted.
        narrow = torch.int16 if stray <= torch.iinfo(torch.int16).max else torch.int64
        cells = torch.where(inside, true.to(narrow) * classes + pred.to(narrow), stray)
        if self.ignore_index is not None:
            cells = torch.where(true == self.ignore_index, ignored, cells)
        if cells.device.type == "cpu" and len(cells) > 0 and cells.max() == stray:
            raise self._stray_error(_name_stray(pred[cells == stray], true[cells == stray], classes))
        _count_into(self.bins, cells)

    def counts(self) -> Tensor:
        """Return the counts (C, C): row the truth, column the prediction.

        Raises:
            DataError: ids out of range were seen.
        """
        if self.bins[-1] > 0:
            raise self._stray_error(f"{self.bins[-1].item()} others")
        return self.bins[:-2].view(self.num_classes, self.num_classes)

    def _ids(self, preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted and true ids of one shape, in an integer type wide enough for any `ignore_index`."""
        pred, true, classes = preds, target, self.num_classes
        if preds.is_floating_point() and not (classes == 2 and preds.shape == target.shape):
            true = target.squeeze(1) if target.dim() == preds.dim() > 1 else target
            if preds.shape[1:2] == (classes,):
                pred = preds.max(dim=1).indices  # several times faster than argmax on a CPU
            elif classes == 2 and preds.shape[1:2] == (1,):
                pred = preds.squeeze(1) > 0
        elif preds.is_floating_point():
            pred = preds > 0
        elif target.dim() == preds.dim() + 1:
            true = target.squeeze(1)
        if pred.is_floating_point() or true.is_floating_point() or pred.shape != true.shape:
            got = f"preds {tuple(preds.shape)} {preds.dtype} and target {tuple(target.shape)} {target.dtype}"
            rule = f"preds must be logits (N, {classes}, *spatial) or ids (N, *spatial), and target ids (N, *spatial)"
            raise ValueError(f"{rule}; got {got}")
        return _widened(pred), _widened(true)

    def _stray_error(self, found: str) -> DataError:
        classes = self.num_classes
        rule = f"class ids must be in 0..{classes - 1} ({classes} classes, ignore_index {self.ignore_index})"
        return DataError(f"{rule}, got {found}")


class Totals(NamedTuple):
    """What the confusion matrix says of each class, (C,) counts."""

    hits: Tensor
    """Places predicted and truly of the class."""
    predicted: Tensor
    """Places predicted to be of the class."""
    true: Tensor
    """Places truly of the class."""


@dataclass(kw_only=True, eq=False, repr=False)
class ConfusionMetric(Metric):
    """Base of metrics of the confusion matrix: a subclass is its fraction of each class's counts.

    In a `MetricSet` those of the same `num_classes` and `ignore_index` share one matrix.

    Takes logits (N, C, *spatial) or ids (N, *spatial), with target ids (N, *spatial): see `ConfusionMatrix.update`.
    """

    num_classes: ClassCount | None = None
    """Number of classes, 2 for a binary task; None takes it from the data."""
    ignore_index: int | None = None
    """Target id whose places are not counted; None counts all."""

    def __post_init__(self) -> None:
        """Make the state."""
        if self.num_classes is None:
            raise FieldError("num_classes", "must be given where no data tells it")
        self.confusion = ConfusionMatrix(self.num_classes, self.ignore_index)

    def update(self, preds: Any, target: Any) -> None:
        """Count a batch."""
        self.confusion.update(preds, target)

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return numerator and denominator of each class, (C,) counts."""
        raise NotImplementedError

    def totals(self) -> Totals:
        """Return the counts of each class."""
        counts = self.confusion.counts()
        return Totals(counts.diagonal(), counts.sum(0), counts.sum(1))

    def by_class(self, part: Tensor, whole: Tensor) -> Tensor:
        """Return part / whole of each class, NaN where it is undefined: 0 / 0, or a class that is ignored."""
        if self.ignore_index is not None and self.ignore_index >= 0:
            whole = whole * (torch.arange(len(whole), device=whole.device) != self.ignore_index)
            part = part * (whole > 0)
        return ratio(part, whole)


def _widened(ids: Tensor) -> Tensor:
    """Give 8-bit ids a type in which 255 and -100 are themselves."""
    return ids.to(torch.int16) if ids.element_size() == 1 else ids


def _count_into(bins: Tensor, cells: Tensor) -> None:
    """Add 1 to a bin for each cell that names it.

    bincount is the fastest for many cells on a CPU, but waits for other devices and makes all bins anew.
    """
    if cells.device.type == "cpu" and len(cells) > len(bins):
        bins += torch.bincount(cells, minlength=len(bins))
    else:
        cells = cells.long()
        bins.scatter_add_(0, cells, torch.ones_like(cells))


def _name_stray(pred: Tensor, true: Tensor, classes: int) -> str:
    for values, where in ((true, "target"), (pred, "preds")):
        wrong = values[(values < 0) | (values >= classes)]
        if len(wrong):
            return f"{wrong[0].item()} in {where}"
    raise AssertionError("an id was out of range, and now none is")
