"""Boxes, masks and keypoints agree after whole pipelines with transforms that take in other samples."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.augs.pipeline import Augmentations
from dltools.augs.samples.copy_paste import CopyPaste
from dltools.augs.samples.cutmix import Cutmix
from dltools.augs.samples.mixup import Mixup
from dltools.augs.samples.mosaic import Mosaic
from dltools.cfgutils import FieldError

MIXES = {
    "mosaic": Mosaic(p=1),
    "cutmix": Cutmix(p=1),
    "copy_paste": CopyPaste(p=1, scale=[0.6, 1.0]),
    "mosaic of cutmix": [Cutmix(p=1), Mosaic(p=1)],
    "copy_paste on a mosaic": [Mosaic(p=1, scale=[0.6, 1.2]), CopyPaste(p=1)],
}
NEAR = 1.5
"""Pixels that a box may miss its mask by; half as much again after a second cut."""
LARGEST = 80 / 72 * 1.2
"""Largest scale of an object in any of the pipelines."""

every_mix = pytest.mark.parametrize("name", MIXES)


def pipeline(name: str, *, crop: bool) -> dict[str, Any]:
    """Return a letterbox, a mirror image, what mixes, and a crop."""
    mixes = MIXES[name] if isinstance(MIXES[name], list) else [MIXES[name]]
    transforms = {
        "longest": A.LongestMaxSize(80),
        "pad": A.PadIfNeeded(80, 80, fill_mask=255),
        "flip": A.HorizontalFlip(p=0.5),
        **{f"mix_{number}": mix for number, mix in enumerate(mixes)},
    }
    return transforms | ({"crop": A.RandomCrop(48, 56)} if crop else {})


def made(split: Any, name: str, seed: int, index: int, *, crop: bool) -> dict[str, Any]:
    """Return a sample of a pipeline, as arrays."""
    split.read.clear()
    sample = Augmentations(train=pipeline(name, crop=crop)).dataset(split, "train", seed)[index]
    return {key: value.numpy() if isinstance(value, torch.Tensor) else value for key, value in sample.items()}


def tight_box(inside: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(inside)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def check(sample: dict[str, Any], split: Any, *, once: bool, solid: bool = False, areas: bool = True) -> None:
    """Hold boxes, rows and keypoints of a sample against its mask and image.

    Args:
        sample: arrays; no scene is in it twice.
        split: where it comes from.
        once: objects were cut or covered once at most; after a second time a box may be too wide for what is left.
        solid: all objects are rectangles.
        areas: hold the areas too, which a crop does not change.
    """
    mask, image = sample["mask"], sample["image"].transpose(1, 2, 0)
    near, reach = (NEAR, 0) if once else (1.5 * NEAR, 1)
    assert {len(sample[key]) for key in ("boxes", "keypoints", "area", "iscrowd")} == {len(sample["labels"])}
    for box, label, keypoints, area in zip(
        sample["boxes"], sample["labels"], sample["keypoints"], sample["area"], strict=True
    ):
        inside, present = mask == label + 1, keypoints[:, 2] > 0
        if not inside.any():
            assert not present.any()
            assert not once or min(box[2] - box[0], box[3] - box[1]) <= near, f"object {label} has no pixels"
            continue
        off = tight_box(inside) - box
        assert (off[:2] >= -near).all() and (off[2:] <= near).all(), f"object {label} sticks out of its box"
        if present.all() or (once and solid):
            assert np.abs(off).max() <= near, f"the box of object {label} is too wide"
        if areas and once and (present.all() or solid):
            border = 2 * (box[2] - box[0] + box[3] - box[1])
            assert abs(area - inside.sum()) <= border, f"the area of object {label} is wrong"
        assert not keypoints[~present].any()
        for x, y in keypoints[present, :2].astype(int):
            around = np.s_[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
            assert inside[around].any(), f"a keypoint of object {label} lies beside it"
            if once:
                np.testing.assert_allclose(image[y, x], split.colours(label + 1), rtol=0.15)
    for label in set(np.unique(mask).tolist()) - {0, 255, *(sample["labels"] + 1).tolist()}:
        full = (split[(label - 1) // 4]["mask"] == label).sum()
        assert (mask == label).sum() < 0.5 * full * LARGEST**2, f"object {label - 1} is there and has no box"


@every_mix
@given(seed=st.integers(0, 10**6), index=st.integers(0, 49))
@settings(max_examples=25)
def test_they_agree_after_letterbox_mirror_and_mix(scenes: Any, name: str, seed: int, index: int) -> None:
    split = scenes()
    sample = made(split, name, seed, index, crop=False)
    if len(set(split.read)) == len(split.read):
        check(sample, split, once=name in ("mosaic", "cutmix", "copy_paste"))


@pytest.mark.parametrize("name", ["mosaic", "cutmix", "copy_paste"])
@given(seed=st.integers(0, 10**6), index=st.integers(0, 49))
@settings(max_examples=25)
def test_boxes_of_cut_and_covered_rectangles_fit_what_is_left(scenes: Any, name: str, seed: int, index: int) -> None:
    split = scenes(rectangles=True)
    sample = made(split, name, seed, index, crop=False)
    if len(set(split.read)) == len(split.read):
        check(sample, split, once=True, solid=True)


@every_mix
@given(seed=st.integers(0, 10**6), index=st.integers(0, 49))
@settings(max_examples=25)
def test_they_agree_after_a_crop_too(scenes: Any, name: str, seed: int, index: int) -> None:
    split = scenes(size=None)
    sample = made(split, name, seed, index, crop=True)
    if len(set(split.read)) == len(split.read):
        assert sample["image"].shape == (3, 48, 56)
        check(sample, split, once=False)


@given(seed=st.integers(0, 10**6), index=st.integers(0, 49))
@settings(max_examples=60)
def test_rectangles_fit_their_boxes_after_letterbox_mirror_mosaic_and_crop(scenes: Any, seed: int, index: int) -> None:
    split = scenes(rectangles=True)
    sample = made(split, "mosaic", seed, index, crop=True)
    if len(set(split.read)) == len(split.read):
        check(sample, split, once=True, solid=True, areas=False)


# ------------------------------------------------------------------------------------------------------- randomness


def all_of(sample: dict[str, Any]) -> list[Any]:
    """Return all of a sample in a form that can be compared."""
    return [
        (key, value.shape, value.numpy().tobytes()) if isinstance(value, torch.Tensor) else (key, value)
        for key, value in sample.items()
    ]


KEYS = [(epoch, index) for epoch in range(2) for index in range(10)]
RANDOM = {name: pipeline(name, crop=True) for name in MIXES}
RANDOM["mixup"] = {"flip": A.HorizontalFlip(p=0.5), "mixup": Mixup(num_classes=41), "blur": A.GaussianBlur(p=0.5)}


@pytest.mark.parametrize("name", RANDOM)
def test_a_sample_is_a_function_of_seed_epoch_and_index(scenes: Any, name: str) -> None:
    augs = Augmentations(train=RANDOM[name])
    dataset = augs.dataset(scenes(count=10), "train", seed=3)
    expected = {key: all_of(dataset[key]) for key in KEYS}
    again = pickle.loads(pickle.dumps(augs.dataset(scenes(count=10), "train", seed=3)))
    assert {key: all_of(again[key]) for key in reversed(KEYS)} == expected
    assert len({repr(value) for value in expected.values()}) == len(KEYS)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda key: all_of(dataset[key]), KEYS)) == list(expected.values())


@pytest.mark.parametrize("mix", [Mosaic(p=1), Mixup(p=1, num_classes=201), Cutmix(p=1), CopyPaste(p=1)])
def test_others_come_as_the_transforms_before_make_them(scenes: Any, mix: Any) -> None:
    """Where all images are darkened before, no pixel is left that only an image as it was read can have."""
    split = scenes(without=("mask",))
    augs = Augmentations(train={"dim": A.RandomBrightnessContrast((-0.9, -0.9), (0, 0), p=1), "mix": mix})
    assert split[4]["image"].max() > 200
    split.read.clear()
    assert augs.dataset(split, "train", seed=0)[4]["image"].max() <= 114  # what fills a mosaic
    assert len(split.read) > 1


@pytest.mark.parametrize("mix", [Mosaic, Mixup, Cutmix, CopyPaste])
def test_others_are_read_only_when_it_is_applied(scenes: Any, mix: Any) -> None:
    split = scenes()
    options = {"num_classes": 201} if mix is Mixup else {}
    dataset = Augmentations(train={"mix": mix(p=0, **options)}).dataset(split, "train", seed=0)
    for index in range(5):
        _ = dataset[index]
    assert split.read == list(range(5))
    split.read.clear()
    dataset = Augmentations(train={"mix": mix(p=0.5, **options)}).dataset(split, "train", seed=0)
    for index in range(40):
        _ = dataset[index]
    applied = (len(split.read) - 40) / (3 if mix is Mosaic else 1)
    assert 10 <= applied <= 30


@pytest.mark.parametrize("mix", [Mosaic(p=1), Mixup(p=1, num_classes=201), Cutmix(p=1), CopyPaste(p=1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_samples_given_stay_as_they_are(scenes: Any, mix: Any, dtype: Any, channels: int) -> None:
    split = scenes(dtype=dtype, channels=channels)
    given = [split[index] for index in range(5)]
    for seed in range(5):
        result = mix(given[0], given.__getitem__, len(given), np.random.default_rng(seed))
        assert result["image"].dtype == dtype and result["image"].shape == given[0]["image"].shape
        assert result["boxes"].dtype == result["area"].dtype == result["keypoints"].dtype == np.float32
        assert result["index"] == 0
    for index, sample in enumerate(given):
        np.testing.assert_equal(sample, split[index])


@pytest.mark.parametrize("mix", [Mosaic(p=1), Mixup(p=1, num_classes=201), Cutmix(p=1), CopyPaste(p=1)])
def test_images_of_other_types_are_refused(scenes: Any, mix: Any) -> None:
    grey = scenes(channels=1)
    message = "its image is uint8 with 3 channels, and that of sample 0, which is to be mixed in, uint8 with 1"
    with pytest.raises(ValueError, match=message):
        mix(scenes()[0], grey.__getitem__, 1, np.random.default_rng(0))


@pytest.mark.parametrize("mix", [Mosaic, Mixup, Cutmix, CopyPaste])
def test_evaluations_mix_nothing(mix: Any) -> None:
    with pytest.raises(FieldError, match=r"eval\.it must not mix samples: an evaluation counts each of them as it is"):
        Augmentations(eval={"it": mix()})
