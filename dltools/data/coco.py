"""Objects from the JSON files of COCO."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, component
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.base import SPLITS, Sample, Split
from dltools.data.coco_file import CocoFile, read_coco
from dltools.data.faults import BoxError, MissingError, SizeError, UnknownClassError
from dltools.data.files import stamp
from dltools.data.image_files import SceneFiles
from dltools.data.masks import IGNORED
from dltools.data.mirror import swaps_by_name
from dltools.data.outlines import OutlineError, paint
from dltools.data.paths import inside


@component("data", "coco")
class Coco(SceneFiles):
    """Boxes, keypoints and masks of COCO: one JSON file for each split beside the folders of its images.

    The classes are the categories of the training file, in its order, whatever their ids. Samples: `image` (H, W, C),
    `boxes` (N, 4) float32, `labels` (N,), `area` (N,) float32 in square pixels, `iscrowd` (N,); `keypoints`
    (N, K, 3) if a category names some; with `masks` also `mask` (H, W) uint8: 0 where nothing is, 1 + label on
    objects, the smaller ones over the larger ones, and 255 on crowds, which lie under all others.

    Source: cocodataset.org/#format-data.
    """

    root: str
    """Folder of the data."""
    annotations: str = "annotations/instances_{split}.json"
    """Annotation file of a split, below root."""
    images: str = "{split}"
    """Folder with the images of a split, below root."""
    train: str = "train2017"
    """What stands for {split} in training."""
    val: str = "val2017"
    """What stands for {split} in validation."""
    test: str = "val2017"
    """What stands for {split} in the test; COCO gives out no annotations of its own test images."""
    skip_bad_boxes: bool = False
    """Leave out objects whose box covers nothing of the image, of which COCO has a few, instead of an error."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if "{split}" not in self.annotations:
            raise FieldError(
                "annotations", f"must hold {{split}}, which tells the files apart, got {self.annotations!r}"
            )

    @cached_property
    def class_names(self) -> list[str]:  # type: ignore[override]
        """Names of the categories of the training file."""
        file = self._file("train")
        if not file.category_names:
            raise DataError(f"{file.path}: categories must not be empty; those of the training file are the classes.")
        return list(file.category_names)

    @cached_property
    def keypoint_names(self) -> list[str]:  # type: ignore[override]
        """Names of the keypoints in the training file."""
        return list(self._file("train").keypoint_names)

    @cached_property
    def keypoint_swap(self) -> list[list[int]]:  # type: ignore[override]
        """Pairs of keypoints whose names differ by left and right."""
        return swaps_by_name(self.keypoint_names)

    def folder(self, name: str) -> Path:
        """Return the folder with the images of a split."""
        return Path(self.root, self.images.replace("{split}", getattr(self, name)))

    def _split(self, name: str) -> Split:
        file = self._file(name)
        if self.masks and self.num_mask_classes > IGNORED:
            raise DataError(f"{file.path} has {self.num_classes} categories; masks have room for {IGNORED - 1}.")
        if file.keypoint_names not in ([], self.keypoint_names):
            raise DataError(f"{file.path}: keypoints must be those of the training file, {self.keypoint_names}.")
        return CocoSplit(self, name, file)

    def _content(self) -> Iterable[bytes]:
        for name in SPLITS:
            if self._path(name).is_file():
                yield stamp(self._path(name))
                for file_name in self._file(name).file_names:
                    path = inside(self.folder(name), file_name, self._path(name), self.outside)
                    yield stamp(path) if path.is_file() else file_name.encode()

    def _file(self, name: str) -> CocoFile:
        return read_coco(self._path(name), self.masks)

    def _path(self, name: str) -> Path:
        return Path(self.root, self.annotations.replace("{split}", getattr(self, name)))


