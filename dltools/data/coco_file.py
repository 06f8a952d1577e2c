"""Annotation files of COCO, read into arrays."""

from __future__ import annotations

import json
import logging
import reprlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.data.faults import UndecodableError
from dltools.data.files import missing
from dltools.data.outlines import OutlineError, Outlines

logger = logging.getLogger(__name__)

Row = dict[str, Any]

SECTIONS = {"images": "image", "annotations": "annotation", "categories": "category"}


@dataclass(frozen=True, eq=False, repr=False)
class CocoFile:
    """What an annotation file says of I images and N objects, which stand in the order of their images."""

    path: Path
    category_names: list[str]
    """Names of the categories, in the order of the file."""
    keypoint_names: list[str]
    """Names of the K keypoints of those categories that have some."""
    image_ids: NDArray[np.int64]
    """(I,) what the file calls the images."""
    file_names: list[str]
    """Of the I images."""
    sizes: NDArray[np.int64]
    """(I, 2) width and height of the images."""
    ids: NDArray[np.int64]
    """(N,) what the file calls the objects."""
    images: NDArray[np.int64]
    """(N,) place of an object's image."""
    labels: NDArray[np.int64]
    """(N,) place of an object's category."""
    boxes: NDArray[np.float32]
    """(N, 4) as x1, y1, x2, y2 in pixels."""
    area: NDArray[np.float32]
    """(N,) in square pixels; of the box where the file does not say."""
    iscrowd: NDArray[np.bool_]
    """(N,) objects that stand for many."""
    keypoints: NDArray[np.float32]
    """(N, K, 3) as x, y in pixels and visibility."""
    outlines: Outlines | None
    """Of the objects, if they were asked for."""

    def object(self, row: int) -> str:
        """Return the words that name an object."""
        return f"{self.path}: annotation {self.ids[row]} of image {self.image_ids[self.images[row]]}"


def read_coco(path: Path, outlines: bool) -> CocoFile:
    """Return what an annotation file says; it is read once by each process, unless it changes.

    Args:
        path: of the JSON file.
        outlines: read the `segmentation` of the objects.

    Raises:
        DataError: the file is missing, cut short or no annotation file; or a row is wrong: names its id.
    """
    if not path.is_file():
        raise missing(path, f"the annotation file {path.name}")
    status = path.stat()
    return _read(path, outlines, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, outlines: bool, time: int, size: int) -> CocoFile:
    images, annotations, categories = _sections(path)
    image_ids = _ids(path, "images", images)
    file_names = _column(path, "images", images, "file_name", _is_text, "a file name")
    sizes = [
        _column(path, "images", images, side, lambda value: type(value) is int and value > 0, "an integer above 0")
        for side in ("width", "height")
    ]
    category_ids, ids = _ids(path, "categories", categories), _ids(path, "annotations", annotations)
    places = {name: place for place, name in enumerate(image_ids)}
    labels = {name: place for place, name in enumerate(category_ids)}
    at = _column(path, "annotations", annotations, "image_id", _is_in(places), "the id of an image of the file")
    what = "the id of a category of the file, which are " + reprlib.repr(category_ids)
    of = _column(path, "annotations", annotations, "category_id", _is_in(labels), what)
    boxes = _column(path, "annotations", annotations, "bbox", _is_box, "four finite numbers x, y, width, height")
    area = _column(path, "annotations", annotations, "area", _is_area, "a number of at least 0, or be left out", None)
    crowd = _column(path, "annotations", annotations, "iscrowd", lambda value: value in (0, 1), "0 or 1", 0)
    keypoint_names = _keypoint_names(path, categories)
    keypoints = _keypoints(path, annotations, len(keypoint_names))

    own = np.array([places[name] for name in at], np.int64)
    order = np.argsort(own, kind="stable")
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    sides = corners[:, 2:].copy()
    corners[:, 2:] += corners[:, :2]
    measured = np.array([np.nan if value is None else value for value in area], np.float64)
    try:
        shapes = Outlines(annotations[row].get("segmentation") for row in order) if outlines else None
    except OutlineError as error:
        row = order[error.row]
        raise DataError(f"{path}: annotation {ids[row]}: segmentation: {error.reason}.") from error
    return CocoFile(
        path=path,
        category_names=_names(path, categories),
        keypoint_names=keypoint_names,
        image_ids=np.array(image_ids, np.int64),
        file_names=file_names,
        sizes=np.array(sizes, np.int64).T,
        ids=np.array(ids, np.int64)[order],
        images=own[order],
        labels=np.array([labels[name] for name in of], np.int64)[order],
        boxes=corners[order].astype(np.float32),
        area=np.where(np.isnan(measured), sides.prod(1), measured)[order].astype(np.float32),
        iscrowd=np.array(crowd, np.bool_)[order],
        keypoints=keypoints[order],
        outlines=shapes,
    )


