"""Annotation files of Pascal VOC."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.faults import UndecodableError, UnknownClassError

CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, eq=False)
class VocObjects:
    """The N objects of an image."""

    size: tuple[int, int] | None
    """Width and height of the image, if the file tells."""
    boxes: NDArray[np.float32]
    """(N, 4) as x1, y1, x2, y2 in pixels counted from 0."""
    labels: NDArray[np.int64]
    """(N,) places of their names."""
    difficult: NDArray[np.bool_]
    """(N,) objects that need not be found."""


def read_xml(path: Path, class_names: list[str]) -> VocObjects:
    """Return the objects of an annotation file.

    Raises:
        DataError: the file is missing, no whole XML, or has a DOCTYPE, which may hold entities; or an object is wrong:
            names its place.
    """
    root = _parsed(path)
    boxes, labels, difficult = [], [], []
    for place, item in enumerate(root.findall("object")):
        source = f"{path}: object {place}"
        name = (item.findtext("name") or "").strip()
        if name not in class_names:
            raise UnknownClassError(
                f"{source}: name {name!r} is not in data.class_names, {', '.join(class_names)}."
                f"{did_you_mean(name, class_names)}"
            )
        labels.append(class_names.index(name))
        x1, y1, x2, y2 = (_number(item, f"bndbox/{corner}", source) for corner in CORNERS)
        boxes.append((x1 - 1, y1 - 1, x2, y2))
        difficult.append(item.find("difficult") is not None and _number(item, "difficult", source) != 0)
    size = None
    if root.find("size") is not None:
        width, height = (_number(root, f"size/{side}", str(path)) for side in ("width", "height"))
        size = int(width), int(height)
    return VocObjects(
        size=size,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        difficult=np.array(difficult, np.bool_),
    )


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Refuses the declaration in which entities would stand, before it is read."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE, which no annotation needs and which may hold entities")


def _parsed(path: Path) -> ElementTree.Element:
    try:
        parser = ElementTree.XMLParser(target=_WithoutDoctype())
        return ElementTree.fromstring(path.read_bytes(), parser)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; each image must have one.") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UndecodableError(f"{path} is no whole XML of annotations: {error}.") from error


def _number(item: ElementTree.Element, key: str, source: str) -> float:
    text = item.findtext(key)
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        got = "it is missing" if text is None else f"got {text.strip()[:40]!r}"
        raise DataError(f"{source}: {key} must be a number; {got}.")
    return number
