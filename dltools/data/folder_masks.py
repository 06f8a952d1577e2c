"""Segmentation from folders of images and masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from dltools.cfgutils import FieldError, component
from dltools.data.base import SPLITS, Sample, Split
from dltools.data.files import images_in, no_images, stamp
from dltools.data.image_files import ImageFiles, ImageReader
from dltools.data.masks import IGNORED, ClassMasks, IndexMasks, MaskForm, MaskReader, PaletteMasks


@component("data", "folder_masks")
class FolderMasks(ImageFiles):
    """Images and masks in folders: <root>/<split>/images/<name>.jpg and <root>/<split>/masks/<name>.png.

    With `masks=per_class` it is <root>/<split>/masks/<class>/<name>.png: black-and-white masks of every class but the
    first, which is where no other is. Where classes overlap, the last in the order of `class_names` counts.
    Samples: `image` (H, W, C) and `mask` (H, W) uint8: places in `class_names`, or 255 to ignore.
    """

    root: str
    """Folder with train, val and test."""
    class_names: list[str]
    """Names of the ids in the masks, in order, the background among them."""
    masks: MaskForm = MaskForm.index
    """What masks hold: ids (index), a colour for each class (palette), or one class in each file (per_class)."""
    palette: list[list[int]] = dataclasses.field(default_factory=list)
    """Red, green and blue of each class, in the order of class_names, for masks=palette."""
    ignored_colour: list[int] = dataclasses.field(default_factory=list)
    """Red, green and blue of pixels to ignore, for masks=palette; empty where there are none."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= len(self.class_names) <= IGNORED:
            raise FieldError("class_names", f"must have 2 to {IGNORED} names, got {len(self.class_names)}")
        if len(set(self.class_names)) < len(self.class_names):
            raise FieldError("class_names", f"must have each name once, got {self.class_names}")
        for name in ("palette", "ignored_colour"):
            if getattr(self, name) and self.masks is not MaskForm.palette:
                raise FieldError(name, f"must be empty unless data.masks=palette; data.masks is {self.masks.value}")
        self._reader()

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask, in order."""
        return self.class_names

    def _split(self, name: str) -> Split:
        return MasksSplit(Path(self.root, name), self._reader(), self.read)

    def _reader(self) -> MaskReader:
        if self.masks is MaskForm.palette:
            return PaletteMasks(self.class_names, self.max_pixels, self.palette, self.ignored_colour)
        form = ClassMasks if self.masks is MaskForm.per_class else IndexMasks
        return form(self.class_names, self.max_pixels)

    def _content(self) -> Iterable[bytes]:
        reader = self._reader()
        for name in SPLITS:
            if Path(self.root, name).is_dir():
                for image in images_in(Path(self.root, name, "images")):
                    yield stamp(image)
                    yield from map(stamp, reader.files(mask_of(image)))


class MasksSplit(Split):
    """Pairs of an image and a mask in one folder, read and checked when they are asked for."""

    def __init__(self, folder: Path, reader: MaskReader, read: ImageReader) -> None:
        self.paths = images_in(folder / "images")
        if not self.paths:
            raise no_images(folder / "images")
        self.reader = reader
        self.read = read

    def __len__(self) -> int:
        return len(self.paths)

    def origin(self, index: int) -> str:
        """Return the path of an image."""
        return str(self.paths[index])

    def __getitem__(self, index: int) -> Sample:
        path = self.paths[index]
        image = self.read(path)
        mask = self.reader.read(mask_of(path), image.shape[:2], f"{path} (sample {index})")
        return {"image": image, "mask": mask, "index": index}


def mask_of(image: Path) -> Path:
    """Return where the mask of an image lies."""
    return image.parent.parent / "masks" / f"{image.stem}.png"
