"""What metrics of detected objects accumulate: the objects of each image, predicted and true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dltools.cfgutils import DataError
from dltools.metrics.detection.columns import Columns
from dltools.metrics.detection.masks import MaskRows, run_table
from dltools.metrics.state import Reading, Rows, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOWHERE = -1e30
"""Corners of a box that no point is near."""


class IouType(str, Enum):
    """What of two objects is compared."""

    boxes = "boxes"
    """Intersection over union of the boxes."""
    masks = "masks"
    """Intersection over union of the masks."""
    keypoints = "keypoints"
    """Object keypoint similarity (OKS)."""


@dataclass(kw_only=True, eq=False, repr=False)
class Detections(State):
    """The predicted and true objects of all images.

    Preds: a list with a dict for each image, of `scores` (n,), `labels` (n,) and, by `iou_type`, `boxes` (n, 4) as
    x1, y1, x2, y2 in pixels, `masks` (n, H, W) boolean, or `keypoints` (n, K, 2 or 3) as x, y in pixels and what the
    model makes of its visibility, which is not read.

    Target: a list of dicts of `labels` (m,) and the same shapes, the keypoints (m, K, 3) as x, y, visibility, of which
    0 means not labelled. `area` (m,) in square pixels decides what is small; without it boxes and masks are measured,
    while keypoints, whose distances are compared with it, need it. `iscrowd` (m,): regions in which any number of
    detections may lie and that need not be found; an `ignore` is not read, as COCO itself puts `iscrowd` in its place.
    Beside keypoints `labels` may be left out, which are then 0, and there may be `boxes` (m, 4), around which an object
    without a labelled point, which need not be found either, takes up a detection.

    `image_id` of a target, an integer: images are then read in its order, and one that comes again, as from a sampler
    that pads the share of each rank, counts once. Images without it are read in the order of their arrival.

    Nothing waits for the device, save for masks, of which the run lengths are kept. Coordinates are fp64 from here on.

    Raises ValueError for other keys and shapes; DataError for values that are not finite, labels out of range and
    areas that cannot be, on a CPU when they are added, else when they are read.
    """

    iou_type: IouType = IouType.boxes
    """What is kept of an object."""
    num_classes: int | None = None
    """Number of classes C, whose ids are 0..C-1; None takes any ids."""
    num_keypoints: int | None = None
    """Number of points K of an object; None takes it from the first one."""

    def __post_init__(self) -> None:
        """Make the tables."""
        self.images = Rows(3, torch.int64)
        """Of each image whether it has an id, and how many objects are found and true; on the CPU."""
        self.ids = Rows(1, torch.int64)
        """Ids of the images that have one."""
        self.found = Rows(2 + 4 * (self.iou_type is IouType.boxes))
        """Label, score and, of boxes, the corners."""
        self.true = Rows(3 + 4 * (self.iou_type is not IouType.masks))
        """Label, area, whether it is a crowd and, but for masks, the corners."""
        if self.iou_type is IouType.masks:
            self.found_masks, self.true_masks = MaskRows(), MaskRows()
        if self.iou_type is IouType.keypoints:
            self.found_points, self.true_points = Rows(2), Rows(3)

    def update(self, reading: Reading) -> None:
        """Keep the objects of a batch."""
        preds, target = reading.preds, reading.target
        if len(preds) != len(target):
            raise ValueError(f"preds and target must be of the same images, got {len(preds)} and {len(target)}")
        joints, key = self._joints([*preds, *target]), self.iou_type.value
        found = Columns(preds, "preds", key, self._shape(joints, None), len(self.images))
        true = Columns(target, "target", key, self._shape(joints, 3), len(self.images))
        masks = {}
        if self.iou_type is IouType.masks:
            _check_sides(found, true)
            masks = {"found_masks": run_table(found.parts), "true_masks": run_table(true.parts)}
        area = true.joined([masks["true_masks"].areas()]) if masks else None
        tables = {"found": (found, self._found_table(found)), "true": (true, self._true_table(true, area))}
        if self.iou_type is IouType.keypoints:
            tables["found_points"] = found, found.joined([part[..., :2].flatten(0, 1) for part in found.parts], 2)
            tables["true_points"] = true, _labelled(true.joined([part.flatten(0, 1) for part in true.parts], 3))
        for name, (images, table) in tables.items():
            if table.device.type == "cpu":
                self.check(name, table.numpy(), images.counts, len(self.images))
        for name, (_, table) in tables.items():
            if len(table):
                getattr(self, name).add(table)
        for name, runs in masks.items():
            if len(runs.sizes):
                getattr(self, name).add(runs)
        self._number(target, found.counts, true.counts)

    def check(self, name: str, table: NDArray[np.float64], counts: Sequence[int], first: int = 0) -> None:
        """Check the values of a table.

        Args:
            name: the attribute that its rows are for.
            table: (n, width).
            counts: number of objects in each image.
            first: index of the first image.

        Raises:
            DataError: a value must not occur; it names the image.
        """
        for rule, wrong, place in self._faults(name, table):
            if wrong.any():
                row = int(wrong.argmax())
                image = first + np.searchsorted(np.cumsum(counts), row * sum(counts) // len(table), side="right")
                value = f", got {table[row, place]:g}" if np.isfinite(table[row]).all() else ""
                side = "preds" if name.startswith("found") else "target"
                raise DataError(f"{rule}{value} in {side} of image {image} (counted from the last reset)")

    def _faults(self, name: str, table: NDArray[np.float64]) -> Iterator[tuple[str, Any, int]]:
        """Yield rules, which rows break them, and the column where they do."""
        yield "values must be finite", ~np.isfinite(table).all(1), 0
        if name in ("found", "true"):
            label, classes = table[:, 0], self.num_classes
            yield "labels must be whole numbers", label != np.floor(label), 0
            if classes is not None:
                yield f"labels must be in 0..{classes - 1} ({classes} classes)", (label < 0) | (label >= classes), 0
        if name == "true" and self.iou_type is IouType.keypoints:
            yield "area must be above 0", table[:, 1] <= 0, 1
        elif name == "true":
            yield "area must be at least 0", table[:, 1] < 0, 1

    def _found_table(self, images: Columns) -> Tensor:
        table = torch.stack([self._labels(images), images.column("scores")], dim=1)
        if self.iou_type is IouType.boxes:
            table = torch.cat([table, images.joined(images.parts, 4)], dim=1)
        return table

    def _true_table(self, images: Columns, area: Tensor | None) -> Tensor:
        """Return the table of true objects; `area` (m,) is what masks measure."""
        labels, boxes = self._labels(images), []
        if self.iou_type is IouType.boxes:
            boxes = [images.joined(images.parts, 4)]
            area = (boxes[0][:, 2:] - boxes[0][:, :2]).clamp(min=0).prod(1)
        elif self.iou_type is IouType.keypoints:
            boxes = [images.column("boxes", labels.new_full((len(labels), 4), _NOWHERE), 4)]
        columns = [labels, images.column("area", area), images.column("iscrowd", torch.zeros_like(labels))]
        return torch.cat([torch.stack(columns, dim=1), *boxes], dim=1)

    def _labels(self, images: Columns) -> Tensor:
        default = None
        if self.iou_type is IouType.keypoints:
            default = images.joined([]).new_zeros(sum(images.counts))
        return images.column("labels", default)

    def _shape(self, joints: int | None, last: int | None) -> tuple[int | None, ...]:
        """Return the sizes of what is compared, behind the number of objects."""
        shapes = {IouType.boxes: (4,), IouType.masks: (None, None), IouType.keypoints: (joints, last)}
        return shapes[self.iou_type]

    def _joints(self, images: Sequence[Mapping[str, Any]]) -> int | None:
        """Return the number of points of an object, None where none has been seen yet."""
        if self.iou_type is not IouType.keypoints or self.num_keypoints is not None:
            return self.num_keypoints
        seen = [(self.found_points, self.found), (self.true_points, self.true)]
        before = [len(points) // len(objects) for points, objects in seen if len(objects)]
        here = (torch.as_tensor(image["keypoints"]) for image in images if "keypoints" in image)
        return next(iter([*before, *(part.shape[1] for part in here if part.dim() == 3 and len(part))]), None)

    def _number(self, target: Sequence[Mapping[str, Any]], found: list[int], true: list[int]) -> None:
        """Keep the ids of the images and how many objects each has."""
        known = ["image_id" in image for image in target]
        if any(known):
            given = [torch.as_tensor(image["image_id"]).reshape(1) for image in target if "image_id" in image]
            self.ids.add(torch.stack(given).long())
        self.images.add(torch.tensor([known, found, true], dtype=torch.int64).T)


def _labelled(points: Tensor) -> Tensor:
    """Let points (n, 3) that are not labelled be at 0, whatever stands there."""
    return torch.where(points[:, 2:] > 0, points, 0)


def _check_sides(found: Columns, true: Columns) -> None:
    """Check that the masks of an image are of one size."""
    for index, (pred, target) in enumerate(zip(found.sizes, true.sizes, strict=True)):
        if found.counts[index] and true.counts[index] and pred[1:] != target[1:]:
            sizes = f"{tuple(pred[1:])} and {tuple(target[1:])}"
            raise ValueError(f"masks of image {found.first + index} must be of one size, got {sizes}")
