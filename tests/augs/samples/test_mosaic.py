"""Mosaic: four images around a point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dltools.augs.pipeline import Augmentations
from dltools.augs.samples.mosaic import Mosaic
from dltools.cfgutils import ConfigError, FieldError

EXACT = {"scale": [1.0, 1.0], "center": [0.5, 0.5]}


def mosaic(samples: list[dict[str, Any]], seed: int = 0, **options: Any) -> dict[str, Any]:
    """Return four samples as one, in order."""
    others = iter(samples[1:])
    return Mosaic(p=1, **options)(samples[0], lambda index: next(others), 9, np.random.default_rng(seed))


def test_each_image_has_its_corner_at_the_middle(plain: Any) -> None:
    """Of the first image its lower right quarter is seen, and so on."""
    ramp = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48, 1)
    samples = [{**plain(0, mask=np.full((40, 48), 1, np.uint8)), "image": ramp + 2000 * number} for number in range(4)]
    image = mosaic(samples, **EXACT)["image"]
    np.testing.assert_array_equal(image[:20, :24], ramp[20:, 24:])
    np.testing.assert_array_equal(image[:20, 24:], ramp[20:, :24] + 2000)
    np.testing.assert_array_equal(image[20:, :24], ramp[:20, 24:] + 4000)
    np.testing.assert_array_equal(image[20:, 24:], ramp[:20, :24] + 6000)


def test_objects_are_shifted_and_cut_at_the_tile(plain: Any) -> None:
    rows = {
        "boxes": [[20, 16, 28, 24], [0, 0, 10, 10]],
        "keypoints": np.array([[[27, 23, 2], [21, 17, 2]], [[5, 5, 1], [0, 0, 0]]], np.float32),
        "area": np.array([64, 100], np.float32),
        "iscrowd": np.array([False, True]),
    }
    sample = mosaic([plain(0, **rows) for _ in range(4)], **EXACT)
    none = [0, 0, 0]
    expected = {
        (0, 0, 4, 4): (16, False, [[3, 3, 2], none]),
        (44, 0, 48, 4): (16, False, [none, none]),
        (0, 36, 4, 40): (16, False, [none, none]),
        (44, 36, 48, 40): (16, False, [none, [45, 37, 2]]),
        (24, 20, 34, 30): (100, True, [[29, 25, 1], none]),
    }
    rows = zip(*(sample[key].tolist() for key in ("boxes", "area", "iscrowd", "keypoints")), strict=True)
    assert {tuple(box): values for box, *values in rows} == {box: list(values) for box, values in expected.items()}
    assert sample["labels"].tolist() == [0, 0, 0, 0, 1]


def test_an_object_of_which_too_little_is_left_is_dropped(plain: Any) -> None:
    samples = [plain(0, boxes=[[20, 16, 28, 24]]) for _ in range(4)]
    assert len(mosaic(samples, **EXACT, min_visibility=0.25)["boxes"]) == 4
    assert len(mosaic(samples, **EXACT, min_visibility=0.26)["boxes"]) == 0
    assert mosaic(samples, **EXACT, min_visibility=0.26)["labels"].shape == (0,)


def test_what_no_image_reaches_is_filled_and_ignored(plain: Any) -> None:
    samples = [plain(9, mask=np.full((40, 48), 3, np.uint8)) for _ in range(4)]
    sample = mosaic(samples, scale=[0.25, 0.25], center=[0.5, 0.5], fill=[500.0])
    filled = sample["image"][..., 0] == 500
    assert filled.sum() == 40 * 48 - 20 * 24
    assert not filled[10:30, 12:36].any()
    np.testing.assert_array_equal(sample["mask"], np.where(filled, 255, 3))
    assert (mosaic(samples, scale=[0.25, 0.25], mask_fill=0)["mask"] == 0).any()


def test_images_of_any_size_fit_the_canvas(plain: Any) -> None:
    sizes = [(40, 48), (400, 480), (7, 90), (64, 3)]
    samples = [plain(9, *size, boxes=[[0, 0, size[1], size[0]]]) for size in sizes]
    sample = mosaic(samples, size=[80, 60], scale=[1.0, 1.0], center=[0.5, 0.5])
    assert sample["image"].shape == (80, 60, 1)
    np.testing.assert_allclose(
        sample["boxes"], [[0, 0, 30, 40], [30, 0, 60, 40], [0, 40, 30, 45], [30, 40, 34, 80]], atol=0.01
    )


def test_the_middle_is_drawn_from_its_range(plain: Any) -> None:
    middles = []
    for seed in range(200):
        samples = [plain(value, boxes=[]) for value in (1, 2, 3, 4)]
        image = mosaic(samples, seed, scale=[1.0, 1.0], center=[0.25, 0.5])["image"][..., 0]
        middles.append([(image[0] == 1).sum(), (image[:, 0] == 1).sum()])
    low, high = np.min(middles, 0), np.max(middles, 0)
    assert (low >= [12, 10]).all() and (low <= [13, 11]).all()
    assert (high <= [24, 20]).all() and (high >= [23, 19]).all()


def test_a_label_of_an_image_leaves(plain: Any) -> None:
    sample = plain(0, label=2, boxes=[[1, 2, 3, 4]])
    assert "label" not in mosaic([sample] * 4)
    assert "label" not in Mosaic(p=0)(sample, lambda index: sample, 1, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="Mosaic needs samples with a mask or boxes; these have image, index, label"):
        mosaic([plain(0, label=2)] * 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": [1.0, 0.5]}, r"scale must be two rising numbers of at least 0.01, got \[1.0, 0.5\]"),
        ({"scale": [0.0, 0.5]}, "scale must be two rising numbers"),
        ({"center": [0.5, 1.5]}, "center must be two rising numbers from 0 to 1"),
        ({"size": [640]}, r"size must be a height and a width of at least 2 pixels, got \[640\]"),
        ({"mask_fill": 256}, "mask_fill must be at most 255"),
        ({"p": 1.5}, "p must be at most 1"),
        ({"learns": "label"}, "learns must be mask or boxes, got label: .* no one label; mixup and cutmix share"),
        ({"learns": "keypoints"}, "learns must be mask or boxes, got keypoints: each sample is a single object"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError, match=message):
        Mosaic(**options)


@pytest.mark.parametrize("fill", [[1.0, 2.0], [], [-1.0], [70000.0]])
def test_a_colour_must_fit_the_image(plain: Any, fill: list[float]) -> None:
    message = r"fill must have 1 value or 1, one a channel, from 0 to 65535 for images of uint16, got"
    with pytest.raises(FieldError, match=message):
        mosaic([plain(0, boxes=[])] * 4, fill=fill)
    split = [plain(0, boxes=[])] * 4
    dataset = Augmentations(train={"tiles": Mosaic(p=1, fill=fill)}).dataset(split, "train", seed=0)
    with pytest.raises(ConfigError, match=rf"^augs\.train\.tiles: {message}"):
        _ = dataset[0]
