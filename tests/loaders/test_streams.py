"""The stream of augmented samples is the same to the bit, whoever makes it and wherever it is taken up."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dltools.augs.base import Sample, SampleTransform
from dltools.augs.collate import collate
from dltools.augs.dataset import AugmentedSplit
from dltools.augs.pipeline import Augmentations
from dltools.augs.references import FourierAdaptation
from dltools.augs.samples.mixup import Mixup
from dltools.augs.samples.mosaic import Mosaic
from dltools.data.digit_scenes import DigitScenes
from dltools.data.samplers import ClassBalanced, KeySampler, classes_of
from dltools.distutils import gather_objects, rank, world_size
from dltools.loaders import TorchLoader

SCENES, BATCH, SEED = 20, 4, 11
STARTS = [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()]


class Stripes(SampleTransform):
    """Takes rows of another sample, as the transforms before make it, before and after it draws numbers."""

    def __call__(self, sample: Sample, fetch: Callable[[int], Sample], count: int, rng: np.random.Generator) -> Sample:
        other = fetch(int(rng.integers(count)))["image"]
        return {**sample, "image": np.where(rng.random((len(other), 1, 1)) < 0.3, other, sample["image"])}


def _transforms() -> dict[str, Any]:
    """Return transforms that draw from the generators of numpy and of Python, of their own and of other samples."""
    return {
        "mosaic": Mosaic(p=0.5, size=[64, 64]),
        "affine": A.Affine(rotate=(-30, 30), scale=(0.7, 1.3), p=0.8),
        "flip": A.HorizontalFlip(p=0.5),
        "stripes": Stripes(),
        "adaptation": FourierAdaptation(p=0.5),
        "colours": A.RandomBrightnessContrast(p=0.7),
        "noise": A.GaussNoise(p=0.7),
        "one": A.OneOf([A.Blur(p=1.0), A.Posterize(p=1.0), A.CoarseDropout(p=1.0)], p=0.8),
        "mixup": Mixup(p=0.5, num_classes=11),
    }


def _dataset() -> AugmentedSplit:
    split = DigitScenes(train_scenes=SCENES, val_scenes=1, test_scenes=1).split("train")
    return Augmentations(train=_transforms()).dataset(split, "train", SEED)


@lru_cache(maxsize=1)
def _plan() -> Any:
    split = _dataset().split
    return ClassBalanced().plan(split, partial(classes_of, split, "labels"))  # type: ignore[arg-type]


def _sampler(rank: int = 0, ranks: int = 1) -> KeySampler:
    return KeySampler(_plan(), SEED, rank=rank, world_size=ranks, even=True)


def _digests(batch: dict[str, Any]) -> list[str]:
    """Return a hash of all that a batch holds of each of its samples."""
    digests = []
    for place in range(len(batch["index"])):
        digest = hashlib.blake2b(digest_size=12)
        for key in sorted(batch):
            value = batch[key][place]
            array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
            digest.update(f"{key} {array.dtype} {array.shape}".encode() + array.tobytes())
        digests.append(digest.hexdigest())
    return digests


def _loader(sampler: KeySampler, workers: int = 0, start: str | None = None, batch: int = BATCH) -> Any:
    loader = TorchLoader(batch_size=batch, num_workers=workers).loader(_dataset(), collate, sampler, train=True)
    if start is not None:
        loader.multiprocessing_context = start
    return loader


def _stream(loader: Any, epoch: int) -> list[list[str]]:
    """Return the digests of the batches of an epoch that are left."""
    if loader.sampler.epoch != epoch:
        loader.sampler.set_epoch(epoch)
    return [_digests(batch) for batch in loader]


def _flat(stream: list[list[str]]) -> list[str]:
    return list(chain.from_iterable(stream))


@lru_cache(maxsize=2)
def _expected(epoch: int) -> list[str]:
    """Return the digests of the samples of an epoch, in their order, made one after the other."""
    return _flat(_stream(_loader(_sampler()), epoch))


def test_samples_differ_from_each_other_and_from_epoch_to_epoch() -> None:
    keys = [key for epoch in (0, 1) for key in _of_epoch(epoch)]
    digests = dict(zip(keys, _expected(0) + _expected(1), strict=True))
    assert len(set(digests.values())) == len(digests) > SCENES


def _of_epoch(epoch: int) -> KeySampler:
    sampler = _sampler()
    sampler.set_epoch(epoch)
    return sampler


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize(("workers", "start"), [(1, "spawn"), (2, "fork"), (4, "fork")])
def test_worker_processes_make_the_same_stream_however_they_start(workers: int, start: str) -> None:
    if start not in STARTS:
        pytest.skip(f"this system cannot {start}")
    loader = _loader(_sampler(), workers, start)
    for epoch in (0, 1):
        assert _flat(_stream(loader, epoch)) == _expected(epoch)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_that_share_one_data_set_make_the_same_stream(threads: int) -> None:
    dataset = _dataset()
    with ThreadPoolExecutor(threads) as pool:
        for epoch in (0, 1):
            samples = list(pool.map(dataset.__getitem__, _of_epoch(epoch)))
            assert _digests(collate(samples)) == _expected(epoch)


@given(st.integers(0, 1), st.integers(0, SCENES), st.sampled_from([1, 2, 3]), st.integers(1, 4))
@settings(max_examples=8)
def test_a_stream_goes_on_the_same_at_any_index_on_any_number_of_ranks(
    epoch: int, consumed: int, ranks: int, batch: int
) -> None:
    before = _of_epoch(epoch).state_dict(consumed)
    streams = []
    for number in range(ranks):
        sampler = _sampler(number, ranks)
        sampler.load_state_dict(before)
        streams.append(_stream(_loader(sampler, batch=batch), epoch))
    assert len({len(stream) for stream in streams}) == 1
    for step, batches in enumerate(zip(*streams, strict=True)):
        begin = consumed + step * batch * ranks
        assert [digest for row in zip(*batches, strict=True) for digest in row] == (
            _expected(epoch)[begin : begin + batch * ranks]
        )


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_that_ran_ahead_do_not_move_the_place_where_a_run_goes_on(workers: int) -> None:
    loader, done = _loader(_sampler(), workers), 2
    batches = iter(loader)
    seen = [digest for _ in range(done) for digest in _digests(next(batches))]
    state = loader.sampler.state_dict(done * BATCH)
    later = _loader(_sampler(), workers)
    later.sampler.load_state_dict(state)
    assert seen + _flat(_stream(later, 0)) == _expected(0)
    assert _flat(_stream(later, 1)) == _expected(1)


def test_two_processes_see_together_what_one_sees_with_twice_the_batch(tmp_path: Path) -> None:
    mp.start_processes(_of_a_rank, (str(tmp_path),), nprocs=2, start_method=STARTS[0])
    for epoch, streams in enumerate(torch.load(tmp_path / "streams.pt")):
        together = [
            digest for pair in zip(*streams, strict=True) for digests in zip(*pair, strict=True) for digest in digests
        ]
        assert together == _expected(epoch)[: len(together)]
        assert len(together) == SCENES // (2 * BATCH) * 2 * BATCH


def _of_a_rank(number: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=number, world_size=2)
    loader = _loader(_sampler(rank(), world_size()))
    streams = [gather_objects(_stream(loader, epoch)) for epoch in (0, 1)]
    if number == 0:
        torch.save(streams, f"{folder}/streams.pt")
    dist.destroy_process_group()
