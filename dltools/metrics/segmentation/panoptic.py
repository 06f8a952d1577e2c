"""Panoptic quality: how well the segments of things and stuff are found and outlined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dltools.cfgutils import FieldError, component
from dltools.metrics.base import PerClassMetric
from dltools.metrics.ids import stray_error
from dltools.metrics.ratio import mean_of_defined, ratio
from dltools.metrics.segmentation.segments import Segments, segments_of
from dltools.metrics.state import Reading, State

_UNIT = 2.0**-36
"""IoUs are summed as whole multiples of it, so that sums are exact in any order: 2^27 segments fit."""


@dataclass(kw_only=True, eq=False, repr=False)
class PanopticCounts(State):
    """Sums of each class over its segments: IoU of those that match, matches, false positives, false negatives.

    Takes preds and target (N, *spatial, 2) of an integer dtype: class id and instance id of each pixel. It works on the
    CPU, and waits for another device.
    """

    num_classes: int
    """Number of classes C."""
    ignore_index: int | None = None
    """Class id of pixels without a segment (void)."""
    stuff: tuple[int, ...] = ()
    """Ids of the classes whose pixels in an image are one segment, whatever their instance ids."""

    def __post_init__(self) -> None:
        """Make the sums, (4, C): IoU in units of 2^-36, TP, FP, FN."""
        self.add_sum("sums", 4, self.num_classes)

    def update(self, reading: Reading) -> None:
        """Match the segments of a batch."""
        preds, target = reading.preds, reading.target
        if preds.shape != target.shape or preds.dim() < 3 or preds.shape[-1] != 2:
            got = f"preds {tuple(preds.shape)} and target {tuple(target.shape)}"
            raise ValueError(f"preds and target must be (N, *spatial, 2) of class and instance ids, got {got}")
        if preds.is_floating_point() or target.is_floating_point():
            raise ValueError(f"class and instance ids must be integers, got {preds.dtype} and {target.dtype}")
        merged = self.stuff if self.ignore_index is None else (*self.stuff, self.ignore_index)
        segments = segments_of(preds.cpu().numpy(), target.cpu().numpy(), merged)
        self._check(segments)
        self.sums += torch.from_numpy(self._sums(segments)).to(self.sums.device)

    def values(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return PQ, SQ and RQ of each class (C,), NaN where it has no segment, predicted or true."""
        iou, tp, fp, fn = self.sums.cpu()
        units, halves = iou.double() * _UNIT, 2 * tp + fp + fn
        matched = torch.where(halves > 0, tp.clamp(min=1), 0)
        return ratio(2 * units, halves), ratio(units, matched), ratio(2 * tp, halves)

    def _sums(self, segments: Segments) -> NDArray[np.int64]:
        """Return what a batch adds, (4, C)."""
        pred, true, pairs = segments
        of_void = self._is_void(true.classes)[pairs.true]
        beside = np.zeros_like(pred.areas)
        beside[pairs.pred[of_void]] = pairs.areas[of_void]  # the void of an image is one segment
        union = (pred.areas - beside)[pairs.pred] + true.areas[pairs.true] - pairs.areas
        same = pred.classes[pairs.pred] == true.classes[pairs.true]
        match = same & ~of_void & (2 * pairs.areas > union)
        iou = np.rint(pairs.areas[match] / union[match] / _UNIT).astype(np.int64)
        unmatched_pred, unmatched_true = np.ones(len(pred.areas), np.bool_), np.ones(len(true.areas), np.bool_)
        unmatched_pred[pairs.pred[match]] = unmatched_true[pairs.true[match]] = False
        invented = unmatched_pred & ~self._is_void(pred.classes) & (2 * beside <= pred.areas)
        missed = unmatched_true & ~self._is_void(true.classes)
        matched = true.classes[pairs.true[match]]
        sums = np.zeros((4, self.num_classes), np.int64)
        np.add.at(sums[0], matched, iou)
        for row, classes in zip(sums[1:], (matched, pred.classes[invented], true.classes[missed]), strict=True):
            np.add.at(row, classes, 1)
        return sums

    def _is_void(self, classes: NDArray[np.int64]) -> NDArray[Any]:
        return np.zeros(len(classes), np.bool_) if self.ignore_index is None else classes == self.ignore_index

    def _check(self, segments: Segments) -> None:
        for name, classes in (("preds", segments.pred.classes), ("target", segments.true.classes)):
            strays = classes[((classes < 0) | (classes >= self.num_classes)) & ~self._is_void(classes)]
            if len(strays):
                raise stray_error(f"{strays[0]} in {name}", self.num_classes, self.ignore_index)


