"""Cutmix: what is seen of both images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dltools.augs.samples.cutmix import Cutmix
from dltools.cfgutils import ConfigError

WHITE = 60000
SEEDS = range(20)


class Chosen:
    """A generator that draws a rectangle with a given middle and share of the image."""

    def __init__(self, x: float, y: float, share: float) -> None:
        self.point, self.share = iter((x, y)), share

    def beta(self, a: float, b: float) -> float:
        return 1 - self.share

    def uniform(self, low: float, high: float) -> float:
        return next(self.point)

    def integers(self, count: int) -> int:
        return 0

    def random(self) -> float:
        return 0.0


def cut(first: dict[str, Any], second: dict[str, Any], rng: Any, **options: Any) -> dict[str, Any]:
    """Return a sample with a rectangle of another."""
    return Cutmix(p=1, **options)(first, lambda index: second, 2, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_label_is_the_share_of_pixels_that_come_from_each_image(plain: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sample = cut(plain(WHITE, label=1), plain(0, label=3), rng, num_classes=4)
    left = (sample["image"] == WHITE).mean()
    assert sample["label"].dtype == np.float32
    np.testing.assert_allclose(sample["label"], [0, left, 0, 1 - left], atol=1e-6)


def test_the_share_is_of_the_beta_distribution(plain: Any) -> None:
    """With a rectangle that is not cut at the border; its middle is drawn so."""
    draws = [np.random.default_rng(seed).beta(3, 3) for seed in range(300)]
    shares = [(cut(plain(1), plain(0), Chosen(24, 20, 1 - draw))["image"] == 1).mean() for draw in draws]
    np.testing.assert_allclose(shares, draws, atol=0.06)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mask_is_that_of_the_image_that_is_seen(plain: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.choice([0, 1, 2, 255], (40, 48)).astype(np.uint8) for _ in range(2))
    sample = cut(plain(WHITE, mask=first), plain(0, mask=second), rng)
    assert sample["mask"].dtype == np.uint8
    np.testing.assert_array_equal(sample["mask"], np.where(sample["image"][..., 0] == WHITE, first, second))


def test_objects_are_cut_covered_and_dropped(plain: Any) -> None:
    """The rectangle reaches from 12 to 36 across and from 10 to 30 down."""
    mine = {
        "boxes": [[0, 0, 10, 10], [8, 12, 16, 28], [13, 11, 35, 29], [30, 5, 40, 35], [11, 11, 35, 29]],
        "area": np.array([100, 100, 100, 300, 100], np.float32),
        "keypoints": np.array([[[5, 5, 2]], [[13, 14, 2]], [[20, 20, 2]], [[38, 20, 2]], [[5, 5, 2]]], np.float32),
    }
    yours = {
        "boxes": [[0, 10, 24, 20], [14, 12, 20, 16], [30, 31, 40, 40]],
        "area": np.array([240, 24, 90], np.float32),
        "keypoints": np.array([[[11, 15, 2]], [[15, 13, 1]], [[35, 35, 2]]], np.float32),
        "labels": np.array([7, 8, 9]),
    }
    sample = cut(plain(WHITE, **mine), plain(0, **yours), Chosen(24, 20, 0.25))
    assert (sample["image"][10:30, 12:36] == 0).all() and (sample["image"] == 0).sum() == 20 * 24
    assert sample["labels"].tolist() == [0, 1, 3, 7, 8]
    assert sample["boxes"].tolist() == [
        [0, 0, 10, 10],
        [8, 12, 12, 28],  # its right half is covered
        [30, 5, 40, 35],  # covered on the left, but seen above and below
        [12, 10, 24, 20],
        [14, 12, 20, 16],
    ]
    np.testing.assert_allclose(sample["area"], [100, 50, 300 * 180 / 300, 120, 24])
    assert sample["keypoints"][:, 0].tolist() == [[5, 5, 2], [0, 0, 0], [38, 20, 2], [0, 0, 0], [15, 13, 1]]


def test_with_a_mask_an_object_is_covered_where_it_is(plain: Any) -> None:
    """Half of the box is covered, and that half is empty."""
    mask = np.zeros((40, 48), np.uint8)
    mask[12:28, 8:12] = 1
    first, second = (plain(value, mask=mask.copy(), boxes=[[8, 12, 16, 28]]) for value in (WHITE, 0))
    sample = cut(first, second, Chosen(24, 20, 0.25), min_visibility=0.6)
    assert sample["boxes"].tolist() == [[8, 12, 16, 28]]


def test_the_rectangle_lies_within_both_images(plain: Any) -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        sample = cut(plain(WHITE, 40, 48, boxes=[]), plain(0, 30, 20, boxes=[]), rng, alpha=0.2)
        assert sample["image"].shape == (40, 48, 1)
        assert (sample["image"][30:] == WHITE).all() and (sample["image"][:, 20:] == WHITE).all()


@pytest.mark.parametrize("learns", ["mask", "boxes"])
def test_a_label_leaves_where_the_task_learns_something_else(plain: Any, learns: str) -> None:
    sample = plain(0, label=1, mask=np.zeros((40, 48), np.uint8), boxes=[[1, 2, 3, 4]])
    assert "label" not in cut(sample, sample, Chosen(1, 1, 0.1), learns=learns)
    with pytest.raises(ConfigError, match="Cutmix needs samples with a mask or boxes; these have image, index, label"):
        cut(plain(0, label=1), sample, Chosen(1, 1, 0.1), learns=learns)
