"""Objects from the text files of YOLO."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, component
from dltools.data.base import SPLITS, Sample, Split
from dltools.data.faults import MissingError
from dltools.data.files import stamp
from dltools.data.image_files import SceneFiles
from dltools.data.masks import IGNORED
from dltools.data.outlines import paint
from dltools.data.yolo_file import YoloFile, read_yolo
from dltools.data.yolo_labels import YoloLabels, read_labels


@component("data", "yolo")
class Yolo(SceneFiles):
    """Boxes, outlines or keypoints as Ultralytics has them: data.yaml, images/<name>.jpg and labels/<name>.txt.

    The label file of an image lies where `labels` stands for the last `images` of its path; an image without one has no
    objects. Samples: `image` (H, W, C), `boxes` (N, 4) float32, `labels` (N,); `keypoints` (N, K, 3) if data.yaml
    has a kpt_shape; with `masks` also `mask` (H, W) uint8: 0 where nothing is, 1 + label on objects, the smaller ones
    over the larger ones.

    Source: docs.ultralytics.com/datasets.
    """

    root: str
    """Folder of the data; stands for `path` in data.yaml, if that ends in its name."""
    file: str = "data.yaml"
    """File below root that names the classes and the folders or lists of images."""
    train: str = "train"
    """Key in the file of the training images."""
    val: str = "val"
    """Key in the file of the validation images."""
    test: str = "test"
    """Key in the file of the test images; `val` where there are none."""

    @cached_property
    def content(self) -> YoloFile:
        """What data.yaml says."""
        content = read_yolo(Path(self.root, self.file), Path(self.root), self.outside)
        if self.masks and content.kpt_shape is not None:
            raise DataError(f"{content.path}: there are no outlines beside keypoints; data.masks must be false.")
        if self.masks and len(content.class_names) >= IGNORED:
            raise DataError(f"{content.path} has {len(content.class_names)} names; masks have room for {IGNORED - 1}.")
        return content

    @cached_property
    def class_names(self) -> list[str]:  # type: ignore[override]
        """The names in data.yaml."""
        return list(self.content.class_names)

    @cached_property
    def keypoint_names(self) -> list[str]:  # type: ignore[override]
        """The kpt_names in data.yaml, or numbers."""
        return list(self.content.keypoint_names)

    @cached_property
    def keypoint_swap(self) -> list[list[int]]:  # type: ignore[override]
        """The flip_idx in data.yaml as pairs, or those whose kpt_names differ by left and right."""
        return [list(pair) for pair in self.content.keypoint_swap]

    def labels(self, image: Path) -> YoloLabels:
        """Return the objects of an image."""
        return read_labels(labels_of(image), len(self.content.class_names), self.content.kpt_shape)

    def _split(self, name: str) -> Split:
        return YoloSplit(self, name)

    def _content(self) -> Iterable[bytes]:
        yield stamp(self.content.path)
        for name in SPLITS:
            if self.content.places.get(getattr(self, name)) is not None:
                for image in self.content.images(getattr(self, name)):
                    yield from (stamp(path) for path in (image, labels_of(image)) if path.is_file())


class YoloSplit(Split):
    """The images of one split, read with their label files when they are asked for."""

    def __init__(self, data: Yolo, name: str) -> None:
        self.data = data
        self.name = name
        images = data.content.images(getattr(data, name))
        if not any(labels_of(image).is_file() for image in images):
            raise MissingError(
                f"{data.content.path}: none of the {len(images)} images of {name} has a label file; that of "
                f"{images[0]} would be {labels_of(images[0])}."
            )
        self.images = images if data.background_images else [path for path in images if len(data.labels(path).labels)]

    def __len__(self) -> int:
        return len(self.images)

    def origin(self, index: int) -> str:
        """Return the path of an image."""
        return str(self.images[index])

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has, without reading the image."""
        return len(self.data.labels(self.images[index]).labels)

    def posed(self, index: int) -> NDArray[np.bool_]:
        """Return which objects of a sample have a visible keypoint, without reading the image."""
        keypoints = self.data.labels(self.images[index]).keypoints
        return np.any(keypoints[..., 2] > 0, axis=1)

    def column(self, key: str) -> list[NDArray[np.int64]] | None:
        """Return the labels of each image, out of its label file."""
        return [self.data.labels(image).labels for image in self.images] if key == "labels" else None

    def __getitem__(self, index: int) -> Sample:
        path = self.images[index]
        objects = self.data.labels(path)
        image = self.data.read(path)
        height, width = image.shape[:2]
        sample: Sample = {
            "image": image,
            "boxes": (objects.boxes * [width, height, width, height]).astype(np.float32),
            "labels": objects.labels,
            "index": index,
        }
        if self.data.content.kpt_shape is not None:
            sample["keypoints"] = (objects.keypoints * [width, height, 1]).astype(np.float32)
        if self.data.masks:
            sample["mask"] = _mask(labels_of(path), objects, height, width)
        return sample


def labels_of(image: Path) -> Path:
    """Return where the label file of an image lies."""
    parts = list(image.with_suffix(".txt").parts)
    folders = parts[:-1]
    if "images" in folders:
        parts[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*parts)


def _mask(path: Path, objects: YoloLabels, height: int, width: int) -> NDArray[np.uint8]:
    outlines = [corners for corners in objects.outlines if corners is not None]
    if len(outlines) < len(objects.outlines):
        raise DataError(
            f"{path}: a line has a mere box, and data.masks=true needs outlines: the class and x, y of corners."
        )
    shapes = [[corners * [width, height]] for corners in outlines]
    areas = np.array([_area(shape[0]) for shape in shapes])
    return paint(shapes, objects.labels, areas, np.zeros(len(shapes), np.bool_), height, width)


def _area(corners: NDArray[np.float64]) -> float:
    """Return the area of a polygon."""
    following = np.roll(corners, -1, axis=0)
    return float(abs((corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]).sum()) / 2)
