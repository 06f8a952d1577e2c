"""Masks beside images, in the forms that labelling tools write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError
from dltools.data.faults import MissingError, SizeError, UnknownClassError
from dltools.data.images import MAX_PIXELS, read_colours, read_mask

IGNORED = 255
"""Mask value of pixels that count for nothing."""
UNKNOWN = 254

Colour = tuple[int, int, int]


class MaskForm(str, Enum):
    """How the masks tell the class of a pixel."""

    index = "index"  # type: ignore[assignment]
    palette = "palette"
    per_class = "per_class"


class MaskReader(ABC):
    """Reads the mask of an image as class ids. Can be pickled, and used by several threads.

    Args:
        class_names: names of the ids, in order.
        max_pixels: largest size to decode.
    """

    def __init__(self, class_names: list[str], max_pixels: int = MAX_PIXELS) -> None:
        self.class_names = class_names
        self.max_pixels = max_pixels

    def read(self, path: Path, size: tuple[int, int], source: str) -> NDArray[np.uint8]:
        """Return the class ids (H, W) uint8, or 255 to ignore.

        Args:
            path: the mask.
            size: height and width of the image.
            source: the image and its sample index, for errors.

        Raises:
            DataError: a file is missing or unreadable, differs from the image in size, or has what is no class.
        """
        for file in self.files(path):
            if not file.is_file():
                raise MissingError(f"{file} is missing; there must be a mask of that name for {source}.")
        return self._read(path, size, source)

    def files(self, path: Path) -> list[Path]:
        """Return the files that a mask is made of."""
        return [path]

    @abstractmethod
    def _read(self, path: Path, size: tuple[int, int], source: str) -> NDArray[np.uint8]:
        """Return the class ids of a mask whose files are there."""


class IndexMasks(MaskReader):
    """Grey or palette images whose values are class ids."""

    def _read(self, path: Path, size: tuple[int, int], source: str) -> NDArray[np.uint8]:
        mask = _of_size(path, read_mask(path, self.max_pixels), size, source)
        wrong = mask[(mask >= len(self.class_names)) & (mask != IGNORED)]
        if wrong.size:
            raise UnknownClassError(
                f"{path}, the mask of {source}, has class id {wrong.max()}; ids must be below {len(self.class_names)}, "
                f"the number of classes, or {IGNORED} to ignore."
            )
        return mask


class PaletteMasks(MaskReader):
    """Images with a colour for each class.

    Args:
        class_names: names of the ids, in order.
        max_pixels: largest size to decode.
        palette: red, green and blue of each class, in order.
        ignored_colour: colour of pixels to ignore; empty where there is none.

    Raises:
        FieldError: there is not one colour for each class, or one is no colour or there twice.
    """

    def __init__(
        self, class_names: list[str], max_pixels: int, palette: list[list[int]], ignored_colour: list[int]
    ) -> None:
        super().__init__(class_names, max_pixels)
        if len(palette) != len(class_names) or len(palette) > UNKNOWN:
            raise FieldError(
                "palette",
                f"must have one colour for each of the {len(class_names)} data.class_names, and at most {UNKNOWN}, "
                f"got {len(palette)}",
            )
        self.ids: dict[Colour, int] = {}
        if ignored_colour:
            self.ids[_colour("ignored_colour", ignored_colour)] = IGNORED
        for place, row in enumerate(palette):
            colour = _colour("palette", row)
            if colour in self.ids:
                raise FieldError("palette", f"must have each colour once, got {list(colour)} again for place {place}")
            self.ids[colour] = place

    def _read(self, path: Path, size: tuple[int, int], source: str) -> NDArray[np.uint8]:
        colours = _of_size(path, read_colours(path, self.max_pixels), size, source)
        mask = _id_table(tuple(self.ids.items()))[_codes(colours)]
        if (mask == UNKNOWN).any():
            y, x = np.argwhere(mask == UNKNOWN)[0]
            colour = colours[y, x].tolist()
            nearest = min(self.ids, key=lambda known: sum((a - b) ** 2 for a, b in zip(known, colour, strict=True)))
            raise UnknownClassError(
                f"{path}, the mask of {source}, has colour {colour} at x={x}, y={y} ({(mask == UNKNOWN).sum()} such "
                f"pixels of no class); the nearest in data.palette is {list(nearest)}, {self._name(nearest)}."
            )
        return mask

    def _name(self, colour: Colour) -> str:
        return "ignored" if self.ids[colour] == IGNORED else repr(self.class_names[self.ids[colour]])


class ClassMasks(MaskReader):
    """A black-and-white image for each class but the first, in folders of their names beside.

    The first class is where no other is. Where several are, the last in the order of the names counts.
    """

    def files(self, path: Path) -> list[Path]:
        """Return the files of the classes in order."""
        return [path.parent / name / path.name for name in self.class_names[1:]]

    def _read(self, path: Path, size: tuple[int, int], source: str) -> NDArray[np.uint8]:
        mask = np.zeros(size, np.uint8)
        for place, file in enumerate(self.files(path), start=1):
            values = _of_size(file, read_mask(file, self.max_pixels), size, source)
            between = values[(values != 0) & (values != values.max(initial=0))]
            if between.size:
                raise DataError(
                    f"{file}, a mask of {source}, has values 0, {between[0]} and {values.max()}; the mask of one class "
                    f"must have 0 and one other value. Masks of ids are read with data.masks={MaskForm.index.value}."
                )
            mask[values > 0] = place
        return mask


def _of_size(path: Path, mask: NDArray[np.uint8], size: tuple[int, int], source: str) -> NDArray[np.uint8]:
    if mask.shape[:2] != size:
        raise SizeError(
            f"{path} is {mask.shape[1]} x {mask.shape[0]} but it is the mask of {source}, which is {size[1]} x "
            f"{size[0]}; they must be of one size."
        )
    return mask


def _colour(field: str, values: list[int]) -> Colour:
    if len(values) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in values):
        raise FieldError(field, f"must be red, green and blue of 0 to 255, got {values}")
    red, green, blue = values
    return red, green, blue


@lru_cache(maxsize=2)
def _id_table(ids: tuple[tuple[Colour, int], ...]) -> NDArray[np.uint8]:
    """Return the id of every colour there is: 16 MiB, and several times as quick as a search."""
    table = np.full(1 << 24, UNKNOWN, np.uint8)
    for colour, place in ids:
        table[_codes(np.array(colour))] = place
    return table


def _codes(colours: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return each colour of (..., 3) as one number."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return (red << 16) | (green << 8) | blue
