"""Real scenes under transforms that draw from every generator, and hashes of what comes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any

import albumentations as A
import numpy as np
from torch import Tensor

from dltools.augs.base import Sample, SampleTransform
from dltools.augs.collate import collate
from dltools.augs.dataset import AugmentedSplit
from dltools.augs.pipeline import Augmentations
from dltools.augs.samples.mixup import Mixup
from dltools.augs.samples.mosaic import Mosaic
from dltools.data.digit_scenes import DigitScenes
from dltools.data.samplers import InOrder, KeySampler, Shuffle
from dltools.loaders import NodeLoader

SCENES, BATCH, SEED = 40, 2, 11


class Stripes(SampleTransform):
    """Takes rows of another sample, as the transforms before make it, before and after it draws numbers."""

    def __call__(self, sample: Sample, fetch: Callable[[int], Sample], count: int, rng: np.random.Generator) -> Sample:
        other = fetch(int(rng.integers(count)))["image"]
        return {**sample, "image": np.where(rng.random((len(other), 1, 1)) < 0.3, other, sample["image"])}


def transforms() -> dict[str, Any]:
    """Return transforms that draw from numpy, from Python, and from other samples, after a fixed one."""
    return {
        "fixed": A.Resize(72, 72),
        "mosaic": Mosaic(p=0.5, size=[64, 64]),
        "affine": A.Affine(rotate=(-30, 30), scale=(0.7, 1.3), p=0.8),
        "size": A.Resize(64, 64),
        "stripes": Stripes(),
        "noise": A.GaussNoise(p=0.7),
        "one": A.OneOf([A.Blur(p=1.0), A.Posterize(p=1.0), A.CoarseDropout(p=1.0)], p=0.8),
        "mixup": Mixup(p=0.5, num_classes=11),
    }


@cache
def dataset() -> AugmentedSplit:
    """Return scenes under these transforms."""
    split = DigitScenes(train_scenes=SCENES, val_scenes=1, test_scenes=1).split("train")
    return Augmentations(train=transforms()).dataset(split, "train", SEED)


def sampler(epoch: int = 0, rank: int = 0, ranks: int = 1, train: bool = True) -> KeySampler:
    """Return the keys of a rank: shuffled and even for training, in order and complete for evaluation."""
    plan = Shuffle().plan(dataset().split, list) if train else InOrder(SCENES)
    keys = KeySampler(plan, SEED, rank=rank, world_size=ranks, even=train)
    keys.set_epoch(epoch)
    return keys


def loader(keys: KeySampler, source: AugmentedSplit | None = None, **options: Any) -> NodeLoader:
    """Return a loader of the scenes, as they are or of a source of their own."""
    settings = {"batch_size": BATCH, "collate_fn": collate, "num_workers": 2, "identity": "scenes", **options}
    return NodeLoader(source or dataset(), sampler=keys, **settings)


def digests(batch: dict[str, Any]) -> list[str]:
    """Return a hash of all that a batch holds of each of its samples."""
    found = []
    for place in range(len(batch["index"])):
        digest = hashlib.blake2b(digest_size=12)
        for key, value in sorted(batch.items(), key=itemgetter(0)):
            array = value[place].numpy() if isinstance(value, Tensor) else np.asarray(value[place])
            digest.update(f"{key} {array.dtype} {array.shape}".encode() + array.tobytes())
        found.append(digest.hexdigest())
    return found


@cache
def expected(epoch: int, train: bool = True) -> list[list[str]]:
    """Return the hashes of the batches of an epoch, each sample made by itself in this process."""
    made = [digests(collate([dataset()[key]]))[0] for key in sampler(epoch, train=train)]
    return [made[begin : begin + BATCH] for begin in range(0, SCENES, BATCH)]
