"""Segmentation of volumes, one slice at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from dltools.cfgutils import FieldError, PositiveInt, component
from dltools.data.base import SPLITS, Provider, Sample, Split
from dltools.data.faults import MissingError, SizeError, TooLargeError, UnknownClassError
from dltools.data.files import files_in, stamp
from dltools.data.images import MAX_PIXELS, check_bits
from dltools.data.masks import IGNORED
from dltools.data.volume_files import ENDINGS, shape_of, slice_of, stem_of


@component("data", "volumes")
class Volumes(Provider):
    """Slices of volumes: <root>/<split>/images/<name> and <root>/<split>/masks/<name>, as .npy, .nii or .nii.gz.

    The slices of a volume follow one another; all are samples, those without objects too. Of a .nii.gz all that comes
    before a slice is unpacked for it: unpack the files once where that is slow.
    Samples: `image` (H, W, 1) and `mask` (H, W) uint8: places in `class_names`, or 255 to ignore. H and W are the
    axes of the file in their order, without `axis`.
    """

    root: str
    """Folder with train, val and test."""
    class_names: list[str]
    """Names of the ids in the masks, in order, the background among them."""
    window: list[float]
    """Values that become black and white, such as [-160,240] for soft tissue in CT; what is beyond is cut."""
    bits: int = 8
    """Bits of a pixel, 8 or 16: black is 0, and white 255 or 65535."""
    axis: Annotated[int, Interval(ge=0, le=2)] = 2
    """Axis along which the slices follow one another; 2 gives the axial slices of a usual NIfTI file."""
    max_pixels: PositiveInt = MAX_PIXELS
    """Most pixels of a slice; a volume with larger ones is refused."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""

    in_channels = 1

    def __post_init__(self) -> None:
        check_bits(self.bits)
        if not 2 <= len(self.class_names) <= IGNORED:
            raise FieldError("class_names", f"must have 2 to {IGNORED} names, got {len(self.class_names)}")
        if len(self.window) != 2 or not -np.inf < self.window[0] < self.window[1] < np.inf:
            raise FieldError(
                "window", f"must be the values that become black and white, the lower first, got {self.window}"
            )

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask, in order."""
        return self.class_names

    def _split(self, name: str) -> Split:
        return VolumesSplit(_pairs(Path(self.root, name)), self)

    def _content(self) -> Iterable[bytes]:
        for name in SPLITS:
            if Path(self.root, name).is_dir():
                for pair in _pairs(Path(self.root, name)):
                    yield from map(stamp, pair)


class VolumesSplit(Split):
    """Slices of pairs of an image and a mask, read when they are asked for.

    Args:
        pairs: files of the volumes and their masks.
        data: the settings, which the split keeps.
    """

    def __init__(self, pairs: list[tuple[Path, Path]], data: Volumes) -> None:
        self.pairs = pairs
        self.axis = data.axis
        self.low, self.high = data.window
        self.type = np.dtype(f"uint{data.bits}")
        self.num_classes = len(data.class_names)
        shapes = [shape_of(image) for image, _ in pairs]
        for (image, mask), shape in zip(pairs, shapes, strict=True):
            if shape_of(mask) != shape:
                raise SizeError(
                    f"{mask} is {shape_of(mask)} but its image {image} is {shape}; they must be of one shape."
                )
            pixels = np.prod(np.delete(shape, self.axis), dtype=float)
            if pixels > data.max_pixels:
                raise TooLargeError(
                    f"{image} has slices of {pixels:,.0f} pixels; data.max_pixels is {data.max_pixels:,}."
                )
        self.ends = np.cumsum([shape[self.axis] for shape in shapes])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def column(self, key: str) -> list[str] | None:
        """Return the `volume` of each slice: the name of its file, without the ending."""
        names = [stem_of(image) for image, _ in self.pairs]
        return np.repeat(names, np.diff(self.ends, prepend=0)).tolist() if key == "volume" else None

    def origin(self, index: int) -> str:
        """Return the file of an image and the place of its slice."""
        (image, _), at = self._place(index)
        return f"{image}, slice {at}"

    def __getitem__(self, index: int) -> Sample:
        (image, mask), at = self._place(index)
        values = slice_of(image, self.axis, at).astype(np.float32)
        shares = (np.nan_to_num(values, nan=self.low) - self.low) / (self.high - self.low)
        pixels = np.rint(np.clip(shares, 0, 1) * np.iinfo(self.type).max).astype(self.type)
        return {"image": pixels[..., None], "mask": self._mask(mask, at, index), "index": index}

    def _place(self, index: int) -> tuple[tuple[Path, Path], int]:
        """Return the files of a slice, and its place in them."""
        if not 0 <= index < len(self):
            raise IndexError(f"slice {index} of {len(self)}")
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.pairs[number], index - int(self.ends[number - 1] if number else 0)

    def _mask(self, path: Path, at: int, index: int) -> NDArray[np.uint8]:
        ids = slice_of(path, self.axis, at)
        wrong = ids[~(np.isin(ids, np.arange(self.num_classes)) | (ids == IGNORED))]
        if wrong.size:
            raise UnknownClassError(
                f"{path}, slice {at} (sample {index}), has class id {wrong[0]}; ids must be whole numbers below "
                f"{self.num_classes}, the number of data.class_names, or {IGNORED} to ignore."
            )
        return ids.astype(np.uint8)


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return the volumes of a split, each with its mask, which may have another ending."""
    masks = {stem_of(path): path for path in files_in(folder / "masks", ENDINGS)}
    images = files_in(folder / "images", ENDINGS)
    if not images:
        raise MissingError(
            f"data.root: {folder / 'images'} holds no volume; expected files that end in {', '.join(ENDINGS)}."
        )
    for image in images:
        if stem_of(image) not in masks:
            raise MissingError(
                f"{folder / 'masks' / stem_of(image)} is missing, with any of {', '.join(ENDINGS)}; there must be a "
                f"mask of that name for {image}."
            )
    return [(image, masks[stem_of(image)]) for image in images]
