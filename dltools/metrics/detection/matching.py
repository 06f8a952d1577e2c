"""Which detections find an object, at one threshold: the rule of COCO, for the counts that its curves do not tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dltools.metrics.detection.annotations import with_sizes
from dltools.metrics.detection.coco import Backend, mask_overlaps
from dltools.metrics.detection.objects import Found, Objects, Truth
from dltools.metrics.detection.oks import similarities
from dltools.metrics.detection.state import IouType

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAIRS = 1_000_000  # compared at once, which bounds the memory


class Matches(NamedTuple):
    """The detections that count, (n,), and how many objects there are to find."""

    label: NDArray[np.int64]
    """Place of the class, 0..C-1."""
    score: NDArray[np.float64]
    hit: NDArray[np.bool_]
    """Whether it finds an object."""
    true: NDArray[np.int64]
    """Number of true objects that count, (C,)."""


def match(objects: Objects, iou: float, limit: int, sigmas: Sequence[float], backend: Backend) -> Matches:
    """Give each detection, the best of an image and class first, the object that it overlaps most and none else has.

    A detection that finds nothing but a crowd, or an object without a labelled keypoint, does not count.

    Args:
        objects: of all images.
        iou: least overlap.
        limit: how many detections of a class count in an image, the best first.
        sigmas: falloff of each keypoint; none beside boxes and masks.
        backend: library that compares masks.
    """
    rows, ignored = _ranked(objects, limit), _ignored(objects)
    again = objects.true.crowd.tolist()
    finds, taken = [-1] * len(rows), [False] * len(ignored)
    for detection, row in _candidates(objects, rows, ignored, iou, sigmas, backend):
        if finds[detection] < 0 and (again[row] or not taken[row]):
            finds[detection], taken[row] = row, True
    found = np.array(finds, dtype=np.int64)
    counts = ~np.append(ignored, False)[found]  # -1, nothing, is the last
    return Matches(
        label=objects.found.label[rows[counts]],
        score=objects.found.score[rows[counts]],
        hit=found[counts] >= 0,
        true=np.bincount(objects.true.label[~ignored], minlength=len(objects.classes)),
    )


def _ranked(objects: Objects, limit: int) -> NDArray[np.int64]:
    """Return the rows of detections by image, class and score, `limit` at most of an image and class."""
    group = _groups(objects, objects.found)
    order = np.lexsort((-objects.found.score, group))
    group = group[order]
    return order[np.arange(len(group)) - np.searchsorted(group, group) < limit]


def _candidates(
    objects: Objects,
    rows: NDArray[np.int64],
    ignored: NDArray[np.bool_],
    iou: float,
    sigmas: Sequence[float],
    backend: Backend,
) -> Iterator[tuple[int, int]]:
    """Yield the place of a detection in `rows` and the row of an object that it overlaps, the preferred one first.

    Those that need not be found come last. Of objects that are overlapped alike pycocotools takes the last one.
    """
    group, held = _groups(objects, objects.found)[rows], _groups(objects, objects.true)
    order = np.argsort(held, kind="stable")
    start, stop = (np.searchsorted(held[order], group, side=side) for side in ("left", "right"))
    for part in np.array_split(np.arange(len(rows)), 1 + (stop - start).sum() // _PAIRS):
        counts = (stop - start)[part]
        detection = np.repeat(part, counts)
        row = order[np.arange(counts.sum()) + np.repeat(start[part] - (counts.cumsum() - counts), counts)]
        overlap = _overlaps(objects, rows[detection], row, group[detection], sigmas, backend)
        near = overlap >= min(iou, 1 - 1e-10)
        detection, row, overlap = detection[near], row[near], overlap[near]
        preferred = np.lexsort((-row, -overlap, ignored[row], detection))
        yield from zip(detection[preferred].tolist(), row[preferred].tolist(), strict=True)


def _groups(objects: Objects, part: Found | Truth) -> NDArray[np.int64]:
    """Return a number for the image and class of each object."""
    return part.image * len(objects.classes) + part.label


def _ignored(objects: Objects) -> NDArray[np.bool_]:
    """Return which objects need not be found."""
    if objects.iou_type is not IouType.keypoints:
        return objects.true.crowd
    return objects.true.crowd | ~(objects.true.shapes[:, :, 2] > 0).any(1)


def _overlaps(
    objects: Objects,
    found: NDArray[np.int64],
    true: NDArray[np.int64],
    group: NDArray[np.int64],
    sigmas: Sequence[float],
    backend: Backend,
) -> NDArray[np.float64]:
    """Return the overlap of each pair of rows, (P,); of a crowd the share of the detection that lies in it."""
    crowd = objects.true.crowd[true]
    if objects.iou_type is IouType.boxes:
        boxes = with_sizes(objects.found.shapes), with_sizes(objects.true.shapes)
        return _box_overlaps(boxes[0][found], boxes[1][true], crowd)
    if objects.iou_type is IouType.keypoints:
        pred, held = objects.found, objects.true
        return similarities(pred.shapes[found], held.shapes[true], held.boxes[true], held.area[true], sigmas)
    ends = np.flatnonzero(np.diff(group, append=-1)) + 1
    parts = [_mask_overlaps(objects, found[one:end], true[one:end], backend) for one, end in pairwise([0, *ends])]
    return np.concatenate([np.zeros(0), *parts])


def _mask_overlaps(
    objects: Objects, found: NDArray[np.int64], true: NDArray[np.int64], backend: Backend
) -> NDArray[np.float64]:
    """Return the overlap of all pairs of rows of an image and class, detection by detection."""
    pred, held = (list(dict.fromkeys(rows.tolist())) for rows in (found, true))
    masks = [objects.found.shapes[row] for row in pred], [objects.true.shapes[row] for row in held]
    return mask_overlaps(*masks, objects.true.crowd[held], backend).flatten()


def _box_overlaps(
    found: NDArray[np.float64], true: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the intersection over union of boxes x, y, width, height, as pycocotools rounds it."""
    low, high = np.maximum(found[:, :2], true[:, :2]), np.minimum(*(b[:, 2:] + b[:, :2] for b in (found, true)))
    common = np.maximum(high - low, 0).prod(1)
    sizes = found[:, 2] * found[:, 3], true[:, 2] * true[:, 3]
    union = np.where(crowd, sizes[0], sizes[0] + sizes[1] - common)
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)
