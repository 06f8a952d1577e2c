"""Images, labels, masks and boxes that a table lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, NonNegativeInt, component
from dltools.data.base import SPLITS, Sample, Split
from dltools.data.cutting import check_fractions, cut_from_train
from dltools.data.faults import MissingError
from dltools.data.files import stamp
from dltools.data.image_files import ImageFiles
from dltools.data.manifest_rows import Item, cells_of, find_columns, names_in, numbers_of, read_items
from dltools.data.masks import IndexMasks
from dltools.data.paths import inside
from dltools.data.tables import Table

COLUMNS = {
    "path_column": ["path"],
    "label_column": ["label"],
    "mask_column": ["mask"],
    "split_column": ["split"],
    "box_columns": ["x1", "y1", "x2", "y2"],
}
"""Columns that count unless a field says otherwise; all but the first may be absent."""
SAMPLE_KEYS = ("image", "index", "label", "mask", "boxes", "labels")
"""What is never a mere column of the table."""


@component("data", "manifest")
class Manifest(ImageFiles):
    """A CSV or Parquet table with a row for each image, or for each box of an image.

    What a sample has follows from the columns: `label` from a column of names or ids; `mask` (H, W) uint8 from a
    column of files of class ids; `boxes` (N, 4) and `labels` (N,) from four columns of pixels and that of the labels.
    A row of an image without objects has these five empty. Rows of one image agree in mask and split.
    Where the table names no rows of val or of test, they are cut from those of train, all of them without a column.
    """

    root: str
    """Folder that the paths in the table are relative to."""
    table: str = "manifest.csv"
    """The table, relative to root unless absolute: .parquet, or else CSV in UTF-8 with a header."""
    class_names: list[str] = dataclasses.field(default_factory=list)
    """Names of the classes; empty takes the sorted labels of the training rows, or numbers where all are numbers."""
    mask_classes: list[str] = dataclasses.field(default_factory=list)
    """Names of the ids in the masks, in order; empty takes background and class_names."""
    path_column: str = "path"
    """Column of the images."""
    label_column: str = "label"
    """Column of the class names or ids."""
    mask_column: str = "mask"
    """Column of the masks."""
    split_column: str = "split"
    """Column of train, val or test."""
    box_columns: list[str] = dataclasses.field(default_factory=lambda: ["x1", "y1", "x2", "y2"])
    """Columns of left, top, right and bottom of a box, in pixels."""
    delimiter: str = ","
    """What stands between the cells of a CSV file."""
    val_fraction: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    """Share of each class of the training rows that goes to the validation split, where the table names none."""
    test_fraction: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    """Share of each class of the training rows that goes to the test split, where the table names none."""
    seed: NonNegativeInt = 0
    """Decides which images are cut from the training rows."""
    outside: bool = False
    """Allow paths that lead out of root."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise FieldError("delimiter", f"must be one character, got {self.delimiter!r}")
        if len(self.box_columns) != 4:
            raise FieldError("box_columns", f"must be left, top, right and bottom, got {self.box_columns}")
        check_fractions(self.val_fraction, self.test_fraction)
        self._table = Table(Path(self.root, self.table), self.delimiter)
        chosen = {name: getattr(self, name) for name in COLUMNS}
        wanted = {name: [value] if isinstance(value, str) else list(value) for name, value in chosen.items()}
        self._columns = find_columns(self._table, wanted, COLUMNS)
        self._items = read_items(self._table, self._columns)
        self._name_classes()
        self._numbers = numbers_of(self._items, self.class_names, self._table)

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask, in order."""
        return self.mask_classes or ["background", *self.class_names]

    def _name_classes(self) -> None:
        if not self._columns["mask_column"]:
            for name in ("mask_classes", "distance_maps"):
                if getattr(self, name):
                    raise FieldError(name, f"has no use: {self._table.path} has no column of masks")
        if not self.class_names:
            self.class_names = names_in((item for item in self._items if item.split == "train"), self._table)
        if not self.class_names:
            self.class_names = self.mask_classes
        if not self.class_names:
            raise FieldError("class_names", f"must not be empty: the training rows of {self._table.path} have no label")

    def _split(self, name: str) -> Split:
        places = self._parts()[name]
        if not len(places):
            raise MissingError(
                f"{self._table.path} has no image of split {name!r}; name some in column {self.split_column!r}, or "
                "raise data.val_fraction or data.test_fraction to cut them from the training rows."
            )
        return ManifestSplit(self, [self._items[at] for at in places], [self._numbers[at] for at in places])

    def _parts(self) -> dict[str, NDArray[np.int64]]:
        """Return the positions of the items of each split."""
        names = np.array([item.split for item in self._items])
        parts = {name: np.flatnonzero(names == name) for name in SPLITS}
        one_label = self._columns["label_column"] and not self._columns["box_columns"]
        strata = np.array([self._numbers[at][0] if one_label else 0 for at in parts["train"]], np.int64)
        return cut_from_train(parts, strata, {"val": self.val_fraction, "test": self.test_fraction}, self.seed)

    def _content(self) -> Iterable[bytes]:
        yield stamp(self._table.path)
        for item in self._items:
            for path in filter(None, (item.path, item.mask)):
                place = self._table.place(item.line)
                file = inside(self.root, path, place, self.outside)
                if not file.is_file():
                    raise DataError(f"{place}: there is no file '{file}'.")
                yield stamp(file)


class ManifestSplit(Split):
    """Images of one split of a manifest, read when they are asked for.

    Args:
        data: the manifest, of which the split keeps the settings.
        items: what the table says of each image.
        numbers: label ids of each item: one of the image, or one of each box.
    """

    def __init__(self, data: Manifest, items: list[Item], numbers: list[list[int]]) -> None:
        self.items = items
        self.numbers = numbers
        self.table = data._table
        self.columns = data._columns
        self.root = data.root
        self.outside = data.outside
        self.read = data.read
        self.masks = IndexMasks(data.mask_names, data.max_pixels)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        item = self.items[index]
        place = self.table.place(item.line)
        path = inside(self.root, item.path, place, self.outside)
        try:
            image = self.read(path)
            sample: Sample = {"image": image, "index": index}
            if item.mask:
                mask = inside(self.root, item.mask, place, self.outside)
                sample["mask"] = self.masks.read(mask, image.shape[:2], f"{path} (sample {index})")
        except DataError as error:
            raise DataError(f"{error} So says {place}.") from error
        if self.columns["box_columns"]:
            sample["boxes"] = _stacked(item.boxes)
            sample["labels"] = np.array(self.numbers[index], np.int64)
        elif self.columns["label_column"]:
            sample["label"] = self.numbers[index][0]
        return sample

    def origin(self, index: int) -> str:
        """Return the path of an image."""
        return str(Path(self.root, self.items[index].path))

    def column(self, key: str) -> list[Any] | None:
        """Return the labels or boxes, or the cells of another column of the table."""
        if key == "boxes" and self.columns["box_columns"]:
            return [_stacked(item.boxes) for item in self.items]
        if key == "labels" and self.columns["box_columns"]:
            return [np.array(numbers, np.int64) for numbers in self.numbers]
        if key == "label" and self.columns["label_column"] and not self.columns["box_columns"]:
            return [numbers[0] for numbers in self.numbers]
        if key in SAMPLE_KEYS or key not in self.table.header:
            return None
        return cells_of(self.table, self.columns["path_column"][0], key, [item.path for item in self.items])

    def num_objects(self, index: int) -> int:
        """Return how many boxes an image has, without reading it."""
        return len(self.items[index].boxes)


def _stacked(boxes: list[list[float]]) -> NDArray[np.float32]:
    """Return boxes (N, 4)."""
    return np.array(boxes, np.float32).reshape(-1, 4)
