"""The COCO evaluation of boxes, from arrays to arrays: the only place that knows which library does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Boxes(NamedTuple):
    """Boxes of many images, (n,) rows."""

    image: NDArray[np.int64]
    """Index of the image."""
    label: NDArray[np.int64]
    """Class id."""
    corners: NDArray[np.float64]
    """(n, 4) as x1, y1, x2, y2."""


class Curves(NamedTuple):
    """Precision (T, R, K, A, M) and recall (T, K, A, M), -1 where undefined, with the axes of pycocotools.

    T: IoU 0.50, 0.55 ... 0.95. R: recall 0, 0.01 ... 1. K: classes. A: all, small, medium and large areas.
    M: limits of detections an image.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def evaluate(
    true: Boxes,
    area: NDArray[np.float64],
    crowd: NDArray[np.bool_],
    found: Boxes,
    score: NDArray[np.float64],
    images: int,
    classes: Sequence[int],
    limits: Sequence[int],
) -> Curves:
    """Match the found boxes with the true ones, image by image and class by class.

    Args:
        true: true boxes.
        area: their areas, (n,), which decide what is small, medium and large.
        crowd: whether they are crowds, (n,), in which any number of detections may lie.
        found: detections.
        score: their scores, (m,).
        images: number of images.
        classes: class ids, axis K.
        limits: increasing limits of detections an image and class, axis M.
    """
    from hotcoco import COCO, COCOeval

    truth = COCO.from_arrays(
        [{"id": index} for index in range(images)],
        [{"id": label, "name": str(label)} for label in classes],
        true.image,
        true.label,
        _with_sizes(true.corners),
        area=area,
        iscrowd=crowd,
    )
    rows = np.column_stack((found.image, _with_sizes(found.corners), score, found.label))
    evaluation = COCOeval(truth, truth.load_res(rows), "bbox")
    evaluation.params.max_dets = list(limits)
    evaluation.evaluate()
    evaluation.accumulate()
    curves = evaluation.eval
    assert curves is not None
    return Curves(curves["precision"], curves["recall"])


def _with_sizes(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn x1, y1, x2, y2 into x, y, width, height; swapped corners have no size."""
    return np.hstack((corners[:, :2], np.maximum(corners[:, 2:] - corners[:, :2], 0)))
