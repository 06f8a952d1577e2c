"""Copy-paste: objects of another image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dltools.augs.samples.copy_paste import CopyPaste
from dltools.augs.samples.mixup import Mixup
from dltools.cfgutils import ConfigError, FieldError

SEEDS = range(10)
STILL = {"scale": [1.0, 1.0]}


def pasted(first: dict[str, Any], second: dict[str, Any], seed: int = 0, **options: Any) -> dict[str, Any]:
    """Return a sample with objects of another."""
    return CopyPaste(p=1, **options)(first, lambda index: second, 2, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_mask_the_pixels_of_whole_objects_are_pasted(scenes: Any, seed: int) -> None:
    split = scenes()
    first, second = split[seed], split[seed + 20]
    sample = pasted(first, second, seed, **STILL)
    new = np.isin(second["mask"], sample["labels"] + 1) & (second["mask"] > 0)
    assert new.any()
    np.testing.assert_array_equal(sample["mask"], np.where(new, second["mask"], first["mask"]))
    np.testing.assert_array_equal(sample["image"], np.where(new[..., None], second["image"], first["image"]))


@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_mask_whole_boxes_are_pasted(scenes: Any, seed: int) -> None:
    split = scenes(without=("mask",))
    first, second = split[seed], split[seed + 20]
    sample = pasted(first, second, seed, **STILL)
    new = np.zeros(first["image"].shape[:2], bool)
    for box, label in zip(second["boxes"].astype(int), second["labels"], strict=True):
        if label in sample["labels"]:
            new[box[1] : box[3], box[0] : box[2]] = True
    assert new.any()
    np.testing.assert_array_equal(sample["image"], np.where(new[..., None], second["image"], first["image"]))


@pytest.mark.parametrize("seed", SEEDS)
def test_without_boxes_connected_regions_are_pasted(plain: Any, seed: int) -> None:
    """Two regions of class 1, one of class 2; ignored pixels are no region."""
    mask = np.zeros((40, 48), np.uint8)
    regions = [(np.s_[2:8, 2:9], 1), (np.s_[20:30, 2:9], 1), (np.s_[5:15, 20:30], 2)]
    for place, label in regions:
        mask[place] = label
    mask[35:, 40:] = 255
    sample = pasted(plain(1, mask=np.full((40, 48), 5, np.uint8)), plain(2, mask=mask), seed, **STILL)
    taken = [(sample["mask"][place] == label).all() for place, label in regions]
    expected = np.full((40, 48), 5)
    for (place, label), is_taken in zip(regions, taken, strict=True):
        expected[place] = label if is_taken else 5
    assert any(taken)
    np.testing.assert_array_equal(sample["mask"], expected)
    np.testing.assert_array_equal(sample["image"][..., 0], np.where(expected == 5, 1, 2))
    assert set(sample) == {"image", "index", "mask"}


def test_covered_objects_shrink_or_leave(plain: Any) -> None:
    first = plain(
        1,
        boxes=[[0, 0, 10, 10], [20, 12, 30, 22], [21, 13, 29, 19], [26, 8, 36, 12]],
        keypoints=np.array([[[5, 5, 2]], [[22, 16, 2]], [[25, 15, 2]], [[30, 9, 2]]], np.float32),
        area=np.array([100, 100, 48, 40], np.float32),
    )
    second = plain(
        2,
        boxes=[[18, 10, 30, 20]],
        labels=np.array([7]),
        keypoints=np.array([[[20, 15, 2]]], np.float32),
        area=np.array([90], np.float32),
    )
    sample = pasted(first, second, **STILL)
    assert sample["labels"].tolist() == [0, 1, 3, 7]
    assert sample["boxes"].tolist() == [[0, 0, 10, 10], [20, 20, 30, 22], [26, 8, 36, 12], [18, 10, 30, 20]]
    np.testing.assert_allclose(sample["area"], [100, 20, 32, 90])
    assert sample["keypoints"][:, 0].tolist() == [[5, 5, 2], [0, 0, 0], [30, 9, 2], [20, 15, 2]]
    assert pasted(first, second, **STILL, min_visibility=0.5)["labels"].tolist() == [0, 3, 7]


def test_crowds_are_not_pasted(plain: Any) -> None:
    first = plain(1, boxes=[[0, 0, 10, 10]], iscrowd=np.array([True]))
    second = plain(2, boxes=[[18, 10, 30, 20], [1, 1, 5, 5]], iscrowd=np.array([False, True]))
    for seed in SEEDS:
        sample = pasted(first, second, seed, **STILL)
        assert sample["iscrowd"].tolist() == [True, False]
        assert (sample["image"][1:5, 1:5] == 1).all()
    second["iscrowd"][:] = True
    np.testing.assert_equal(pasted(first, second, **STILL), first)


def test_any_number_of_objects_is_pasted_up_to_the_most(plain: Any) -> None:
    boxes = [[10 * number, 0, 10 * number + 5, 5] for number in range(4)]
    first, second = plain(1, boxes=[]), plain(2, boxes=boxes)
    counts = [len(pasted(first, second, seed, **STILL)["boxes"]) for seed in range(60)]
    assert set(counts) == {1, 2, 3, 4}
    assert {len(pasted(first, second, seed, **STILL, max_objects=2)["boxes"]) for seed in range(60)} == {1, 2}


def test_objects_are_scaled_and_shifted_with_their_image(plain: Any) -> None:
    first, second = plain(1, boxes=[]), plain(2, boxes=[[12, 12, 32, 28]], area=np.array([320], np.float32))
    first["area"] = np.empty(0, np.float32)
    corners = set()
    for seed in range(30):
        sample = pasted(first, second, seed, scale=[0.5, 0.5])
        ((x1, y1, x2, y2),) = sample["boxes"].tolist()
        assert (x2 - x1, y2 - y1) == (10, 8)
        assert sample["area"].tolist() == [80]
        assert (sample["image"][int(y1) : int(y2), int(x1) : int(x2)] == 2).all() and (sample["image"] == 2).sum() == 80
        corners.add((x1, y1))
    assert len(corners) > 20


def test_an_image_without_objects_gives_none(plain: Any) -> None:
    first = plain(1, boxes=[[0, 0, 10, 10]])
    np.testing.assert_equal(pasted(first, plain(2, boxes=[])), first)
    masked = plain(1, mask=np.ones((40, 48), np.uint8))
    np.testing.assert_equal(pasted(masked, plain(2, mask=np.zeros((40, 48), np.uint8))), masked)


def test_mixed_masks_are_refused(plain: Any) -> None:
    sample = plain(0, mask=np.zeros((40, 48), np.uint8))
    mixed = Mixup(p=1, num_classes=3)(sample, lambda index: sample, 1, np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"copy_paste takes masks of class ids.* put copy_paste before it"):
        pasted(mixed, mixed)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(FieldError, match=r"scale must be two rising numbers of at least 0.01"):
        CopyPaste(scale=[2.0, 1.0])
    with pytest.raises(FieldError, match="max_objects must be at least 1"):
        CopyPaste(max_objects=0)
    with pytest.raises(FieldError, match="learns must be mask or boxes, got label"):
        CopyPaste(learns="label")
