"""Transforms of albumentations in a row, with all of a sample's targets kept right."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from dltools.augs.base import PER_OBJECT, Sample
from dltools.augs.randomness import SampleRandom
from dltools.cfgutils import ConfigError

TARGETS = ("mask", "boxes", "keypoints")


class Chain:
    """A row of transforms of albumentations that share one pair of generators.

    Boxes that leave the image are cut at its border, or dropped where less than `min_visibility` of what they covered
    before the transform is left; their rows of labels, keypoints, areas and crowds go with them. A mirror image
    exchanges the keypoints of `keypoint_swap`; `scale`, the size of an object in pixels, and `area`, of each object in
    square pixels, grow and shrink with the image, and are not cut at its border. A mixed mask stays as it is.
    Albumentations scales keypoints about the centre of the first pixel, so a resize by s is off by (s - 1) / 2 pixels.
    """

    def __init__(
        self,
        transforms: dict[str, Any],
        source: SampleRandom,
        min_visibility: float,
        min_side: float,
        keypoint_swap: list[list[int]],
    ) -> None:
        self._names = {id(transform): name for name, transform in transforms.items()}
        self._transforms = list(transforms.values())
        self._source = source
        self._boxes = {"min_visibility": min_visibility, "min_width": min_side, "min_height": min_side}
        self._swap = keypoint_swap
        self._moving = next((name for name, transform in transforms.items() if not _keeps_places(transform)), None)
        self._targets: tuple[str, ...] | None = None

    def __call__(self, sample: Sample) -> Sample:
        """Return the transformed sample, with arrays of numpy.

        Raises:
            ConfigError: a transform changed the type of the pixels, or moves those of a mixed mask.
        """
        mixed = "mask" in sample and sample["mask"].ndim == 3  # (H, W, classes), as mixup makes it
        if mixed and self._moving is not None:
            raise ConfigError(
                f"{self._moving} may move pixels, and the mask is one of shares of classes, which cannot follow. "
                "Put mixup after it."
            )
        targets = tuple(name for name in TARGETS if name in sample and not (mixed and name == "mask"))
        if "area" in sample and "keypoints" not in sample:
            targets = (*targets, "keypoints")  # the probes, which tell how the image is scaled
        if targets != self._targets:
            self._compose, self._targets = self._composed(targets), targets
        data = {"image": sample["image"]}
        if "mask" in targets:
            data["mask"] = sample["mask"]
        if "boxes" in sample:
            data["bboxes"], data["rows"] = sample["boxes"], np.arange(len(sample["boxes"]))
        if "keypoints" in targets:
            probes = _probes(*sample["image"].shape[:2])
            given = np.nan_to_num(_keypoints(sample)[..., :2]).reshape(-1, 2)
            data["keypoints"] = np.concatenate([given, probes])
            data["points"] = np.arange(len(data["keypoints"]))
        return self._collected(sample, self._compose(**data))

    def blame(self, error: BaseException) -> str:
        """Return the name of the transform that an error came from, or an empty string."""
        owners = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
        return next((self._names[id(owner)] for owner in owners if id(owner) in self._names), "")

    def _composed(self, targets: tuple[str, ...]) -> A.Compose:
        boxes = A.BboxParams("pascal_voc", label_fields=["rows"], clip=True, **self._boxes)
        keypoints = A.KeypointParams("xy", label_fields=["points"], remove_invisible=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Got processor for")  # a row of pixel transforms moves no boxes
            compose = A.Compose(
                self._transforms,
                bbox_params=boxes if "boxes" in targets else None,
                keypoint_params=keypoints if "keypoints" in targets else None,
            )
        compose.set_random_state(self._source.numpy, self._source.python)
        return compose

    def _collected(self, sample: Sample, data: dict[str, Any]) -> Sample:
        """Return a sample with what the transforms gave."""
        result = {**sample, "image": _with_channels(data["image"], sample["image"].dtype)}
        if "mask" in data:
            result["mask"] = data["mask"]
        if "points" in data:
            points, factor = _found(data, _keypoints(sample), *sample["image"].shape[:2])
            if "keypoints" in sample:
                result["keypoints"] = _exchanged(points, self._swap) if factor < 0 else points
            if "scale" in sample:
                result["scale"] = sample["scale"] * abs(factor) ** 0.5
            if "area" in sample:
                result["area"] = sample["area"] * np.float32(abs(factor))
        if "boxes" in sample:
            rows = np.asarray(data["rows"], np.int64)
            result["boxes"] = np.asarray(data["bboxes"], np.float32).reshape(-1, 4)
            result.update({name: result[name][rows] for name in PER_OBJECT if name in result})
        return result


def _keeps_places(transform: Any) -> bool:
    """Tell whether a transform or composition changes only what pixels look like."""
    if isinstance(transform, A.BaseCompose):
        return all(map(_keeps_places, transform.transforms))
    return isinstance(transform, A.ImageOnlyTransform)


def _with_channels(image: NDArray[Any], expected: np.dtype[Any]) -> NDArray[Any]:
    if image.dtype != expected:
        raise ConfigError(
            f"the image became {image.dtype}; it must stay {expected}, for normalisation happens on the device "
            "(fields mean and std of augs). Leave out transforms such as Normalize and ToFloat, and for images of 16 "
            "bits those that cannot take them."
        )
    return image if image.ndim == 3 else image[:, :, None]


def _keypoints(sample: Sample) -> NDArray[np.float32]:
    """Return the keypoints of a sample, or those of no object."""
    return sample["keypoints"] if "keypoints" in sample else np.empty((0, 0, 3), np.float32)


def _probes(height: int, width: int) -> NDArray[np.float32]:
    """Return three points that tell afterwards how the middle of the image was turned, mirrored and scaled."""
    x, y, reach = width / 2, height / 2, min(height, width) / 4
    return np.array([[x, y], [x + reach, y], [x, y + reach]], np.float32)


def _found(
    data: dict[str, Any], keypoints: NDArray[np.float32], height: int, width: int
) -> tuple[NDArray[np.float32], float]:
    """Return the keypoints after the transforms, those that got lost all 0, and the factor on the image's area.

    The factor is negative for a mirror image, and 1 where a probe got lost.
    """
    points = np.full((keypoints[..., 0].size + 3, 2), np.nan, np.float32)
    points[np.asarray(data["points"], np.int64)] = np.asarray(data["keypoints"], np.float32).reshape(-1, 2)
    moved = keypoints.astype(np.float32)
    moved[..., :2] = points[:-3].reshape(moved[..., :2].shape)
    moved[~np.isfinite(moved).all(-1)] = 0
    area = _area(points[-3:]) / _area(_probes(height, width))
    return moved, area if np.isfinite(area) else 1.0


def _area(probes: NDArray[np.float32]) -> float:
    """Return twice the signed area of the triangle of the probes."""
    origin, right, down = probes.tolist()
    across, along = (right[0] - origin[0], right[1] - origin[1]), (down[0] - origin[0], down[1] - origin[1])
    return float(across[0] * along[1] - across[1] * along[0])


def _exchanged(keypoints: NDArray[np.float32], pairs: list[list[int]]) -> NDArray[np.float32]:
    order = np.arange(keypoints.shape[1])
    for first, second in pairs:
        order[[first, second]] = second, first
    return keypoints[:, order]
