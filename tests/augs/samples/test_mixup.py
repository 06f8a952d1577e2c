"""Mixup: shares of labels, masks and objects."""

from __future__ import annotations

from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.augs.samples.cutmix import Cutmix
from dltools.augs.samples.mixup import Mixup
from dltools.augs.samples.mosaic import Mosaic
from dltools.cfgutils import ConfigError, DataError, FieldError
from dltools.policies.distance_maps import WithDistanceMaps

WHITE = 60000
SEEDS = range(20)


def mixed(first: dict[str, Any], second: dict[str, Any], seed: int = 0, **options: Any) -> dict[str, Any]:
    """Return two samples as one."""
    return Mixup(p=1, **options)(first, lambda index: second, 2, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_label_is_the_share_of_light_that_comes_from_each_image(plain: Any, seed: int) -> None:
    sample = mixed(plain(WHITE, label=1), plain(0, label=3), seed, num_classes=5, alpha=1.0)
    assert sample["label"].dtype == np.float32
    light = sample["image"].mean() / WHITE
    np.testing.assert_allclose(sample["label"], [0, light, 0, 1 - light, 0], atol=1e-4)
    assert sample["label"].sum() == pytest.approx(1, abs=1e-6)


def test_images_of_one_class_keep_it(plain: Any) -> None:
    sample = mixed(plain(WHITE, label=1), plain(0, label=1), num_classes=3)
    np.testing.assert_allclose(sample["label"], [0, 1, 0], atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.5])
def test_the_share_is_of_the_beta_distribution(plain: Any, alpha: float) -> None:
    light = [mixed(plain(WHITE), plain(0), seed, alpha=alpha)["image"].mean() / WHITE for seed in range(500)]
    assert np.mean(light) == pytest.approx(0.5, abs=0.05)
    assert np.var(light) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mask_is_the_share_of_each_class_at_each_pixel(plain: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.choice([0, 1, 2, 255], (40, 48)).astype(np.uint8) for _ in range(2))
    sample = mixed(plain(WHITE, mask=first), plain(0, mask=second), seed, num_classes=3, alpha=1.0)
    light = sample["image"].mean() / WHITE
    mask = sample["mask"]
    assert mask.dtype == np.float32 and mask.shape == (40, 48, 3)
    ignored = (first == 255) | (second == 255)
    assert (mask[ignored] == 255).all()
    for label in range(3):
        expected = light * (first == label) + (1 - light) * (second == label)
        np.testing.assert_allclose(mask[..., label][~ignored], expected[~ignored], atol=1e-4)
    np.testing.assert_allclose(mask[~ignored].sum(-1), 1, atol=1e-6)


def test_objects_are_those_of_both(plain: Any) -> None:
    rows = {"area": np.array([4.0], np.float32), "keypoints": np.ones((1, 2, 3), np.float32)}
    first = plain(WHITE, boxes=[[1, 2, 3, 4]], **rows)
    sample = mixed(first, plain(0, boxes=[[5, 6, 9, 9]], **rows))
    assert sample["boxes"].tolist() == [[1, 2, 3, 4], [5, 6, 9, 9]]
    assert sample["labels"].tolist() == [0, 0]
    assert sample["area"].tolist() == [4, 4]
    assert sample["keypoints"].shape == (2, 2, 3)


def test_images_with_boxes_may_differ_in_size(plain: Any) -> None:
    sample = mixed(plain(WHITE, 40, 20, boxes=[[1, 2, 3, 4]]), plain(20000, 30, 50, boxes=[[35, 6, 49, 9]]))
    image = sample["image"][..., 0].astype(float)
    share = image[39, 0] / WHITE
    expected = np.zeros((40, 50))
    expected[:40, :20] += share * WHITE
    expected[:30, :50] += (1 - share) * 20000
    np.testing.assert_allclose(image, expected, atol=2)
    assert sample["boxes"].tolist() == [[1, 2, 3, 4], [35, 6, 49, 9]]


@pytest.mark.parametrize("target", [{"label": 1}, {"mask": np.zeros((40, 20), np.uint8)}])
def test_images_with_labels_or_masks_must_be_of_one_size(plain: Any, target: dict[str, Any]) -> None:
    message = "images of 40 x 20 and of 30 x 50 pixels cannot be mixed; put a transform before .* such as resize"
    other = {key: np.zeros((30, 50), np.uint8) if key == "mask" else value for key, value in target.items()}
    with pytest.raises(DataError, match=message):
        mixed(plain(0, 40, 20, **target), plain(0, 30, 50, **other), num_classes=3)


@pytest.mark.parametrize(
    ("learns", "kept"),
    [
        ("label", {"label"}),
        ("mask", {"mask"}),
        ("boxes", {"boxes", "labels"}),
        (None, {"label", "mask", "boxes", "labels"}),
    ],
)
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_what_the_task_does_not_learn_is_left_out_mixed_or_not(plain: Any, learns: Any, kept: Any, p: float) -> None:
    sample = plain(0, label=1, mask=np.zeros((40, 48), np.uint8), boxes=[[1, 2, 3, 4]])
    mixup = Mixup(p=p, num_classes=3, learns=learns)
    result = mixup(sample, lambda index: sample, 1, np.random.default_rng(0))
    assert set(result) - {"image", "index"} == kept


