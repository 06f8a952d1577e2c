"""What the rows of a manifest say of each image."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dltools.cfgutils import DataError
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.base import SPLITS
from dltools.data.faults import BoxError, UnknownClassError
from dltools.data.numbering import numbered
from dltools.data.tables import Table

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
"""A cell that is a number; one with zeros before it, such as 007, is a name."""


@dataclass(slots=True)
class Item:
    """An image of a manifest, with the text of its rows."""

    line: int
    """First line of the table that names it."""
    path: str
    mask: str = ""
    split: str = "train"
    labels: list[tuple[int, str]] = field(default_factory=list)
    """Line and label of the image, or of each box."""
    boxes: list[list[float]] = field(default_factory=list)
    """x1, y1, x2, y2 of each box, in pixels."""


def find_columns(table: Table, wanted: dict[str, list[str]], defaults: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the columns of each field that are in the table; none of those it does without.

    Args:
        table: the manifest.
        wanted: columns of path_column, label_column, mask_column, split_column and box_columns.
        defaults: the same as they are unless the user says otherwise; these may be absent.

    Raises:
        DataError: the column of paths, one that the user chose, one of a box, or all that tell a target are absent.
    """
    found = {}
    for name, columns in wanted.items():
        absent = [column for column in columns if table.header.count(column) != 1]
        needed = name == "path_column" or columns != defaults[name] or bool(set(columns) & set(table.header))
        if absent and needed:
            raise DataError(
                f"{table.place(1)}: there must be one column {absent[0]!r}, data.{name}; the header is "
                f"{', '.join(table.header) or 'empty'}.{did_you_mean(absent[0], table.header)}"
            )
        found[name] = [] if absent else columns
    if found["box_columns"] and not found["label_column"]:
        raise DataError(f"{table.place(1)}: boxes need a column of labels; name it by data.label_column.")
    if not any(found[name] for name in ("label_column", "mask_column", "box_columns")):
        raise DataError(
            f"{table.place(1)}: there is no column of labels, masks or boxes; the header is {', '.join(table.header)}. "
            "Name them by data.label_column, data.mask_column or data.box_columns."
        )
    return found


def read_items(table: Table, columns: dict[str, list[str]]) -> list[Item]:
    """Return the images of a manifest in the order of their first rows.

    Raises:
        DataError: a row has no path, an unknown split, half a box, or contradicts another row; names file and line.
    """
    path_at, label_at, mask_at, split_at, box_at = _places(columns)
    items: dict[str, Item] = {}
    for line, cells in table.rows([column for group in columns.values() for column in group]):
        cells.append("")  # what a column that is not there holds, at place -1
        place = table.place(line)
        path, label, mask = cells[path_at], cells[label_at], cells[mask_at]
        split = cells[split_at] if columns["split_column"] else "train"
        if split not in SPLITS:
            raise DataError(
                f"{place}: split {split!r} must be one of {', '.join(SPLITS)}.{did_you_mean(split, SPLITS)}"
            )
        for name, value in (("path", path), ("mask", mask)):
            if columns[f"{name}_column"] and not value:
                raise DataError(f"{place}: the {name} is empty; expected a file.")
        item = items.setdefault(path, Item(line, path, mask, split))
        if (item.mask, item.split) != (mask, split):
            raise DataError(
                f"{place}: {path} has mask {mask!r} and split {split!r} here, but {item.mask!r} and {item.split!r} in "
                f"{table.place(item.line)}; the rows of an image must agree."
            )
        if columns["box_columns"]:
            _add_box(item, line, cells[box_at : box_at + 4], label, place)
        elif item.line != line:
            raise DataError(f"{place}: {path} stands in {table.place(item.line)} already; expected one row an image.")
        elif columns["label_column"]:
            if not label:
                raise DataError(f"{place}: the label is empty; expected the name or the id of a class.")
            item.labels.append((line, label))
    if not items:
        raise DataError(f"{table.path} has no rows; expected one for each image.")
    return list(items.values())


def names_in(items: Iterable[Item], table: Table) -> list[str]:
    """Return the sorted labels of items, or if all are numbers, the numbers from 0 to the largest.

    Raises:
        DataError: the largest number is none of a class.
    """
    found = {label: line for item in items for line, label in item.labels}
    if not all(_is_number(label) for label in found):
        return sorted(found)
    largest = max(found, key=int, default="")
    return numbered(int(largest), table.place(found[largest])) if found else []


def numbers_of(items: Iterable[Item], class_names: list[str], table: Table) -> list[list[int]]:
    """Return the label ids of each item: the place of a name, or else the number that it is.

    Raises:
        DataError: a label is neither a name nor the number of one; names file and line.
    """
    known = {name: place for place, name in enumerate(class_names)}
    known = {**{str(place): place for place in known.values()}, **known}
    numbers = []
    for item in items:
        for line, label in item.labels:
            if label not in known:
                listed = ", ".join(class_names[:12]) + (", ..." if len(class_names) > 12 else "")
                raise UnknownClassError(
                    f"{table.place(line)}: label {label!r} is no class; classes are {listed}, or 0 to "
                    f"{len(class_names) - 1}.{did_you_mean(label, class_names)}"
                )
        numbers.append([known[label] for _, label in item.labels])
    return numbers


def _is_number(label: str) -> bool:
    """Tell whether a label counts: 7, but not 007, which is a name."""
    return label.isascii() and label.isdigit() and len(label) < 20 and str(int(label)) == label


def cells_of(table: Table, path_column: str, column: str, paths: list[str]) -> list[Any]:
    """Return the cell of each image in a column: numbers where all are such, else text.

    Raises:
        DataError: the rows of an image differ in it; names file and line.
    """
    cells: dict[str, str] = {}
    for line, (path, cell) in table.rows([path_column, column]):
        if cells.setdefault(path, cell) != cell:
            raise DataError(
                f"{table.place(line)}: {path} has {column} {cell!r} here, but {cells[path]!r} before; the rows of an "
                "image must agree in a column that tells something of the image."
            )
    kind = float if all(map(NUMBER.fullmatch, cells.values())) else str
    return [kind(cells[path]) for path in paths]


def _places(columns: dict[str, list[str]]) -> list[int]:
    """Return where the columns of each field begin in a row; -1 for those that are not there."""
    places, begin = [], 0
    for group in columns.values():
        places.append(begin if group else -1)
        begin += len(group)
    return places


def _add_box(item: Item, line: int, corners: list[str], label: str, place: str) -> None:
    """Add the box of a row to its image; a row without one tells of an image without objects."""
    if not any(corners) and not label:
        return
    try:
        x1, y1, x2, y2 = box = [float(value) for value in corners]
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    if not (label and x1 < x2 < math.inf and y1 < y2 < math.inf and x1 > -math.inf and y1 > -math.inf):
        raise BoxError(
            f"{place}: box {', '.join(corners)} of {label!r}; expected left < right, top < bottom and a label, or all "
            "five empty for an image without objects."
        )
    item.boxes.append(box)
    item.labels.append((line, label))