class CocoSplit(Split):
    """The images of one file with their objects; carries the arrays of the file, and reads images when asked for them.

    Raises DataError when it is made: a box covers nothing of its image.
    """

    def __init__(self, data: Coco, name: str, file: CocoFile) -> None:
        self.data = data
        self.name = name
        self.file = file
        self.labels = _labels_in(file, data.class_names)
        self._objects = self._usable()
        images = np.arange(len(file.file_names))
        self._ends = np.searchsorted(file.images[self._objects], np.append(images, len(images)))
        self.images = images if data.background_images else np.flatnonzero(np.diff(self._ends))
        """Place in the file of each sample's image."""
        self._columns: dict[str, NDArray[Any]] = {
            "boxes": file.boxes,
            "labels": self.labels,
            "area": file.area,
            "iscrowd": file.iscrowd,
        }
        if data.keypoint_names:
            none = np.zeros((len(file.boxes), data.num_keypoints, 3), np.float32)
            self._columns["keypoints"] = file.keypoints if file.keypoint_names else none

    def __len__(self) -> int:
        return len(self.images)

    def origin(self, index: int) -> str:
        """Return the path of an image."""
        return str(self.data.folder(self.name) / self.file.file_names[self.images[index]])

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has, without reading the image."""
        return len(self._of(self.images[index]))

    def posed(self, index: int) -> NDArray[np.bool_]:
        """Return which objects of a sample are poses, without reading the image."""
        rows = self._of(self.images[index])
        return (self.file.keypoints[rows, :, 2] > 0).any(1) & ~self.file.iscrowd[rows]

    def column(self, key: str) -> list[NDArray[Any]] | None:
        """Return the boxes, labels, areas, crowds or keypoints of each image."""
        values = self._columns.get(key)
        return None if values is None else [values[self._of(place)] for place in self.images.tolist()]

    def __getitem__(self, index: int) -> Sample:
        place = int(self.images[index])
        rows = self._of(place)
        sample: Sample = {"image": self._image(place), "index": index}
        sample.update({name: values[rows] for name, values in self._columns.items()})
        if self.file.outlines is not None:
            sample["mask"] = self._mask(rows, *sample["image"].shape[:2])
        return sample

    def _usable(self) -> NDArray[np.int64]:
        """Return the objects whose box covers something of the image."""
        file = self.file
        cut = file.boxes.clip(0, np.tile(file.sizes, 2)[file.images])
        bad = np.flatnonzero((cut[:, 2:] <= cut[:, :2]).any(1))
        if len(bad) and not self.data.skip_bad_boxes:
            x, y, right, bottom = file.boxes[bad[0]].tolist()
            width, height = file.sizes[file.images[bad[0]]]
            raise BoxError(
                f"{file.object(bad[0])}: bbox {[x, y, right - x, bottom - y]} covers nothing of the image of {width} x "
                f"{height} pixels; it must be x, y, width, height in pixels. {len(bad)} of {len(file.boxes)} objects "
                "are so; data.skip_bad_boxes=true leaves them out."
            )
        return np.delete(np.arange(len(file.boxes)), bad)

    def _of(self, place: int) -> NDArray[np.int64]:
        """Return the objects of an image."""
        return self._objects[self._ends[place] : self._ends[place + 1]]

    def _image(self, place: int) -> NDArray[np.uint8]:
        file = self.file
        source = f"{file.path}: image {file.image_ids[place]}"
        path = inside(self.data.folder(self.name), file.file_names[place], source, self.data.outside)
        if not path.is_file():
            raise MissingError(
                f"{source}: there is no file '{path}'; data.images must lead to the folder of the images."
            )
        image = self.data.read(path)
        height, width = image.shape[:2]
        expected = file.sizes[place].tolist()
        if [width, height] != expected:
            raise SizeError(
                f"{source} must be {expected[0]} x {expected[1]} pixels, but {path} is {width} x {height}, "
                "turned as its EXIF orientation says."
            )
        return image

    def _mask(self, rows: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
        file = self.file
        assert file.outlines is not None
        try:
            outlines = [file.outlines.outline(row, height, width) for row in rows.tolist()]
        except OutlineError as error:
            raise DataError(f"{file.object(error.row)}: segmentation: {error.reason}.") from error
        return paint(outlines, self.labels[rows], file.area[rows], file.iscrowd[rows], height, width)


def _labels_in(file: CocoFile, class_names: list[str]) -> NDArray[np.int64]:
    """Return the labels of the objects as places in `class_names`.

    Raises:
        DataError: the file has a category that is none of them.
    """
    for name in file.category_names:
        if name not in class_names:
            raise UnknownClassError(
                f"{file.path}: category {name!r} is no class of the training split; its classes are "
                f"{', '.join(class_names)}.{did_you_mean(name, class_names)}"
            )
    return np.array([class_names.index(name) for name in file.category_names], np.int64)[file.labels]