def test_labels_are_shares_where_nothing_is_mixed_so_that_batches_stack(plain: Any) -> None:
    split = [plain(index, label=index % 3, mask=np.full((40, 48), index % 4, np.uint8)) for index in range(16)]
    dataset = Augmentations(train={"mixup": Mixup(num_classes=4)}).dataset(split, "train", seed=0)
    batch = collate([dataset[index] for index in range(16)])
    assert batch["label"].shape == (16, 4) and batch["label"].dtype == torch.float32
    assert batch["mask"].shape == (16, 4, 40, 48) and batch["mask"].dtype == torch.float32
    certain = (batch["label"].max(1).values == 1).sum()
    assert 4 <= certain < 16
    torch.testing.assert_close(batch["label"].sum(1), torch.ones(16))


def test_what_is_mixed_may_be_mixed_again(plain: Any) -> None:
    split = [plain(index * 4000, label=index % 3, mask=np.full((40, 48), index, np.uint8)) for index in range(8)]
    twice = {"one": Mixup(p=1, num_classes=8, alpha=1.0), "two": Mixup(p=1, num_classes=8, alpha=1.0)}
    dataset = Augmentations(train=twice).dataset(split, "train", seed=0)
    for index in range(8):
        sample = dataset[index]
        assert sample["label"].sum() == pytest.approx(1, abs=1e-6)
        shares = sample["mask"][:, 0, 0]
        assert (shares * torch.arange(8)).sum() * 4000 == pytest.approx(sample["image"].float().mean().item(), abs=3)


def test_class_ids_that_are_none_are_named(plain: Any) -> None:
    with pytest.raises(DataError, match=r"its label has class id 3, which is not in 0\.\.2"):
        mixed(plain(0, label=3), plain(0, label=1), num_classes=3)
    with pytest.raises(DataError, match=r"its mask has class id 7, which is not in 0\.\.2"):
        mixed(plain(0, mask=np.full((40, 48), 7, np.uint8)), plain(0), num_classes=3)
    with pytest.raises(FieldError, match="num_classes must be the number of classes, to make shares of a label; got"):
        mixed(plain(0, label=3), plain(0, label=1))


# ------------------------------------------------------------------------------------------------ what follows mixup


def segmented(plain: Any, *after: Any) -> Any:
    """Return a data set of mixed masks with transforms after them."""
    split = [plain(index, mask=np.full((40, 48), index % 3, np.uint8)) for index in range(4)]
    names = {type(transform).__name__.lower(): transform for transform in after}
    return Augmentations(train={"mixup": Mixup(p=1, num_classes=3), **names}).dataset(split, "train", seed=0)


def test_pixels_of_images_with_mixed_masks_may_change(plain: Any) -> None:
    alone = segmented(plain)[1]
    seen = segmented(plain, A.InvertImg(p=1), A.OneOf([A.GaussianBlur(), A.InvertImg()]))[1]
    assert torch.equal(alone["mask"], seen["mask"])
    assert not torch.equal(alone["image"], seen["image"])


@pytest.mark.parametrize("mask_fill", [255, 0])
def test_mixed_masks_may_be_cut_into_pieces(plain: Any, mask_fill: int) -> None:
    mosaic = Mosaic(p=1, scale=[0.3, 0.6], mask_fill=mask_fill)
    dataset = segmented(plain, Cutmix(p=1), mosaic)
    for index in range(4):
        sample = dataset[index]
        mask, filled = sample["mask"], sample["image"][0] == 114
        counted = (mask != 255).any(0)
        torch.testing.assert_close(mask.sum(0)[counted], torch.ones(int(counted.sum())))
        assert 0 < filled.sum() < filled.numel()
        assert torch.equal(counted, ~filled if mask_fill == 255 else torch.ones_like(filled))
        assert mask_fill == 255 or (mask[0][filled] == 1).all()


@pytest.mark.parametrize("transform", [A.HorizontalFlip(), A.OneOf([A.GaussianBlur(), A.Affine()])])
def test_mixed_masks_are_not_moved(plain: Any, transform: Any) -> None:
    name = type(transform).__name__.lower()
    message = rf"augs.train: {name} may move pixels, and the mask is one of shares of classes.* Put mixup after it"
    with pytest.raises(ConfigError, match=message):
        _ = segmented(plain, transform)[0]


def test_mixed_masks_have_no_distance_maps(plain: Any) -> None:
    with pytest.raises(ConfigError, match=r"data.distance_maps=true takes masks of class ids, and mixup makes shares"):
        _ = WithDistanceMaps(segmented(plain), 3)[0]