@component("metric", "panoptic_quality")
class PanopticQuality(PerClassMetric):
    """Panoptic quality of segments that do not overlap: PQ = SQ * RQ, segmentation times recognition quality.

    A predicted and a true segment of one class match if their IoU is above 0.5, which at most one pair can be. Then
    PQ = sum of the matches' IoU / (TP + FP / 2 + FN / 2), SQ = the mean IoU of the matches, and
    RQ = TP / (TP + FP / 2 + FN / 2), all over the data set and 0..1. Kirillov et al. 2019, arXiv:1801.00868, eq. 1.

    Preds and target (N, *spatial, 2) of an integer dtype: the class id and the instance id of each pixel; a segment is
    what has both in common in an image. The instance ids of `stuff` do not count.

    Void are the pixels of class `ignore_index`. True void pixels are taken out of the union, and predicted segments
    without a match that are mostly on them are no false positives. What is predicted to be void belongs to no segment:
    true segments there are missed.

    Keys: `pq`, `sq`, `rq`, each the mean over the classes that have a segment, predicted or true; with `stuff` also
    `pq_things` and `pq_stuff`; with `per_class` also `pq/<class>`, `sq/<class>`, `rq/<class>`. A class with segments
    of which none match has 0 in all three.

    Raises ValueError for wrong shapes and dtypes, DataError for class ids out of range.
    """

    name: ClassVar[str] = "pq"
    kind: ClassVar[str] = "panoptic"

    ignore_index: int | None = None
    """Class id of pixels without a segment (void); None if all have one."""
    stuff: list[int] | None = None
    """Ids of the classes without instances, such as sky; None if all are of things."""

    def __post_init__(self) -> None:
        """Check the classes and make the state."""
        if self.num_classes is None:
            raise FieldError("num_classes", "must be given where no data tells it")
        if any(not 0 <= index < self.num_classes for index in self.stuff or ()):
            raise FieldError("stuff", f"must be class ids in 0..{self.num_classes - 1}, got {self.stuff}")
        super().__post_init__()

    def make_state(self) -> PanopticCounts:
        """Return the sums over segments."""
        assert self.num_classes is not None
        stuff = tuple(sorted(set(self.stuff or ())))
        return PanopticCounts(num_classes=self.num_classes, ignore_index=self.ignore_index, stuff=stuff)

    def compute(self) -> dict[str, Tensor]:
        """Return the values by their keys, NaN where nothing is defined."""
        assert self.num_classes is not None
        classes = [index for index in range(self.num_classes) if index != self.ignore_index]
        by_key = dict(zip(("pq", "sq", "rq"), self.state.values(), strict=True))
        told = {key: mean_of_defined(values[classes]) for key, values in by_key.items()}
        if self.stuff:
            things = [index for index in classes if index not in self.stuff]
            stuff = [index for index in classes if index in self.stuff]
            told["pq_things"] = mean_of_defined(by_key["pq"][things])
            told["pq_stuff"] = mean_of_defined(by_key["pq"][stuff])
        if self.per_class:
            told |= {
                f"{key}/{self.class_name(index)}": values[index] for key, values in by_key.items() for index in classes
            }
        return told
