"""A split whose samples are transformed and made of tensors."""

from __future__ import annotations

import copy
import itertools
import threading
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from dltools.augs.base import PER_OBJECT, Sample, SampleTransform, Split
from dltools.augs.chain import Chain
from dltools.augs.randomness import SampleRandom
from dltools.cfgutils import ConfigError, DataError, SampleError


class AugmentedSplit(Dataset[Sample]):
    """A map-style data set for a loader: `dataset[epoch, index]` or, for epoch 0, `dataset[index]`.

    A sample is a function of (seed, epoch, index) and the files, whoever makes it. It can be pickled, and read from
    several threads. Returns `image` (C, H, W) uint8 or uint16; `label` int, or (classes,) float32 where labels are
    mixed; `mask` (H, W) int64, or (classes, H, W) float32 where masks are mixed; `boxes` (N, 4) float32 xyxy; `labels`
    (N,) int64; `keypoints` (N, K, 3) float32, absent ones and those outside the image all 0; `area` (N,) float32;
    `iscrowd` (N,) bool; other keys as they are.
    """

    def __init__(self, split: Split, transforms: dict[str, Any], stage: str, seed: int, **settings: Any) -> None:
        self.split = split
        self._transforms = transforms
        self._stage = stage
        self._seed = seed
        self._settings = settings
        self._own = threading.local()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.split)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        """Return a transformed sample.

        Raises:
            SampleError: the sample cannot be read, or has impossible boxes or keypoints; names what and where.
            DataError: a transform fails on it.
            ConfigError: a transform is not for training images.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not hasattr(self._own, "steps"):
            self._own.source = SampleRandom()
            self._own.steps = self._make_steps(self._own.source)
        return to_tensors(self._after(len(self._own.steps), epoch, index))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a thread."""
        return {name: value for name, value in vars(self).items() if name != "_own"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin with no thread's things."""
        vars(self).update(state, _own=threading.local())

    def _after(self, count: int, epoch: int, index: int) -> Sample:
        """Return a sample after the first `count` steps."""
        sample = read_sample(self.split, index)
        source: SampleRandom = self._own.source
        source.set(self._seed, epoch, index)
        for number, (name, step) in enumerate(self._own.steps[:count]):
            try:
                if isinstance(step, Chain):
                    sample = step(sample)
                else:
                    sample = step(sample, partial(self._other, number, epoch), len(self.split), source.numpy)
            except ConfigError as error:
                raise ConfigError(f"augs.{self._stage}: {error}") from error
            except SampleError:
                raise
            except Exception as error:
                culprit = ".".join(part for part in ("augs", self._stage, name or step.blame(error)) if part)
                reason = f"{type(error).__name__}: {error}"
                place = place_of(self.split)
                raise DataError(f"{culprit} failed on sample {index} of {place}, epoch {epoch}: {reason}") from error
        return sample

    def _other(self, count: int, epoch: int, index: int) -> Sample:
        """Return another sample for a step, as the `count` steps before make it, and go on with this one's numbers."""
        source: SampleRandom = self._own.source
        state = source.save()
        try:
            return self._after(count, epoch, index)
        finally:
            source.restore(state)

    def _make_steps(self, source: SampleRandom) -> list[tuple[str, Any]]:
        """Return the transforms in order: ours by name, and those of albumentations in nameless rows."""
        steps: list[tuple[str, Any]] = []
        transforms = copy.deepcopy(self._transforms)
        for ours, group in itertools.groupby(transforms.items(), lambda item: isinstance(item[1], SampleTransform)):
            row = list(group)
            steps += row if ours else [("", Chain(dict(row), source, **self._settings))]
        return steps


def read_sample(split: Split, index: int) -> Sample:
    """Return a sample of a split whose targets are possible.

    Raises:
        SampleError: it cannot be read, or its targets are impossible.
    """
    try:
        sample = split[index]
        problem = _problem_of(sample)
    except DataError as error:
        raise SampleError(f"Sample {index} of {place_of(split)}: {error}", index, str(error)) from error
    if problem:
        raise SampleError(f"Sample {index} of {place_of(split)}: {problem}.", index, problem)
    return sample


def place_of(split: Split) -> str:
    """Return what a split is called in messages."""
    return f"split {getattr(split, 'name', type(split).__name__)!r}"


def to_tensors(sample: Sample) -> Sample:
    """Return a sample with its known arrays as tensors of the types that losses take."""
    result = {**sample, "image": torch.from_numpy(np.ascontiguousarray(sample["image"].transpose(2, 0, 1)))}
    if "mask" in sample:
        mask = sample["mask"]
        mixed = mask.ndim == 3  # (H, W, classes), as mixup makes it
        result["mask"] = torch.from_numpy(
            np.ascontiguousarray(mask.transpose(2, 0, 1), np.float32) if mixed else mask.astype(np.int64)
        )
    if "boxes" in sample:
        result["boxes"] = torch.from_numpy(np.ascontiguousarray(sample["boxes"], np.float32))
    if "labels" in sample:
        result["labels"] = torch.from_numpy(sample["labels"].astype(np.int64))
    if "area" in sample:
        result["area"] = torch.from_numpy(sample["area"].astype(np.float32))
    if "iscrowd" in sample:
        result["iscrowd"] = torch.from_numpy(sample["iscrowd"].astype(np.bool_))
    if "keypoints" in sample:
        result["keypoints"] = torch.from_numpy(_within(sample["keypoints"], *sample["image"].shape[:2]))
    return result


def _within(keypoints: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """Return keypoints of which those that are absent or outside the image are all 0."""
    x, y, visible = np.moveaxis(keypoints, -1, 0)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (visible > 0)
    return np.where(inside[..., None], keypoints, 0).astype(np.float32)


def _problem_of(sample: Sample) -> str:
    """Return what makes the targets of a sample impossible, or an empty string."""
    height, width = sample["image"].shape[:2]
    if "mask" in sample and sample["mask"].shape != (height, width):
        return f"its mask is {sample['mask'].shape} and its image {(height, width)}; they must be of one size"
    if "boxes" not in sample:
        return ""
    boxes = sample["boxes"]
    for name in PER_OBJECT:
        if name in sample and len(sample[name]) != len(boxes):
            return f"it has {len(boxes)} boxes and {len(sample[name])} rows of {name}; each box needs one"
    cut = boxes.clip(0, [width, height, width, height])
    bad = np.flatnonzero(~((cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1]) & np.isfinite(boxes).all(1)))
    if len(bad):
        return (
            f"box {bad[0]} = {boxes[bad[0]].tolist()} covers nothing of the image of {width} x {height} pixels; "
            "boxes are x1, y1, x2, y2 in pixels with x1 < x2 and y1 < y2"
        )
    return ""
