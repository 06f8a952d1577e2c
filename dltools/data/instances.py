"""One sample for each object of a scene, for models that look at one object at a time."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dltools.cfgutils import DataError
from dltools.data.base import Sample, Split


class InstanceCrops(Split):
    """Square crops around the boxes of a split, one sample for each object with a visible keypoint; none for crowds.

    Samples: `image` (size, size, C) as that of the split, zero outside of the scene; `boxes` (1, 4), `labels` (1,) and
    `keypoints` (1, K, 3) in pixels of the crop; `scale`, the longest side of the box in pixels of the crop;
    `scene` and `object`, where the sample comes from. Keypoints that fall outside of the crop become absent.

    Source: top-down pose estimation as in Xiao et al., Simple Baselines, ECCV 2018, section 3.

    Args:
        split: scenes with `boxes`, `labels` and `keypoints`.
        context: side of a crop as a multiple of the box's longest side.
        size: side in pixels that crops are resized to.
    """

    def __init__(self, split: Split, context: float = 1.75, size: int = 48) -> None:
        self.split = split
        self.context = context
        self.size = size

    @cached_property
    def origins(self) -> NDArray[np.int64]:
        """Scene and object number of each sample, (N, 2).

        Raises:
            DataError: no object has a visible keypoint.
        """
        objects = [np.flatnonzero(self.split.posed(index)) for index in range(len(self.split))]
        scenes = np.repeat(np.arange(len(objects)), [len(numbers) for numbers in objects])
        if not len(scenes):
            raise DataError(
                f"None of the {len(objects)} images has an object with a visible keypoint; the task learns from those."
            )
        return np.column_stack([scenes, np.concatenate(objects)])

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index: int) -> Sample:
        scene, number = (int(value) for value in self.origins[index])
        sample = self.split[scene]
        box = sample["boxes"][number]
        longest = float(max(box[2] - box[0], box[3] - box[1]))
        zoom = self.size / (self.context * longest)
        corner = (box[:2] + box[2:]) / 2 - self.context * longest / 2
        keypoints = sample["keypoints"][number].copy()
        keypoints[:, :2] = (keypoints[:, :2] - corner) * zoom
        inside = np.all((keypoints[:, :2] >= 0) & (keypoints[:, :2] < self.size), axis=1)
        keypoints[~inside, 2] = 0
        return {
            "image": self._crop(sample["image"], corner, zoom),
            "boxes": ((box.reshape(2, 2) - corner) * zoom).reshape(1, 4).astype(np.float32),
            "labels": sample["labels"][number : number + 1],
            "keypoints": keypoints[None],
            "scale": longest * zoom,
            "scene": scene,
            "object": number,
            "index": index,
        }

    def num_objects(self, index: int) -> int:
        """Return 1: each sample is one object."""
        return 1

    def posed(self, index: int) -> NDArray[np.bool_]:
        """Return that the object of a sample is a pose."""
        return np.ones(1, np.bool_)

    def column(self, key: str) -> list[Any] | None:
        """Return the labels, where the split of the scenes knows them."""
        labels = self.split.column(key) if key == "labels" else None
        return None if labels is None else [labels[scene][[number]] for scene, number in self.origins]

    def _crop(self, image: NDArray[Any], corner: NDArray[np.float32], zoom: float) -> cv2.typing.MatLike:
        """Return the square that begins at a corner; the centre of pixel 0 lies at coordinate 0.5."""
        matrix = np.array([[zoom, 0, zoom * (0.5 - corner[0]) - 0.5], [0, zoom, zoom * (0.5 - corner[1]) - 0.5]])
        crop = cv2.warpAffine(image, matrix, (self.size, self.size), flags=cv2.INTER_LINEAR)
        return crop.reshape(self.size, self.size, -1)
