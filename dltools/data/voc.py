"""Objects and masks of Pascal VOC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError, FieldError, component
from dltools.data.base import SPLITS, Sample, Split
from dltools.data.faults import BoxError, MissingError, SizeError
from dltools.data.files import missing, stamp
from dltools.data.image_files import SceneFiles
from dltools.data.masks import IGNORED, IndexMasks
from dltools.data.paths import inside
from dltools.data.voc_xml import VocObjects, read_xml

CLASS_NAMES = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


@component("data", "voc")
class Voc(SceneFiles):
    """Boxes and masks of Pascal VOC: JPEGImages, Annotations, SegmentationClass, and lists of images in ImageSets.

    Samples: `image` (H, W, C), `boxes` (N, 4) float32, `labels` (N,), `iscrowd` (N,); with `masks` also `mask`
    (H, W) uint8: 0 background, 1 + label, 255 ignored. Boxes are of pixels counted from 1, both corners inclusive, and
    become x1 - 1, y1 - 1, x2, y2. An object that is marked `difficult` is `iscrowd`: it is not trained on, and need not
    be found, as the rules of VOC want it.

    Source: Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010; the development kit of VOC 2012.
    """

    root: str
    """Folder with JPEGImages and Annotations, such as VOCdevkit/VOC2012."""
    sets: str = "Main"
    """Folder in ImageSets with the lists: Main, or Segmentation for the images that have masks."""
    train: str = "train"
    """List of the training images."""
    val: str = "val"
    """List of the validation images."""
    test: str = "val"
    """List of the test images; `test` in VOC 2007, of which alone the annotations of the test are public."""
    class_names: list[str] = field(default_factory=CLASS_NAMES.copy)
    """Names of the classes, in the order of the ids in the masks from 1 on."""
    suffix: str = ".jpg"
    """How the names of the images end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.class_names) < IGNORED:
            raise FieldError("class_names", f"must have 1 to {IGNORED - 1} names, got {len(self.class_names)}")

    def path(self, folder: str, name: str, suffix: str, source: str) -> Path:
        """Return the path of a file of an image."""
        return inside(Path(self.root, folder), name + suffix, source, self.outside)

    def list_of(self, split: str) -> Path:
        """Return the path of the list of a split."""
        return Path(self.root, "ImageSets", self.sets, f"{getattr(self, split)}.txt")

    def _split(self, name: str) -> Split:
        return VocSplit(self, name)

    def _content(self) -> Iterable[bytes]:
        for split in SPLITS:
            if self.list_of(split).is_file():
                yield stamp(self.list_of(split))
                for index in range(len(samples := VocSplit(self, split))):
                    yield from (stamp(path) for path in samples.files(index) if path.is_file())


class VocSplit(Split):
    """The images of one list, read with their annotations when they are asked for."""

    def __init__(self, data: Voc, name: str) -> None:
        self.data = data
        self.name = name
        self.source = data.list_of(name)
        if not self.source.is_file():
            raise missing(self.source, f"the list of images {self.source.name}")
        lines = [line.split() for line in self.source.read_text(encoding="utf-8").splitlines()]
        self.names = [words[0] for words in lines if words]
        """Names of the images, without their endings."""
        if not self.names:
            raise DataError(f"{self.source} is empty; expected the name of an image in each line, without its ending.")
        if not data.background_images:
            self.names = [name for index, name in enumerate(self.names) if self.num_objects(index)]

    def __len__(self) -> int:
        return len(self.names)

    def files(self, index: int) -> list[Path]:
        """Return the image of a sample, its annotations, and its mask, where masks are wanted."""
        name, source = self.names[index], f"{self.source}: sample {index}"
        found = [
            self.data.path("JPEGImages", name, self.data.suffix, source),
            self.data.path("Annotations", name, ".xml", source),
        ]
        if self.data.masks:
            found.append(self.data.path("SegmentationClass", name, ".png", source))
        return found

    def origin(self, index: int) -> str:
        """Return the path of an image."""
        return str(Path(self.data.root, "JPEGImages", self.names[index] + self.data.suffix))

    def num_objects(self, index: int) -> int:
        """Return how many objects a sample has, without reading the image."""
        return len(self._objects(index).labels)

    def column(self, key: str) -> list[NDArray[Any]] | None:
        """Return the boxes, labels or difficult objects of each image, out of its annotations."""
        name = {"boxes": "boxes", "labels": "labels", "iscrowd": "difficult"}.get(key)
        return None if name is None else [getattr(self._objects(index), name) for index in range(len(self))]

    def __getitem__(self, index: int) -> Sample:
        path, source, *masks = self.files(index)
        objects = self._objects(index)
        if not path.is_file():
            raise MissingError(f"{self.source}: sample {index}: there is no file '{path}'; data.suffix is its ending.")
        image = self.data.read(path)
        height, width = image.shape[:2]
        if objects.size not in (None, (width, height)):
            raise SizeError(f"{source} (sample {index}) has size {objects.size}, but {path} is {width} x {height}.")
        cut = objects.boxes.clip(0, [width, height, width, height])
        bad = np.flatnonzero((cut[:, 2:] <= cut[:, :2]).any(1))
        if len(bad):
            raise BoxError(
                f"{source} (sample {index}): the bndbox of object {bad[0]} covers nothing of the image of {width} x "
                f"{height} pixels; its corners are counted from 1."
            )
        sample: Sample = {
            "image": image,
            "boxes": objects.boxes,
            "labels": objects.labels,
            "iscrowd": objects.difficult,
            "index": index,
        }
        if masks:
            reader = IndexMasks(self.data.mask_names, self.data.max_pixels)
            sample["mask"] = reader.read(masks[0], (height, width), f"{path} (sample {index})")
        return sample

    def _objects(self, index: int) -> VocObjects:
        return read_xml(self.files(index)[1], self.data.class_names)
