"""Segmentation from folders of images and index masks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dltools.cfgutils import DataError, FieldError, component
from dltools.data.base import SPLITS, Provider, Sample, Split
from dltools.data.files import images_in, no_images, stamp
from dltools.data.images import read_image, read_mask

IGNORED = 255
"""Mask value of pixels that count for nothing."""


@component("data", "folder_masks")
class FolderMasks(Provider):
    """Images and index masks in folders: <root>/<split>/images/<name>.jpg and <root>/<split>/masks/<name>.png.

    Samples: `image` (H, W, C) uint8 and `mask` (H, W) uint8: places in `class_names`, or 255 to ignore.
    """

    root: str
    """Folder with train, val and test."""
    class_names: list[str]
    """Names of the ids in the masks, in order, the background among them."""
    grey: bool = False
    """Read the images as one channel of grey instead of RGB."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""

    def __post_init__(self) -> None:
        self.in_channels = 1 if self.grey else 3
        if not 2 <= len(self.class_names) <= IGNORED:
            raise FieldError("class_names", f"must have 2 to {IGNORED} names, got {len(self.class_names)}")

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask, in order."""
        return self.class_names

    def _split(self, name: str) -> Split:
        return MasksSplit(Path(self.root, name), len(self.class_names), self.grey)

    def _content(self) -> Iterable[bytes]:
        for name in SPLITS:
            if Path(self.root, name).is_dir():
                for image in images_in(Path(self.root, name, "images")):
                    yield stamp(image)
                    yield stamp(mask_of(image))


class MasksSplit(Split):
    """Pairs of an image and a mask in one folder, read and checked when they are asked for."""

    def __init__(self, folder: Path, num_classes: int, grey: bool) -> None:
        self.paths = images_in(folder / "images")
        if not self.paths:
            raise no_images(folder / "images")
        self.num_classes = num_classes
        self.grey = grey

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        path = self.paths[index]
        image, mask = read_image(path, self.grey), read_mask(mask_of(path))
        if mask.shape != image.shape[:2]:
            raise DataError(
                f"{mask_of(path)} (sample {index}) is {_size(mask)} but its image {path} is {_size(image)}; "
                f"they must be of one size."
            )
        wrong = mask[(mask >= self.num_classes) & (mask != IGNORED)]
        if wrong.size:
            raise DataError(
                f"{mask_of(path)} (sample {index}) has class id {wrong.max()}; ids must be below {self.num_classes}, "
                f"the number of data.class_names, or {IGNORED} to ignore."
            )
        return {"image": image, "mask": mask, "index": index}


def mask_of(image: Path) -> Path:
    """Return where the mask of an image lies."""
    return image.parent.parent / "masks" / f"{image.stem}.png"


def _size(array: np.ndarray) -> str:
    height, width = array.shape[:2]
    return f"{width} x {height}"
