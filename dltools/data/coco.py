"""Objects from the JSON files of COCO."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, PositiveInt, component
from dltools.cfgutils.nearest import did_you_mean
from dltools.data.base import SPLITS, Provider, Sample, Split
from dltools.data.coco_file import CocoFile, read_coco
from dltools.data.files import stamp
from dltools.data.images import MAX_PIXELS, read_image
from dltools.data.masks import IGNORED
from dltools.data.outlines import OutlineError, paint
from dltools.data.paths import inside


@component("data", "coco")
class Coco(Provider):
    """Boxes, keypoints and masks of COCO: one JSON file for each split beside the folders of its images.

    The classes are the categories of the training file, in its order, whatever their ids. Samples: `image` (H, W, C)
    uint8, `boxes` (N, 4) float32, `labels` (N,), `area` (N,) float32 in square pixels, `iscrowd` (N,); `keypoints`
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
    grey: bool = False
    """Read the images as one channel of grey instead of RGB."""
    max_pixels: PositiveInt = MAX_PIXELS
    """Most pixels of an image; a larger one is refused before it is decoded."""
    masks: bool = False
    """Make a semantic mask of the outlines of the objects."""
    distance_maps: bool = False
    """Make signed distance maps of the masks in the data pipeline, for surface losses."""
    background_images: bool = True
    """Keep images without objects."""
    skip_bad_boxes: bool = False
    """Leave out objects whose box covers nothing of the image, of which COCO has a few, instead of an error."""
    outside: bool = False
    """Allow files out of the folder of the images."""

    def __post_init__(self) -> None:
        self.in_channels = 1 if self.grey else 3
        if "{split}" not in self.annotations:
            raise FieldError(
                "annotations", f"must hold {{split}}, which tells the files apart, got {self.annotations!r}"
            )
        if self.distance_maps and not self.masks:
            raise FieldError("distance_maps", "must be false without masks, of which the maps are made, got true")

    @cached_property
    def class_names(self) -> list[str]:  # type: ignore[override]
        """Names of the categories of the training file."""
        return list(self._file("train").category_names)

    @cached_property
    def keypoint_names(self) -> list[str]:  # type: ignore[override]
        """Names of the keypoints in the training file."""
        return list(self._file("train").keypoint_names)

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

    def __len__(self) -> int:
        return len(self.images)

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has, without reading the image."""
        return len(self._of(self.images[index]))

    def __getitem__(self, index: int) -> Sample:
        place = int(self.images[index])
        rows, file = self._of(place), self.file
        sample: Sample = {
            "image": self._image(place),
            "boxes": file.boxes[rows],
            "labels": self.labels[rows],
            "area": file.area[rows],
            "iscrowd": file.iscrowd[rows],
            "index": index,
        }
        if self.data.keypoint_names:
            none = np.zeros((len(rows), self.data.num_keypoints, 3), np.float32)
            sample["keypoints"] = file.keypoints[rows] if file.keypoint_names else none
        if file.outlines is not None:
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
            raise DataError(
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
            raise DataError(f"{source}: there is no file '{path}'; data.images must lead to the folder of the images.")
        image = read_image(path, self.data.grey, self.data.max_pixels)
        height, width = image.shape[:2]
        expected = file.sizes[place].tolist()
        if [width, height] != expected:
            raise DataError(
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
            raise DataError(
                f"{file.path}: category {name!r} is no class of the training split; its classes are "
                f"{', '.join(class_names)}.{did_you_mean(name, class_names)}"
            )
    return np.array([class_names.index(name) for name in file.category_names], np.int64)[file.labels]
