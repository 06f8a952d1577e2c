"""The objects that a state holds, as arrays in the order of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from dltools.metrics.detection.state import Detections, IouType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Found(NamedTuple):
    """Detections, (n,) rows, ordered by image."""

    image: Ints
    label: Ints
    """Places of the classes."""
    score: Floats
    shapes: Any
    """Boxes (n, 4) as x1, y1, x2, y2, keypoints (n, K, 2), or a list of masks (`Runs`)."""


class Truth(NamedTuple):
    """True objects, (m,) rows, ordered by image."""

    image: Ints
    label: Ints
    """Places of the classes."""
    area: Floats
    crowd: NDArray[np.bool_]
    boxes: Floats
    """(m, 4) as x1, y1, x2, y2; (m, 0) beside masks."""
    shapes: Any
    """Boxes (m, 4), keypoints (m, K, 3), or a list of masks (`Runs`)."""


class Objects(NamedTuple):
    """The objects of all images, of which each counts once."""

    images: int
    classes: list[int]
    """Increasing class ids: all of them, or those that occur where their number is not known."""
    iou_type: IouType
    found: Found
    true: Truth


def read_objects(state: Detections) -> Objects:
    """Return the objects that a state holds, of images in the order of their ids.

    Raises:
        DataError: a value must not occur.
    """
    numbers = _array(state.images.read())
    places = _places(numbers[:, 0] > 0, _array(state.ids.read()).flatten())
    tables = {}
    for column, name in ((1, "found"), (2, "true")):
        for table in (name, f"{name}_points") if state.iou_type is IouType.keypoints else (name,):
            tables[table] = _array(getattr(state, table).read())
            state.check(table, tables[table], numbers[:, column].tolist())
    if state.num_classes is not None:
        classes = np.arange(state.num_classes)
    else:
        classes = np.union1d(tables["found"][:, 0], tables["true"][:, 0]).astype(np.int64)
    image, order = _ordered(places, numbers[:, 1])
    rows = tables["found"][order]
    shapes = _shapes(state, "found", tables, rows[:, 2:], order)
    found = Found(image, np.searchsorted(classes, rows[:, 0]), rows[:, 1], shapes)
    image, order = _ordered(places, numbers[:, 2])
    rows = tables["true"][order]
    shapes = _shapes(state, "true", tables, rows[:, 3:], order)
    true = Truth(image, np.searchsorted(classes, rows[:, 0]), rows[:, 1], rows[:, 2] > 0, rows[:, 3:], shapes)
    return Objects(int(places.max(initial=-1)) + 1, classes.tolist(), state.iou_type, found, true)


def _places(known: NDArray[np.bool_], ids: Ints) -> Ints:
    """Return the place of each image: by its id, then those without one. One that came before has place -1."""
    places = np.full(len(known), -1)
    _, first = np.unique(ids, return_index=True)
    places[np.flatnonzero(known)[first]] = np.arange(len(first))
    places[~known] = len(first) + np.arange(np.count_nonzero(~known))
    return places


def _ordered(places: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Return the image of each object that counts, and its row."""
    image = np.repeat(places, counts)
    order = np.argsort(image, kind="stable")
    order = order[np.count_nonzero(image < 0) :]
    return image[order], order


def _shapes(state: Detections, name: str, tables: dict[str, Floats], corners: Floats, order: Ints) -> Any:
    if state.iou_type is IouType.boxes:
        return corners
    if state.iou_type is IouType.masks:
        masks = getattr(state, f"{name}_masks").read()
        return [masks[row] for row in order]
    points, objects = tables[f"{name}_points"], len(tables[name])
    return points.reshape(objects, len(points) // max(objects, 1), points.shape[1])[order]


def _array(table: Tensor) -> NDArray[Any]:
    table = table.cpu()
    return (table.double() if table.is_floating_point() else table).numpy()
