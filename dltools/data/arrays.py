"""Images, labels and masks from arrays in .npy and .npz files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, NonNegativeInt, component
from dltools.data.array_files import ArrayFile
from dltools.data.base import SPLITS, Provider, Sample, Split
from dltools.data.cutting import check_fractions, cut_from_train
from dltools.data.faults import MissingError, UnknownClassError
from dltools.data.files import stamp
from dltools.data.images import check_bits, in_bits
from dltools.data.masks import IGNORED
from dltools.data.numbering import numbered

SPLIT = "{split}"
TARGETS = {"labels": "{split}/labels.npy", "masks": "{split}/masks.npy"}
"""Where targets lie unless a field says otherwise; there they may be absent."""


@component("data", "arrays")
class Arrays(Provider):
    """Arrays of images (N, H, W) or (N, H, W, C) uint8 or uint16, labels (N,), and masks (N, H, W) of class ids.

    Each is a .npy file, or an array of a .npz archive: `file.npz:key`. `{split}` stands for train, val or test; without
    it one file holds all images. `images=mnist.npz:x_{split}` reads what Keras offers, `pathmnist.npz:{split}_images`
    a set of MedMNIST. Files are mapped, not loaded, except out of compressed archives; Python objects are refused.
    Splits that are not there are cut from train. Samples: `image` (H, W, C), and `label` or `mask` or both.
    """

    root: str
    """Folder of the files."""
    images: str = "{split}/images.npy"
    """Array of the images."""
    labels: str = TARGETS["labels"]
    """Array of the label ids."""
    masks: str = TARGETS["masks"]
    """Array of the masks: ids, or 255 to ignore."""
    splits: str = ""
    """Array of the words train, val or test, one for each image, where one file holds all."""
    class_names: list[str] = dataclasses.field(default_factory=list)
    """Names of the label ids; empty takes numbers."""
    mask_classes: list[str] = dataclasses.field(default_factory=list)
    """Names of the ids in the masks, in order; empty takes background and class_names."""
    val_fraction: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    """Share of each class of the training images that goes to the validation split, where there is none."""
    test_fraction: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    """Share of each class of the training images that goes to the test split, where there is none."""
    seed: NonNegativeInt = 0
    """Decides which images are cut from those for training."""
    bits: int = 8
    """Bits of a channel, 8 or 16; arrays of more are cut to the upper 8, arrays of fewer are scaled up."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""

    def __post_init__(self) -> None:
        check_bits(self.bits)
        check_fractions(self.val_fraction, self.test_fraction)
        if self.splits and SPLIT in self.images:
            raise FieldError("splits", f"must be empty where data.images has {SPLIT}, got {self.splits!r}")
        held = self._held("train")
        if held.masks is None:
            for name in ("mask_classes", "distance_maps"):
                if getattr(self, name):
                    raise FieldError(name, "has no use: there are no masks")
        if not self.class_names and held.labels is not None:
            self.class_names = _numbers(held.labels)
        if not self.class_names:
            self.class_names = self.mask_classes
        if not self.class_names:
            raise FieldError("class_names", "must not be empty: there are no labels")

    @property
    def mask_names(self) -> list[str]:
        """Names of the ids in a mask, in order."""
        return self.mask_classes or ["background", *self.class_names]

    @cached_property
    def in_channels(self) -> int:  # type: ignore[override]
        """Channels of an image."""
        shape = self._held("train").images.array.shape
        return shape[3] if len(shape) == 4 else 1

    def _split(self, name: str) -> Split:
        own = SPLIT in self.images and name != "train" and self._file(self.images, name).exists()
        held = self._held(name if own else "train")
        held.check(self.num_classes)
        places = np.arange(len(held.images.array)) if own else self._parts()[name]
        if not len(places):
            raise MissingError(
                f"{held.images} has no image of split {name!r}; raise data.val_fraction or data.test_fraction to cut "
                "some from those for training."
            )
        return ArraysSplit(held, places, self.mask_names, self.bits)

    def _parts(self) -> dict[str, NDArray[np.int64]]:
        """Return the positions of each split in the arrays of train, none of a split that has arrays of its own."""
        held = self._held("train")
        names = np.full(len(held.images.array), "train")
        if self.splits:
            names = _words(self._file(self.splits, "train"), len(names))
        parts = {name: np.flatnonzero(names == name) for name in SPLITS}
        shares = {"val": self.val_fraction, "test": self.test_fraction}
        if SPLIT in self.images:
            shares = {name: share for name, share in shares.items() if not self._file(self.images, name).exists()}
        classes = np.zeros(len(names), np.int64) if held.labels is None else held.labels.array.reshape(-1)
        return cut_from_train(parts, classes[parts["train"]], shares, self.seed)

    def _held(self, split: str) -> Held:
        """Return the files of a split; those of targets where they are, or where the user says that they are."""
        found: dict[str, ArrayFile | None] = {}
        for name, usual in TARGETS.items():
            pattern = getattr(self, name)
            file = self._file(pattern, split)
            found[name] = file if pattern != usual or self._file(pattern, "train").exists() else None
        if not any(found.values()):
            raise MissingError(
                f"data.root: there is neither '{self._file(self.labels, split)}' nor "
                f"'{self._file(self.masks, split)}'. Name labels, masks or both by data.labels and data.masks."
            )
        return Held(self._file(self.images, split), **found)

    def _file(self, pattern: str, split: str) -> ArrayFile:
        name, archive, key = pattern.replace(SPLIT, split).partition(".npz:")
        return ArrayFile(Path(self.root, name + archive.rstrip(":")), key)

    def _content(self) -> Iterable[bytes]:
        patterns = [pattern for pattern in (self.images, self.labels, self.masks, self.splits) if pattern]
        for split in SPLITS:
            for path in dict.fromkeys(self._file(pattern, split).path for pattern in patterns):
                if path.is_file():
                    yield split.encode() + stamp(path)


