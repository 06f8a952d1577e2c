"""Objects of a sample: their boxes, and the rows of labels, keypoints, areas and crowds that belong to them.

Coordinates are those of the edges of pixels: pixel 0 reaches from 0 to 1, and a mask's box from its first pixel to the
one after its last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltools.augs.base import PER_OBJECT, Sample

Objects = dict[str, NDArray[Any]]
"""Of `boxes`, `labels`, `keypoints`, `area` and `iscrowd` those that a sample has, with a row for each object."""

OBJECTS = ("boxes", *PER_OBJECT)
"""Keys of objects in a sample."""


class Window(NamedTuple):
    """A rectangle of whole pixels."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y1, self.y2), slice(self.x1, self.x2)


class Region(NamedTuple):
    """The pixels of one object."""

    place: tuple[slice, slice]
    """Rows and columns around it."""
    inside: NDArray[np.bool_]
    """Which pixels there are of it."""


def objects_of(sample: Sample) -> Objects:
    """Return the objects of a sample."""
    return {key: sample[key] for key in OBJECTS if key in sample}


def chosen(objects: Objects, rows: NDArray[Any]) -> Objects:
    """Return the objects of some rows, given by number or as booleans."""
    return {key: values[rows] for key, values in objects.items()}


def joined(parts: list[Objects]) -> Objects:
    """Return the objects of several parts, one after the other."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def scaled(objects: Objects, across: float, down: float) -> Objects:
    """Return objects scaled about the corner of the image."""
    return _moved(objects, np.array([across, down]), np.zeros(2))


def shifted(objects: Objects, x: float, y: float) -> Objects:
    """Return objects shifted by x and y."""
    return _moved(objects, np.ones(2), np.array([x, y]))


def within(objects: Objects, window: Window, min_visibility: float) -> Objects:
    """Return objects cut to a rectangle: boxes at its border, areas by the share that is left.

    Keypoints outside are absent. An object of which less than `min_visibility` is left, or a side below a pixel,
    leaves.
    """
    x1, y1, x2, y2 = window
    result = dict(objects)
    if "keypoints" in objects:
        x, y, _ = np.moveaxis(objects["keypoints"], -1, 0)
        result["keypoints"] = _without(objects["keypoints"], ~((x >= x1) & (x < x2) & (y >= y1) & (y < y2)))
    if "boxes" not in objects:
        return result
    boxes = objects["boxes"].clip([x1, y1, x1, y1], [x2, y2, x2, y2]).astype(np.float32)
    share = _sizes(boxes) / np.maximum(_sizes(objects["boxes"]), np.finfo(np.float32).tiny)
    return _left({**result, "boxes": boxes}, share, min_visibility)


def uncovered(objects: Objects, hidden: NDArray[np.bool_], mask: NDArray[Any] | None, min_visibility: float) -> Objects:
    """Return what is left to see of objects when pixels are covered.

    The sides of a box move as those of its visible pixels do, and its area shrinks by their share. Keypoints that are
    covered are absent. An object of which less than `min_visibility` is left, or a side below a pixel, leaves.

    Args:
        objects: of the image.
        hidden: (H, W), which pixels are covered.
        mask: (H, W) class ids before anything was covered, or None, with which objects fill their boxes.
        min_visibility: least share of an object's pixels.
    """
    result = dict(objects)
    if "keypoints" in objects:
        result["keypoints"] = _without(objects["keypoints"], _is_at(objects["keypoints"], hidden))
    if "boxes" not in objects:
        return result
    boxes, share = objects["boxes"].astype(np.float32), np.ones(len(objects["boxes"]), np.float32)
    for row, region in enumerate(regions_of(objects, mask, hidden.shape)):
        inside = region.inside if region.inside.any() else np.ones_like(region.inside)
        visible = inside & ~hidden[region.place]
        share[row] = visible.sum() / inside.sum()
        if 0 < share[row] < 1:
            boxes[row] += _tight(visible) - _tight(inside)
    return _left({**result, "boxes": boxes}, share, min_visibility)


def regions_of(objects: Objects, mask: NDArray[Any] | None, shape: tuple[int, ...]) -> list[Region]:
    """Return the pixels of each object: of its class, label + 1, in its box, or without a mask its whole box.

    Args:
        objects: with `boxes`, and `labels` if there is a mask.
        mask: (H, W) class ids, or None.
        shape: height and width of the image.
    """
    if mask is None:
        places = [_pixels_of(box, shape) for box in np.rint(objects["boxes"])]
        return [Region(place, np.broadcast_to(True, shape)[place]) for place in places]
    outer = np.concatenate([np.floor(objects["boxes"][:, :2]), np.ceil(objects["boxes"][:, 2:])], 1)
    places = [_pixels_of(box, shape) for box in outer]
    pairs = zip(places, objects["labels"], strict=True)
    return [Region(place, mask[place] == label + 1) for place, label in pairs]


def _moved(objects: Objects, factor: NDArray[np.float64], offset: NDArray[np.float64]) -> Objects:
    result = dict(objects)
    if "boxes" in objects:
        result["boxes"] = (objects["boxes"] * np.tile(factor, 2) + np.tile(offset, 2)).astype(np.float32)
    if "keypoints" in objects:
        keypoints = objects["keypoints"].astype(np.float32)
        present = keypoints[..., 2] > 0
        keypoints[present, :2] = keypoints[present, :2] * factor + offset
        result["keypoints"] = keypoints
    if "area" in objects:
        result["area"] = (objects["area"] * factor.prod()).astype(np.float32)
    return result


def _left(objects: Objects, share: NDArray[np.float32], min_visibility: float) -> Objects:
    """Return the objects of which enough is left, with their areas cut by the share that is."""
    if "area" in objects:
        objects = {**objects, "area": (objects["area"] * share).astype(np.float32)}
    sides = objects["boxes"][:, 2:] - objects["boxes"][:, :2]
    return chosen(objects, (share > 0) & (share >= min_visibility) & (sides >= 1).all(1))


def _sizes(boxes: NDArray[Any]) -> NDArray[Any]:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _without(keypoints: NDArray[Any], gone: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return keypoints of which some are absent: all 0."""
    return np.where(gone[..., None], 0, keypoints).astype(np.float32)


def _is_at(keypoints: NDArray[Any], marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which keypoints lie on marked pixels."""
    present = keypoints[..., 2] > 0
    x, y = np.moveaxis(np.where(present[..., None], keypoints[..., :2], 0).astype(np.int64), -1, 0)
    height, width = marked.shape
    return present & marked[y.clip(0, height - 1), x.clip(0, width - 1)]


def _pixels_of(box: NDArray[Any], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns in a box of whole pixels, one at least."""
    height, width = shape[:2]
    x1, y1, x2, y2 = box.astype(np.int64).tolist()
    x1, y1 = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    return slice(y1, min(max(y2, y1 + 1), height)), slice(x1, min(max(x2, x1 + 1), width))


def _tight(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the box around the pixels that are True; there must be one."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
