"""Label files of YOLO: a line of shares of the image for each object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.data.faults import BoxError, UnknownClassError

SLACK = 0.01
"""How far beyond 0..1 a share may lie, as tools that write these files round and cut badly."""
VISIBLE = 2


@dataclass(frozen=True, eq=False)
class YoloLabels:
    """The N objects of an image, in shares of its width and height."""

    labels: NDArray[np.int64]
    """(N,) class ids."""
    boxes: NDArray[np.float64]
    """(N, 4) as x1, y1, x2, y2."""
    outlines: list[NDArray[np.float64] | None]
    """Of each object the corners (n, 2), or None for a mere box."""
    keypoints: NDArray[np.float64]
    """(N, K, 3) as x, y and visibility; absent ones are all 0."""


def read_labels(path: Path, num_classes: int, kpt_shape: tuple[int, int] | None = None) -> YoloLabels:
    """Return the objects of a label file; none if there is no such file.

    A line is `class cx cy width height`, or `class x1 y1 x2 y2 x3 y3 ...` for an outline. With `kpt_shape`, K and 2 or
    3, it is `class cx cy width height` and x, y and maybe the visibility of K keypoints; without visibility a keypoint
    is visible, unless it is at 0, 0 or at less.

    Raises:
        DataError: a line is wrong: names file and line.
    """
    labels, boxes, outlines, keypoints = [], [], [], []
    for number, numbers in _lines(path):
        place = f"{path}:{number}"
        label = numbers[0]
        if label != math.floor(label) or not 0 <= label < num_classes:
            raise UnknownClassError(
                f"{place}: class {label:g} must be in 0..{num_classes - 1}, the {num_classes} names."
            )
        labels.append(int(label))
        _check_length(place, len(numbers), kpt_shape)
        is_outline = kpt_shape is None and len(numbers) > 5
        corners = np.reshape(numbers[1:], (-1, 2)) if is_outline else None
        boxes.append(_box(place, numbers[1:5] if corners is None else corners))
        outlines.append(corners)
        if kpt_shape is not None:
            keypoints.append(_keypoints(place, numbers[5:], kpt_shape))
    return YoloLabels(
        labels=np.array(labels, np.int64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        outlines=outlines,
        keypoints=np.array(keypoints, np.float64).reshape(len(labels), kpt_shape[0] if kpt_shape else 0, 3),
    )


def _lines(path: Path) -> list[tuple[int, list[float]]]:
    """Return the numbers of each line that is not empty, with its number."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}; a line holds numbers with spaces between them.") from error
        if not all(map(math.isfinite, numbers)):
            raise DataError(f"{path}:{number}: all numbers must be finite, got {line.strip()[:60]!r}.")
        if numbers:
            rows.append((number, numbers))
    return rows


def _check_length(place: str, count: int, kpt_shape: tuple[int, int] | None) -> None:
    if kpt_shape is not None:
        expected = 5 + kpt_shape[0] * kpt_shape[1]
        if count != expected:
            raise DataError(
                f"{place} has {count} numbers; expected {expected}: class, box and kpt_shape = {list(kpt_shape)}."
            )
    elif count != 5 and (count < 7 or count % 2 == 0):
        raise DataError(
            f"{place} has {count} numbers; expected `class cx cy width height`, or the class and x, y of at least "
            "3 corners."
        )


def _box(place: str, shares: list[float] | NDArray[np.float64]) -> list[float]:
    """Return x1, y1, x2, y2 of centre, width and height, or of corners."""
    values = np.asarray(shares)
    wrong = values[(values < -SLACK) | (values > 1 + SLACK)]
    if wrong.size:
        raise BoxError(
            f"{place}: {wrong[0]:g} must be in 0..1; coordinates are shares of the image's width and height."
        )
    if values.ndim == 2:
        left, top, right, bottom = np.append(values.min(0), values.max(0)).tolist()
    else:
        x, y, width, height = values.tolist()
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if not (min(right, 1) > max(left, 0) and min(bottom, 1) > max(top, 0)):
        raise BoxError(f"{place}: the object covers nothing of the image; width and height must be above 0.")
    return [left, top, right, bottom]


def _keypoints(place: str, numbers: list[float], kpt_shape: tuple[int, int]) -> NDArray[np.float64]:
    points = np.zeros((kpt_shape[0], 3))
    points[:, : kpt_shape[1]] = np.reshape(numbers, kpt_shape)
    if kpt_shape[1] == 2:
        points[:, 2] = VISIBLE * (points > 0).any(1)
    points[points[:, 2] <= 0] = 0
    return points
