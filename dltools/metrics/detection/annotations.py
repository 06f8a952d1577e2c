"""Objects as the annotations of a COCO file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dltools.metrics.detection.state import IouType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dltools.metrics.detection.objects import Found, Truth

IOU_NAMES = {IouType.boxes: "bbox", IouType.masks: "segm", IouType.keypoints: "keypoints"}
"""COCO's names of what is compared."""


def annotations_of_true(true: Truth, iou_type: IouType) -> list[dict[str, Any]]:
    """Return an annotation for each true object; masks are `Runs`."""
    columns = {
        "image_id": true.image.tolist(),
        "category_id": true.label.tolist(),
        "area": true.area.tolist(),
        "iscrowd": true.crowd.astype(int).tolist(),
    }
    if iou_type is IouType.masks:
        columns["segmentation"] = true.shapes
    else:
        columns["bbox"] = with_sizes(true.boxes).tolist()
    if iou_type is IouType.keypoints:
        columns["keypoints"] = _flat(true.shapes)
        columns["num_keypoints"] = (true.shapes[:, :, 2] > 0).sum(1).tolist()
    return _rows(columns)


def annotations_of_found(found: Found, iou_type: IouType) -> list[dict[str, Any]]:
    """Return an annotation for each detection; masks are `Runs`."""
    columns = {
        "image_id": found.image.tolist(),
        "category_id": found.label.tolist(),
        "score": found.score.tolist(),
    }
    if iou_type is IouType.masks:
        columns["segmentation"] = found.shapes
        columns["area"] = [mask.area for mask in found.shapes]
        return _rows(columns)
    corners = found.shapes
    if iou_type is IouType.keypoints:
        corners = np.hstack((found.shapes.min(1, initial=np.inf), found.shapes.max(1, initial=-np.inf)))
        columns["keypoints"] = _flat(np.pad(found.shapes, ((0, 0), (0, 0), (0, 1)), constant_values=1))
    boxes = with_sizes(corners)
    columns |= {"bbox": boxes.tolist(), "area": (boxes[:, 2] * boxes[:, 3]).tolist()}
    return _rows(columns)


def with_sizes(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn x1, y1, x2, y2 into x, y, width, height; swapped corners have no size."""
    return np.hstack((corners[:, :2], np.maximum(corners[:, 2:] - corners[:, :2], 0)))


def _flat(points: NDArray[np.float64]) -> list[list[float]]:
    """Return points (n, K, 3) as K * 3 numbers for each object."""
    flat: list[list[float]] = points.reshape(len(points), points.shape[1] * points.shape[2]).tolist()
    return flat


def _rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    rows = zip(*columns.values(), strict=True)
    return [{"id": number, **dict(zip(columns, row, strict=True))} for number, row in enumerate(rows, start=1)]
