"""F1 of detected objects over the confidence from which a detection counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

from dltools.cfgutils import component
from dltools.metrics.averages import Average, averaged
from dltools.metrics.detection.matching import Matches, match
from dltools.metrics.detection.metric import DetectionMetric
from dltools.metrics.detection.objects import read_objects
from dltools.metrics.detection.oks import sigmas_of
from dltools.metrics.ratio import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCES = np.arange(101) / 100
"""Rows of the curve."""


@component("metric", "detection_f1")
class DetectionF1(DetectionMetric):
    """Best F1 of boxes, masks or poses over the confidence from which a detection counts.

    A detection that overlaps an object of its class by `iou` or more, and that no better detection has, is a hit;
    others are false, and objects without any are missed; COCO's rules for crowds hold. Nothing is interpolated: each
    value is a ratio of counts. Preds and target are lists with a dict for each image; see `Detections`.

    Keys, with the confidence of the best F1, which is one for all classes: `detection_f1`, 2 TP / (2 TP + FP + FN);
    `detection_f1_precision`, `detection_f1_recall`, `detection_f1_confidence`, the lowest score that counts; and
    `detection_f1_curve`, a table (101, 4) of confidence 0, 0.01 ... 1, and precision, recall and F1 of the detections
    with that score or more. Of confidences that are equally good the highest is taken. With `per_class`
    `detection_f1/<class>` at that confidence.

    A class neither detected nor true is left out of the mean; one that is only detected has F1 0. Where nothing is
    true nor detected all are NaN.

    Raises: see `Detections`.
    """

    name: ClassVar[str] = "detection_f1"

    iou: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Overlap from which an object is found."""
    average: Average = Average.macro
    """Over objects (micro), classes (macro), or classes by their true objects (weighted)."""

    def compute(self) -> dict[str, Tensor]:
        """Return the values by their keys, fp64 on the CPU."""
        objects = read_objects(self.state)
        found = match(objects, self.iou, self.limit, sigmas_of(objects, self.sigmas), self.backend)
        best = best_confidence(found, self.average)
        values, of_classes = self._values(found, np.array([best]))
        own = self.name
        told = {f"{own}/{self.class_name(label)}": of_classes[0, place] for place, label in enumerate(objects.classes)}
        return {
            own: values[0, 2],
            f"{own}_precision": values[0, 0],
            f"{own}_recall": values[0, 1],
            f"{own}_confidence": torch.tensor(best, dtype=torch.float64),
            **(told if self.per_class else {}),
            f"{own}_curve": torch.cat([torch.from_numpy(CONFIDENCES)[:, None], self._values(found, CONFIDENCES)[0]], 1),
        }

    def axes(self, rows: int, columns: int) -> tuple[list[str], list[str]]:
        """Return the names of the columns of the curve."""
        return super().axes(rows, columns)[0], ["confidence", "precision", "recall", "f1"]

    def _values(self, found: Matches, confidences: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Return precision, recall and F1 (R, 3) at confidences (R,), and the F1 of each class (R, C)."""
        hits, predicted = (
            torch.from_numpy(_counts_from(found.label[which], found.score[which], confidences, len(found.true)))
            for which in (found.hit, slice(None))
        )
        true = torch.from_numpy(found.true).expand_as(hits)
        parts = (hits, predicted), (hits, true), (2 * hits, predicted + true)
        values = [averaged(part, whole, true, self.average) for part, whole in parts]
        return torch.stack(values, dim=1), ratio(*parts[2])


def best_confidence(found: Matches, average: Average) -> float:
    """Return the highest of the scores from which F1 is best, NaN where nothing is detected.

    Each detection that is let in changes the F1 of one class, so that the mean over classes is a running sum.
    """
    if not len(found.score):
        return math.nan
    order = np.argsort(-found.score, kind="stable")
    label, score, hit = found.label[order], found.score[order], found.hit[order]
    if average is Average.micro:
        value = 2 * hit.cumsum() / (np.arange(1, len(hit) + 1) + found.true.sum())
    else:
        weight = found.true if average is Average.weighted else np.ones_like(found.true)
        change, opened = _changes(label, hit, found.true)
        defined = weight[found.true > 0].sum() + (weight[label] * opened).cumsum()
        value = (weight[label] * change).cumsum() / np.maximum(defined, 1)
    last = np.append(score[1:] != score[:-1], True)
    return float(score[last][value[last].round(12).argmax()])


def _changes(
    label: NDArray[np.int64], hit: NDArray[np.bool_], true: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return by how much each detection, best first, changes the F1 of its class, and whether that was undefined."""
    order = np.argsort(label, kind="stable")
    label, hit = label[order], hit[order]
    first = np.searchsorted(label, label)
    before = np.arange(len(label)) - first
    total = hit.cumsum() - hit
    hits, held = total - total[first], true[label]
    change, opened = np.empty(len(label)), np.empty(len(label), dtype=bool)
    change[order] = 2 * (hits + hit) / (before + 1 + held) - 2 * hits / np.maximum(before + held, 1)
    opened[order] = (held == 0) & (before == 0)
    return change, opened


def _counts_from(
    label: NDArray[np.int64], score: NDArray[np.float64], confidences: NDArray[np.float64], classes: int
) -> NDArray[np.int64]:
    """Return how many of each class have a score of a confidence or more, (R, C)."""
    steps = len(confidences) + 1
    reached = np.searchsorted(confidences, score, side="right")
    counts = np.bincount(label * steps + reached, minlength=classes * steps).reshape(classes, steps)
    return (counts.sum(1, keepdims=True) - counts.cumsum(1)[:, :-1]).T