@dataclasses.dataclass
class Held:
    """The files of a split."""

    images: ArrayFile
    labels: ArrayFile | None
    masks: ArrayFile | None

    def check(self, num_classes: int) -> None:
        """Check shapes, types and labels.

        Raises:
            DataError: they are not those of images and their targets.
        """
        images = self.images.array
        is_image = images.ndim == 3 or images.shape[3:] in ((1,), (3,), (4,))
        if not is_image or images.dtype.kind != "u" or images.dtype.itemsize > 2:
            raise DataError(
                f"{_told(self.images)}; images must be uint8 or uint16, and (N, H, W) or (N, H, W, C) with 1, 3 or 4 "
                "channels last."
            )
        for file, shape, what in ((self.labels, images.shape[:1], "labels"), (self.masks, images.shape[:3], "masks")):
            if file is None:
                continue
            array = file.array
            if array.dtype.kind not in "iub" or array.shape not in (shape, (*shape, 1)):
                raise DataError(f"{_told(file)}; {what} must be whole numbers {shape}, as {self.images} has images.")
        if self.labels is not None:
            labels = self.labels.array.reshape(-1)
            wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
            if len(wrong):
                raise UnknownClassError(
                    f"{self.labels}: label {labels[wrong[0]]} of item {wrong[0]} must be in 0 to {num_classes - 1}, "
                    "the places in data.class_names."
                )


class ArraysSplit(Split):
    """Images and targets at some positions of arrays, copied when they are asked for."""

    def __init__(self, held: Held, places: NDArray[np.int64], mask_names: list[str], bits: int) -> None:
        self.held = held
        self.places = places
        self.mask_names = mask_names
        self.bits = bits

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        at = self.places[index]
        image = in_bits(np.array(self.held.images.array[at]), self.bits)
        sample: Sample = {"image": image if image.ndim == 3 else image[..., None], "index": index}
        if self.held.labels is not None:
            sample["label"] = int(self.held.labels.array[at].item())
        if self.held.masks is not None:
            sample["mask"] = self._mask(self.held.masks, int(at), image.shape[:2])
        return sample

    def origin(self, index: int) -> str:
        """Return the file of an image and its place there."""
        return f"{self.held.images}, item {self.places[index]}"

    def column(self, key: str) -> list[int] | None:
        """Return the labels."""
        labels = self.held.labels if key == "label" else None
        return None if labels is None else labels.array[self.places].ravel().astype(int).tolist()

    def _mask(self, file: ArrayFile, at: int, size: tuple[int, ...]) -> NDArray[np.uint8]:
        mask = np.array(file.array[at]).reshape(size)
        wrong = mask[((mask < 0) | (mask >= len(self.mask_names))) & (mask != IGNORED)]
        if wrong.size:
            raise UnknownClassError(
                f"{file}: the mask of item {at} has class id {wrong[0]}; ids must be in 0 to "
                f"{len(self.mask_names) - 1}, or {IGNORED} to ignore."
            )
        return mask.astype(np.uint8)


def _told(file: ArrayFile) -> str:
    return f"{file} is {file.array.dtype} {file.array.shape}"


def _numbers(labels: ArrayFile) -> list[str]:
    if labels.array.dtype.kind not in "iub":
        raise DataError(f"{_told(labels)}; labels must be whole numbers that count classes from 0.")
    return numbered(int(labels.array.max(initial=0)), str(labels))


def _words(file: ArrayFile, count: int) -> NDArray[np.str_]:
    words = file.array
    if words.dtype.kind not in "US" or words.shape != (count,):
        raise DataError(f"{_told(file)}; it must be ({count},) words, one of {', '.join(SPLITS)} for each image.")
    words = words.astype(str)
    wrong = np.flatnonzero(~np.isin(words, SPLITS))
    if len(wrong):
        raise DataError(f"{file}: {str(words[wrong[0]])!r} of item {wrong[0]} must be one of {', '.join(SPLITS)}.")
    return words
