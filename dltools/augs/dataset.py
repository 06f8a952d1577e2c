"""A split whose samples are transformed and made of tensors."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from dltools.augs.base import PER_OBJECT, Sample, SampleTransform, Split, Store
from dltools.augs.chain import Chain
from dltools.augs.prefix import prefix_of
from dltools.augs.randomness import SampleRandom
from dltools.cfgutils import ConfigError, DataError, SampleError


class AugmentedSplit(Dataset[Sample]):
    """A map-style data set for a loader: `dataset[epoch, index]` or, for epoch 0, `dataset[index]`.

    A sample is a function of (seed, epoch, index) and the files, whoever makes it. It can be pickled, and read from
    several threads. Returns `image` (C, H, W) uint8 or uint16; `label` int, or (classes,) float32 where labels are
    mixed; `mask` (H, W) uint8, or (classes, H, W) float32 where masks are mixed; `boxes` (N, 4) float32 xyxy; `labels`
    (N,) int64; `keypoints` (N, K, 3) float32, absent ones and those outside the image all 0; `area` (N,) float32;
    `iscrowd` (N,) bool; other keys as they are.

    `store`, if there is one, keeps the samples as they are after the transforms that do the same in every epoch; it
    must be of these samples and this `recipe`.
    """

    store: Store | None = None

    def __init__(self, split: Split, transforms: dict[str, Any], stage: str, seed: int, **settings: Any) -> None:
        self.split = split
        self._prefix = prefix_of(transforms)
        self._rest = {name: transform for name, transform in transforms.items() if name not in self._prefix}
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
        return to_tensors(self._after(len(self._tools.steps), epoch, index))

    def fixed(self, index: int) -> Sample:
        """Return a sample after the transforms that do the same in every epoch, with arrays of numpy.

        Raises:
            SampleError: the sample cannot be read, or has impossible boxes or keypoints.
            DataError: a transform fails on it.
        """
        sample = None if self.store is None else self.store.get(index)
        if sample is None:
            sample = self._made(index)
            if self.store is not None:
                self.store.put(index, sample)
        return sample

    @property
    def recipe(self) -> dict[str, Any]:
        """What is done to a sample of the split for `fixed`, in plain values; empty where it stays as it is."""
        if not self._prefix:
            return {}
        return {"transforms": {name: repr(transform) for name, transform in self._prefix.items()}, **self._settings}

    @property
    def draws(self) -> list[Any]:
        """What is done to a sample after `fixed`, in plain values."""
        return [{name: repr(transform) for name, transform in self._rest.items()}, self._settings, self._seed]

    @property
    def kinds(self) -> list[type]:
        """Classes of the transforms."""
        return [type(transform) for transform in (*self._prefix.values(), *self._rest.values())]

    @property
    def epochless(self) -> bool:
        """Whether all that is done to a sample is the same in every epoch."""
        return not self._rest

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a thread."""
        return {name: value for name, value in vars(self).items() if name != "_own"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin with no thread's things."""
        vars(self).update(state, _own=threading.local())

    @property
    def _tools(self) -> _Tools:
        """What this thread works with."""
        if not hasattr(self._own, "tools"):
            self._own.tools = _Tools(copy.deepcopy(self._prefix), copy.deepcopy(self._rest), self._settings)
        return self._own.tools

    def _made(self, index: int) -> Sample:
        """Return a sample after the fixed transforms, made anew."""
        sample = read_sample(self.split, index)
        prefix = self._tools.prefix
        if prefix is not None:
            with self._blaming(prefix, "", index, None):
                sample = prefix(sample)
        return sample

    def _after(self, count: int, epoch: int, index: int) -> Sample:
        """Return a sample after the first `count` steps."""
        sample, tools = self.fixed(index), self._tools
        tools.source.set(self._seed, epoch, index)
        for number, (name, step) in enumerate(tools.steps[:count]):
            with self._blaming(step, name, index, epoch):
                if isinstance(step, Chain):
                    sample = step(sample)
                else:
                    sample = step(sample, partial(self._other, number, epoch), len(self.split), tools.source.numpy)
        return sample

    def _other(self, count: int, epoch: int, index: int) -> Sample:
        """Return another sample for a step, as the `count` steps before make it, and go on with this one's numbers."""
        source = self._tools.source
        state = source.save()
        try:
            return self._after(count, epoch, index)
        finally:
            source.restore(state)

    @contextmanager
    def _blaming(self, step: Any, name: str, index: int, epoch: int | None) -> Iterator[None]:
        """Let an error of a step tell its config key, the sample and the epoch."""
        try:
            yield
        except ConfigError as error:
            raise ConfigError(f"augs.{self._stage}{name and '.' + name}: {error}") from error
        except SampleError:
            raise
        except Exception as error:
            culprit = ".".join(part for part in ("augs", self._stage, name or step.blame(error)) if part)
            when = "" if epoch is None else f", epoch {epoch}"
            reason = f"{type(error).__name__}: {error}"
            raise DataError(f"{culprit} failed on sample {index} of {place_of(self.split)}{when}: {reason}") from error


class FixedSplit:
    """Samples after the transforms that do the same in every epoch, with arrays of numpy.

    Args:
        dataset: the samples with all their transforms.
    """

    def __init__(self, dataset: AugmentedSplit) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; raises what `AugmentedSplit.fixed` does."""
        return self.dataset.fixed(index)


class _Tools:
    """The generators and transforms of one thread: the fixed ones, then in order ours by name and rows of the rest.

    Args:
        prefix: transforms of albumentations that draw no numbers.
        rest: all others.
        settings: of a `Chain`.
    """

    def __init__(self, prefix: dict[str, Any], rest: dict[str, Any], settings: dict[str, Any]) -> None:
        self.source = SampleRandom()
        self.prefix = Chain(prefix, self.source, **settings) if prefix else None
        self.steps: list[tuple[str, Any]] = []
        for ours, group in itertools.groupby(rest.items(), lambda item: isinstance(item[1], SampleTransform)):
            row = list(group)
            self.steps += row if ours else [("", Chain(dict(row), self.source, **settings))]


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
    """Return a sample with its known arrays as tensors; those of an image and a mask lie in memory as they did."""
    result = {**sample, "image": _channels_first(sample["image"])}
    if "mask" in sample:
        mask = np.ascontiguousarray(sample["mask"])
        result["mask"] = _channels_first(mask) if mask.ndim == 3 else torch.from_numpy(mask)
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


def _channels_first(image: NDArray[Any]) -> Tensor:
    """Return (H, W, C) as (C, H, W) without moving a pixel, which a batch does for all images at once."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


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
