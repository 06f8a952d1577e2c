"""Metrics of boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from dltools.cfgutils import DataError, FieldError, PositiveInt, component
from dltools.metrics.base import Metric
from dltools.metrics.coco import Boxes, Curves, evaluate

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AREAS = {"": 0, "_small": 1, "_medium": 2, "_large": 3}
"""Suffix of a key, and the index of its range of areas."""
_IOUS = {"_50": 0, "_75": 5}
"""Suffix of a key, and the index of its IoU threshold."""


@component("metric", "map")
class MeanAveragePrecision(Metric):
    """COCO mean average precision of boxes, as pycocotools defines it, evaluated in fp64.

    Preds: a list with a dict for each image, of `boxes` (n, 4) x1, y1, x2, y2 in pixels, `scores` (n,), `labels` (n,).
    Target: a list of dicts of `boxes` (m, 4) and `labels` (m,), and where the data has them `area` (m,), which decides
    what is small, and `iscrowd` (m,); without them the area is the box's, and nothing is a crowd.

    Keys: `map` (mean over IoU 0.50 to 0.95), `map_50`, `map_75`, `map_small` (area up to 32^2), `map_medium`,
    `map_large` (from 96^2 on), and the recalls `mar_1`, `mar_10`, `mar_<max_detections>`, `mar_small`, `mar_medium`,
    `mar_large`. All in 0..1.

    What COCO leaves undefined, and reports as -1, is NaN: a class or range of areas without any true box is left out
    of the mean, and where none is left the value is NaN, even if something was detected. A class with true boxes and
    no detection counts 0. Where pycocotools knows no value for `max_detections` other than 100, there is one here.

    Raises ValueError for wrong shapes, DataError for values that are not finite or labels out of range.
    """

    name: ClassVar[str] = "map"
    kind: ClassVar[str] = "boxes"

    num_classes: PositiveInt | None = None
    """Number of classes, whose ids are 0..C-1; None takes those that occur."""
    max_detections: PositiveInt = 100
    """How many detections of an image and class count, the best first."""
    per_class: bool = False
    """Return `map/<class>` too."""
    class_names: list[str] | None = None
    """Names of the classes in the keys of `per_class`; None names them by their ids."""

    def __post_init__(self) -> None:
        """Check the names and make the state."""
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise FieldError("class_names", f"must be num_classes = {self.num_classes}, got {len(self.class_names)}")
        self._found = _Rows("preds", ("scores", "labels"))
        self._true = _Rows("target", ("labels", "area", "iscrowd"))

    def update(self, preds: Sequence[Mapping[str, Tensor]], target: Sequence[Mapping[str, Tensor]]) -> None:
        """Keep the boxes of a batch, on their device."""
        if len(preds) != len(target):
            raise ValueError(f"preds and target must be of the same images, got {len(preds)} and {len(target)}")
        self._found.add(preds)
        self._true.add(target)

    def compute(self) -> dict[str, Tensor]:
        """Return the values by their keys, fp64 on the CPU."""
        image, rows = self._found.read()
        found, score = Boxes(image, rows[:, 5].astype(np.int64), rows[:, :4]), rows[:, 4]
        image, rows = self._true.read()
        true, area, crowd = Boxes(image, rows[:, 4].astype(np.int64), rows[:, :4]), rows[:, 5], rows[:, 6] > 0
        classes = self._classes(np.concatenate((found.label, true.label)))
        limits = sorted({limit for limit in (1, 10) if limit < self.max_detections} | {self.max_detections})
        curves = evaluate(true, area, crowd, found, score, len(self._true.counts), classes, limits)
        values = _summary(curves, limits)
        if self.per_class:
            for place, label in enumerate(classes):
                name = self.class_names[label] if self.class_names else label
                values[f"map/{name}"] = _mean(curves.precision[:, :, place, 0, -1])
        return {key: torch.tensor(value, dtype=torch.float64) for key, value in values.items()}

    def reset(self) -> None:
        """Forget all boxes."""
        self._found.clear()
        self._true.clear()

    def _classes(self, labels: NDArray[np.int64]) -> list[int]:
        """Return the class ids, having checked those that occur."""
        if self.num_classes is None:
            return [int(label) for label in np.unique(labels)]
        wrong = labels[(labels < 0) | (labels >= self.num_classes)]
        if len(wrong):
            raise DataError(f"labels must be in 0..{self.num_classes - 1} ({self.num_classes} classes), got {wrong[0]}")
        return list(range(self.num_classes))


def _summary(curves: Curves, limits: Sequence[int]) -> dict[str, float]:
    """Average the curves as COCO's summary does."""
    precision, recall = curves
    values = {f"map{suffix}": _mean(precision[:, :, :, index, -1]) for suffix, index in _AREAS.items()}
    values |= {f"map{suffix}": _mean(precision[index, :, :, 0, -1]) for suffix, index in _IOUS.items()}
    values |= {f"mar_{limit}": _mean(recall[:, :, 0, place]) for place, limit in enumerate(limits)}
    return values | {f"mar{suffix}": _mean(recall[:, :, index, -1]) for suffix, index in _AREAS.items() if suffix}


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")


class _Rows:
    """Boxes with their further columns, added image by image and left on their device until they are read."""

    def __init__(self, what: str, columns: Sequence[str]) -> None:
        self.what = what
        self.columns = columns
        self.counts: list[int] = []
        self.tables: list[Tensor] = []

    def add(self, images: Sequence[Mapping[str, Tensor]]) -> None:
        """Add a batch, a dict of columns for each image."""
        tables = [self._table(image, len(self.counts) + i) for i, image in enumerate(images)]
        self.counts += [len(table) for table in tables]
        self.tables += tables

    def read(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the image index of each row (n,), and the rows (n, 4 + columns) of corners and columns."""
        empty = torch.zeros(0, 4 + len(self.columns), dtype=torch.float64)
        rows = torch.cat(self.tables).cpu().double().numpy() if self.tables else empty.numpy()
        image = np.repeat(np.arange(len(self.counts)), self.counts)
        wrong = image[~np.isfinite(rows).all(1)]
        if len(wrong):
            raise DataError(f"{self.what} of image {wrong[0]} (counted from the last reset) are not finite")
        return image, rows

    def clear(self) -> None:
        """Forget all rows."""
        self.counts.clear()
        self.tables.clear()

    def _table(self, image: Mapping[str, Tensor], index: int) -> Tensor:
        """Return one image's rows in the widest type of the device."""
        boxes = image["boxes"].detach()
        boxes = boxes.reshape(-1, 4) if boxes.numel() == 0 else boxes
        boxes = boxes.to(torch.float32 if boxes.device.type == "mps" else torch.float64)
        if boxes.dim() != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes must be (n, 4), got {tuple(boxes.shape)} in {self.what} of image {index}")
        columns = [boxes]
        for name in self.columns:
            column = image[name].detach() if name in image else _default(name, boxes)
            if column.shape != boxes.shape[:1]:
                raise ValueError(
                    f"{name} must be ({len(boxes)},) as there are boxes, "
                    f"got {tuple(column.shape)} in {self.what} of image {index}"
                )
            columns.append(column.to(boxes.dtype).unsqueeze(1))
        return torch.cat(columns, dim=1)


def _default(column: str, boxes: Tensor) -> Tensor:
    """Return what a column is where the data does not have it."""
    if column == "area":
        width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
        return width * height
    if column == "iscrowd":
        return torch.zeros_like(boxes[:, 0])
    raise ValueError(f"{column} is missing beside the boxes")
