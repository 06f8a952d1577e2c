"""What tells samples apart that are kept for later runs."""

from __future__ import annotations

import pickle
from functools import partial

import albumentations as A
import numpy as np
import pytest

from dltools.augs.pipeline import Augmentations
from dltools.data.composed import Chosen
from dltools.data.digit_scenes import DigitScenes
from dltools.data.instances import InstanceCrops
from dltools.policies import samples
from dltools.policies.samples import store_of

DATA = {"train_scenes": 4, "val_scenes": 4, "test_scenes": 1}


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("DLTOOLS_CACHE", str(tmp_path))


def store(data=None, split="train", stage="train", transforms=None, prepare=lambda split: split, config=None, **augs):
    data = data or DigitScenes(**DATA)
    source = data.split(split)
    dataset = Augmentations(train=transforms or {}, eval=transforms or {}, **augs).dataset(
        prepare(source), stage, seed=0
    )
    return store_of(dataset, source, split, data, data.fingerprint, config, None)


def test_the_same_samples_have_the_same_place_and_fingerprint():
    first, second = store(), store()
    assert (first.folder, first.fingerprint, first.size) == (second.folder, second.fingerprint, 4)
    assert pickle.dumps(first) == pickle.dumps(second)
    assert first.folder.name.startswith("digitscenes-train-")


RESIZE = {"resize": A.Resize(32, 32, p=1.0)}


@pytest.mark.parametrize(
    "other",
    [
        {"split": "val"},
        {"data": DigitScenes(**{**DATA, "train_scenes": 5})},
        {"config": {"root": "elsewhere"}},
        {"transforms": RESIZE},
        {"prepare": InstanceCrops},
        {"prepare": partial(Chosen, places=np.arange(4))},
    ],
)
def test_other_samples_have_another_place(other):
    assert store(**other).folder != store().folder


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"prepare": partial(InstanceCrops, size=32)}, {"prepare": partial(InstanceCrops, size=48)}),
        ({"prepare": partial(Chosen, places=np.array([0, 1]))}, {"prepare": partial(Chosen, places=np.array([1, 0]))}),
        ({"transforms": RESIZE}, {"transforms": {"resize": A.Resize(32, 33, p=1.0)}}),
        ({"transforms": RESIZE}, {"transforms": RESIZE, "min_visibility": 0.5}),
        ({"transforms": RESIZE}, {"transforms": RESIZE, "keypoint_swap": [[0, 1]]}),
        ({"transforms": RESIZE}, {"transforms": RESIZE, "stage": "eval"}),
    ],
)
def test_so_have_those_that_are_prepared_otherwise(one, two):
    assert store(**one).folder != store(**two).folder


def test_what_is_random_does_not_matter_and_neither_does_the_stage_without_fixed_transforms():
    random = {"flip": A.HorizontalFlip(p=0.5), "resize": A.Resize(32, 32, p=1.0)}
    assert store(transforms=random).folder == store(stage="eval").folder == store(min_visibility=0.5).folder


def test_what_is_calculated_on_demand_does_not_matter():
    def asked(split):
        crops = InstanceCrops(split)
        len(crops)
        return crops

    assert store(prepare=asked).fingerprint == store(prepare=InstanceCrops).fingerprint


def test_another_version_or_other_code_makes_them_stale(monkeypatch):
    before = store()
    monkeypatch.setattr(A, "__version__", "0.0.1")
    newer = store()
    assert newer.folder == before.folder and newer.fingerprint != before.fingerprint
    monkeypatch.undo()
    monkeypatch.setattr(samples, "_source_of", lambda _: "other")
    assert store().fingerprint != before.fingerprint


class Brighter:
    """Samples of a split with more light, by a function that nobody can tell from another."""

    def __init__(self, split):
        self.split, self.function = split, lambda image: image + 1

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        return self.split[index]


def test_samples_that_cannot_be_told_apart_are_not_kept(caplog):
    assert store(prepare=Brighter) is None
    assert "'train' are not cached, for nobody can tell Brighter.function again" in caplog.text
