"""Augmented samples and whole runs are the same with and without a cache."""

from __future__ import annotations

from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.augs.samples.mosaic import Mosaic
from dltools.data.digit_scenes import DigitScenes
from dltools.data.samplers import InOrder, KeySampler
from dltools.loaders import TorchLoader
from dltools.loaders.samples import SampleStore, caches_in, samples_folder

SCENES = 12


class Counted:
    """A split that knows how often it was asked."""

    name = "train"

    def __init__(self, split):
        self.split, self.asked = split, 0

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        self.asked += 1
        return self.split[index]


def _dataset(store=None):
    split = Counted(DigitScenes(train_scenes=SCENES, val_scenes=1, test_scenes=1).split("train"))
    transforms = {
        "resize": A.Resize(64, 64, p=1.0),
        "mosaic": Mosaic(p=0.5, size=[64, 64]),
        "affine": A.Affine(rotate=(-30, 30), p=0.8),
        "colours": A.RandomBrightnessContrast(p=0.7),
    }
    dataset = Augmentations(train=transforms).dataset(split, "train", seed=3)
    dataset.store = store
    return dataset


def _stream(dataset, workers, epochs=2):
    sampler = KeySampler(InOrder(SCENES), 0)
    loader = TorchLoader(batch_size=4, num_workers=workers).loader(dataset, collate, sampler, train=False)
    batches = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        batches += list(loader)
    return batches


def _equal(first, second):
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_equal, first, second))
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    return first == second


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_is_the_same_to_the_bit_and_each_sample_is_made_once(tmp_path, workers):
    store = SampleStore(tmp_path / "samples" / "scenes", SCENES, "a", "1GiB")
    plain, kept = _stream(_dataset(), workers), _dataset(store)
    for _ in range(2):
        for batch, cached in zip(plain, _stream(kept, workers), strict=True):
            assert list(batch) == list(cached)
            assert all(_equal(batch[key], cached[key]) for key in batch)
    assert caches_in(tmp_path / "samples")[0].is_complete
    if workers == 0:
        assert kept.split.asked == SCENES, "the others of a mosaic too"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Crops of photographs with masks, in a home of its own."""
    monkeypatch.setenv("DLTOOLS_CACHE", str(tmp_path / "cache"))
    photograph = load_sample_image("china.jpg")
    for number, split in enumerate(("train", "val", "test")):
        for kind in ("images", "masks"):
            (tmp_path / "set" / split / kind).mkdir(parents=True)
        for position in range(6):
            crop = photograph[70 * number :, 70 * position :][:64, :64]
            cv2.imwrite(str(tmp_path / "set" / split / "images" / f"{position}.jpg"), crop[..., ::-1])
            cv2.imwrite(str(tmp_path / "set" / split / "masks" / f"{position}.png"), (crop.mean(2) > 128).astype("u1"))
    return tmp_path / "set"


@pytest.fixture
def opened(monkeypatch):
    """The paths of all files that are read as images."""
    paths = []
    read = Path.read_bytes
    images = (".jpg", ".png")
    monkeypatch.setattr(Path, "read_bytes", lambda path: (path.suffix in images and paths.append(path)) or read(path))
    return paths


def _words(root, *more):
    small = ["policy.epochs=2", "loader.batch_size=3", "model.width=4", "policy.limit_train=2"]
    data = ["data=folder_masks", f"data.root={root}", "data.class_names=[dark,light]"]
    return ["task=segmentation", *data, *small, *more]


def test_a_second_run_opens_no_image_and_reaches_the_same(train, root, opened):
    plain = train(*_words(root), name="plain").read_summary()
    assert len(opened) > 36
    opened.clear()
    first = train(*_words(root, "loader.cache=true"), name="first").read_summary()
    assert len(opened) == len(set(opened)) == 36, "images and masks of three splits"
    opened.clear()
    second = train(*_words(root, "loader.cache=true"), name="second").read_summary()
    assert opened == []
    assert _results(plain) == _results(first) == _results(second)
    assert [(cache.samples, cache.data) for cache in caches_in(samples_folder())] == [(6, f"FolderMasks {root}")] * 3


def _results(summary):
    return [summary[key] for key in ("objective", "best", "last", "test", "steps")]


def test_the_pass_for_statistics_fills_it(train, root, opened):
    train(*_words(root, "loader.cache=true", "augs.mean=${stats:mean}", "policy.epochs=1"))
    assert len(opened) == len(set(opened)) == 36


def test_a_file_that_changed_is_read_again(train, root, opened, caplog):
    train(*_words(root, "loader.cache=true", "policy.epochs=1"))
    opened.clear()
    cv2.imwrite(str(root / "val" / "images" / "2.jpg"), np.zeros((64, 64, 3), np.uint8))
    train(*_words(root, "loader.cache=true", "policy.epochs=1"), name="again")
    assert len(opened) == len(set(opened)) == 36
    assert "is stale and made anew: it is of other data, transforms or versions" in caplog.text


def test_a_limit_that_is_no_size_is_refused_with_its_key(train, root):
    with pytest.raises(ValueError, match=r"loader.cache_limit must be a size such as '20GiB'.*got '20 gigs'"):
        train(*_words(root, "loader.cache=true", "loader.cache_limit=20 gigs"))
