"""Average precision of detected objects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from dltools.cfgutils import FieldError, component
from dltools.metrics.detection.coco import Curves, Rules, evaluate
from dltools.metrics.detection.metric import DetectionMetric
from dltools.metrics.detection.objects import Objects, read_objects
from dltools.metrics.detection.oks import sigmas_of
from dltools.metrics.detection.state import IouType

if TYPE_CHECKING:
    from numpy.typing import NDArray

AREAS = {"": (0, 1e10), "_small": (0, 32**2), "_medium": (32**2, 96**2), "_large": (96**2, 1e10)}
"""Suffix of a key, and its range of areas in square pixels."""
IOUS = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""COCO's thresholds."""


@component("metric", "map")
class MeanAveragePrecision(DetectionMetric):
    """COCO's mean average precision of boxes, masks or poses, as pycocotools defines it, in fp64.

    Preds and target are lists with a dict for each image; see `Detections`. Lin et al. 2014, arXiv:1405.0312.

    Keys, all in 0..1: `map` (mean over the IoU thresholds), `map_50`, `map_75` (where these are among them),
    `map_small` (area up to 32^2), `map_medium`, `map_large` (from 96^2 on); and the recalls `mar_1`, `mar_10`,
    `mar_<max_detections>`, `mar_small`, `mar_medium`, `mar_large`. Of keypoints there is nothing small, and the
    recalls are `mar`, `mar_50`, `mar_75`, `mar_medium` and `mar_large`. With `per_class` `map/<class>` and the recall
    at `max_detections` of each class.

    What COCO leaves undefined, and reports as -1, is NaN: a class or range of areas without any true object is left out
    of the mean, and where none is left the value is NaN, even if something was detected. A class with true objects and
    no detection counts 0. Where pycocotools knows no value for `max_detections` other than 100, there is one here.

    Raises: see `Detections`.
    """

    name: ClassVar[str] = "map"
    recall_name: ClassVar[str] = "mar"
    """What the keys of recalls begin with."""

    iou_thresholds: list[float] | None = None
    """Overlaps from which an object is found; None is COCO's 0.50, 0.55 ... 0.95."""

    def __post_init__(self) -> None:
        """Check the thresholds and make the state."""
        if self.iou_thresholds is not None and not all(0 < iou <= 1 for iou in self.iou_thresholds or [0]):
            raise FieldError("iou_thresholds", f"must be values above 0, 1 at most, got {list(self.iou_thresholds)}")
        super().__post_init__()

    def compute(self) -> dict[str, Tensor]:
        """Return the values by their keys, fp64 on the CPU."""
        objects = read_objects(self.state)
        rules = self._rules(objects)
        curves = evaluate(objects, rules, self.backend)
        values = self._overall(curves, rules)
        if self.per_class:
            recall = self.recall_name if self._poses else f"{self.recall_name}_{rules.limits[-1]}"
            for place, label in enumerate(objects.classes):
                name = self.class_name(label)
                values[f"{self.name}/{name}"] = _mean(curves.precision[:, :, place, 0, -1])
                values[f"{recall}/{name}"] = _mean(curves.recall[:, place, 0, -1])
        return {key: torch.tensor(value, dtype=torch.float64) for key, value in values.items()}

    @property
    def _poses(self) -> bool:
        return self.iou_type is IouType.keypoints

    def _rules(self, objects: Objects) -> Rules:
        limits = {self.limit} if self._poses else {limit for limit in (1, 10) if limit < self.limit} | {self.limit}
        return Rules(
            ious=self.iou_thresholds or IOUS,
            areas=[AREAS[suffix] for suffix in self._areas()],
            limits=sorted(limits),
            sigmas=sigmas_of(objects, self.sigmas),
        )

    def _areas(self) -> list[str]:
        return [suffix for suffix in AREAS if suffix != "_small" or not self._poses]

    def _overall(self, curves: Curves, rules: Rules) -> dict[str, float]:
        """Average the curves as COCO's summary does."""
        own, other = self.name, self.recall_name
        precision, recall = curves
        ious = {f"_{percent}": np.isclose(rules.ious, percent / 100) for percent in (50, 75)}
        ious = {suffix: where for suffix, where in ious.items() if where.any()}
        areas = {suffix: place for place, suffix in enumerate(self._areas()) if suffix}
        values = {own: _mean(precision[:, :, :, 0, -1])}
        values |= {f"{own}{suffix}": _mean(precision[where][:, :, :, 0, -1]) for suffix, where in ious.items()}
        values |= {f"{own}{suffix}": _mean(precision[:, :, :, place, -1]) for suffix, place in areas.items()}
        if self._poses:
            values[other] = _mean(recall[:, :, 0, -1])
            values |= {f"{other}{suffix}": _mean(recall[where][:, :, 0, -1]) for suffix, where in ious.items()}
        else:
            values |= {f"{other}_{limit}": _mean(recall[:, :, 0, place]) for place, limit in enumerate(rules.limits)}
        return values | {f"{other}{suffix}": _mean(recall[:, :, place, -1]) for suffix, place in areas.items()}


@component("metric", "oks_ap")
class OKSAveragePrecision(MeanAveragePrecision):
    """COCO's average precision of poses: `map` of keypoints, under names of its own.

    Preds are a list with a dict for each image, of `keypoints` (n, K, 2 or 3) and `scores` (n,); target a list of dicts
    of `keypoints` (m, K, 3) as x, y, visibility, and `area` (m,) in square pixels; see `Detections`.

    Keys: `oks_ap` (mean over OKS 0.50 to 0.95), `oks_ap_50`, `oks_ap_75`, `oks_ap_medium` (area of 32^2 to 96^2),
    `oks_ap_large`; and the recalls `oks_ar`, `oks_ar_50`, `oks_ar_75`, `oks_ar_medium`, `oks_ar_large`.
    """

    name: ClassVar[str] = "oks_ap"
    kind: ClassVar[str] = "poses"
    recall_name: ClassVar[str] = "oks_ar"

    iou_type: IouType = IouType.keypoints
    """Compare keypoints, and nothing else."""

    def __post_init__(self) -> None:
        """Check what is compared and make the state."""
        if self.iou_type is not IouType.keypoints:
            raise FieldError("iou_type", f"must be keypoints, got {self.iou_type.value}; map compares the others")
        super().__post_init__()


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else math.nan