def _sections(path: Path) -> list[list[Row]]:
    """Return the lists of images, annotations and categories; the latter two may be absent where all is background."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UndecodableError(f"{path} is no whole JSON file ({error}). Copy the file again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    needed = SECTIONS if isinstance(content, dict) and content.get("annotations") else ("images",)
    for name in needed:
        if not isinstance(content, dict) or name not in content:
            held = ", ".join(content) if isinstance(content, dict) else f"a {type(content).__name__}"
            raise DataError(
                f"{path} has no {name!r}; a COCO file is a dict of {', '.join(SECTIONS)}. It holds {held or 'nothing'}."
            )
    sections = {name: content.get(name, []) for name in SECTIONS}
    for name, rows in sections.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{path}: {name} must be a list of dicts.")
    if sections["annotations"] and not sections["categories"]:
        raise DataError(f"{path}: categories must not be empty; they are the classes.")
    if "annotations" not in content:
        logger.warning("%s has no annotations; its images count as images without objects.", path)
    return list(sections.values())


def _ids(path: Path, section: str, rows: list[Row]) -> list[int]:
    """Return the ids of a section, none of which comes twice."""
    ids = _column(path, section, rows, "id", _is_id, "an integer")
    if len(set(ids)) < len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise DataError(f"{path}: {SECTIONS[section]} id {twice} comes more than once; ids of {section} must differ.")
    return ids


_REQUIRED = object()


def _column(
    path: Path,
    section: str,
    rows: list[Row],
    key: str,
    is_right: Callable[[Any], bool],
    expected: str,
    default: Any = _REQUIRED,
) -> list[Any]:
    """Return the values of a key, all of which are right."""
    values = [row.get(key, default) for row in rows]
    for place, value in enumerate(values):
        if value is _REQUIRED or (value is not default and not is_right(value)):
            name = rows[place].get("id", f"at place {place}") if key != "id" else f"at place {place}"
            got = "it is missing" if value is _REQUIRED else f"got {reprlib.repr(value)}"
            raise DataError(f"{path}: {SECTIONS[section]} {name}: {key} must be {expected}; {got}.")
    return values


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_id(value: Any) -> bool:
    return type(value) is int and abs(value) < 1 << 63


def _is_in(known: dict[int, int]) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value in known


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e30


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


def _is_area(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _names(path: Path, categories: list[Row]) -> list[str]:
    names = _column(path, "categories", categories, "name", _is_text, "a name")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise DataError(f"{path}: two categories have the name {twice[0]!r}; names must differ.")
    return names


def _keypoint_names(path: Path, categories: list[Row]) -> list[str]:
    """Return the names that all categories with keypoints have."""
    found: list[str] = []
    for row in categories:
        names = row.get("keypoints") or []
        if not isinstance(names, list) or not all(map(_is_text, names)):
            raise DataError(f"{path}: category {row['id']}: keypoints must be a list of names.")
        if names and found and names != found:
            raise DataError(f"{path}: category {row['id']}: keypoints must be those of the other categories, {found}.")
        found = names or found
    return found


def _keypoints(path: Path, annotations: list[Row], count: int) -> NDArray[np.float32]:
    """Return the keypoints (N, K, 3) of the objects; those of objects without any are absent."""
    points = np.zeros((len(annotations), count, 3), np.float32)
    if count:
        expected = f"{3 * count} finite numbers: x, y and visibility of {count} keypoints"

        def is_right(value: Any) -> bool:
            return isinstance(value, list) and len(value) == 3 * count and all(map(_is_number, value))

        given = _column(path, "annotations", annotations, "keypoints", is_right, expected, None)
        for row, numbers in enumerate(given):
            if numbers is not None:
                points[row] = np.reshape(numbers, (count, 3))
        points[points[..., 2] <= 0] = 0
    return points
