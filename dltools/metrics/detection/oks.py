"""Object keypoint similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dltools.cfgutils import FieldError
from dltools.metrics.detection.objects import Objects
from dltools.metrics.detection.state import IouType

if TYPE_CHECKING:
    from numpy.typing import NDArray

# fmt: off
COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
    0.089,
)
# fmt: on
"""Falloff of COCO's 17 points: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles."""


def sigmas_of(objects: Objects, given: Sequence[float] | None) -> list[float]:
    """Return the falloff of each of the points that the objects have, none beside boxes and masks.

    Raises:
        FieldError: another number of sigmas is given.
    """
    if objects.iou_type is not IouType.keypoints:
        return []
    joints = max(objects.found.shapes.shape[1], objects.true.shapes.shape[1])
    if given is None:
        return list(COCO_SIGMAS) if joints == len(COCO_SIGMAS) else [0.05] * joints
    if len(given) not in (1, joints) and joints > 0:
        raise FieldError("sigmas", f"must be one value or {joints}, one a keypoint, got {len(given)}")
    return list(given) * joints if len(given) == 1 else list(given)


def similarities(
    found: NDArray[np.float64],
    true: NDArray[np.float64],
    boxes: NDArray[np.float64],
    area: NDArray[np.float64],
    sigmas: Sequence[float],
) -> NDArray[np.float64]:
    """Return the similarity of pairs of objects, the mean of exp(-distance^2 / (2 area (2 sigma)^2)), (P,), 0..1.

    The mean runs over the points that are labelled. Where none is, all count, with their distance to a box of three
    times the size around the object's own, which is 0 inside: the rule of pycocotools.

    Args:
        found: detected points (P, K, 2).
        true: true points (P, K, 3) as x, y, visibility.
        boxes: of the true objects, (P, 4) as x1, y1, x2, y2.
        area: of the true objects, (P,).
        sigmas: falloff of each point, K.
    """
    labelled = true[:, :, 2] > 0
    low, size = boxes[:, None, :2], np.maximum(boxes[:, 2:] - boxes[:, :2], 0)[:, None]
    outside = np.maximum(low - size - found, 0) + np.maximum(found - low - 2 * size, 0)
    counted = labelled | ~labelled.any(1, keepdims=True)
    offset = np.where(labelled[:, :, None], found - true[:, :, :2], outside)
    error = (offset**2).sum(2) / (2 * np.asarray(sigmas)) ** 2 / (area[:, None] + np.spacing(1)) / 2
    near = np.where(counted, np.exp(-error), 0).sum(1)
    return near / np.maximum(counted.sum(1), 1)
