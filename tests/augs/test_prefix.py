"""Which transforms do the same in every epoch."""

from __future__ import annotations

import albumentations as A
import numpy as np
import pytest

from dltools.augs.pipeline import Augmentations
from dltools.augs.prefix import FIXED, is_fixed, prefix_of

ARGUMENTS = {
    A.CenterCrop: {"height": 8, "width": 8},
    A.Crop: {"x_max": 8, "y_max": 8},
    A.Pad: {"padding": 3},
    A.PadIfNeeded: {"min_height": 40, "min_width": 40},
    A.Resize: {"height": 9, "width": 7},
    A.LongestMaxSize: {"max_size": 12},
    A.SmallestMaxSize: {"max_size": 12},
}


class Noise:
    """Two images of noise."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        pixels = np.random.default_rng(index).integers(0, 256, (24, 32, 3), np.uint8)
        return {"image": pixels, "index": index}


def one(kind, **fields):
    return kind(**{**ARGUMENTS.get(kind, {}), "p": 1, **fields})


@pytest.mark.filterwarnings("ignore:The image is already an RGB")
@pytest.mark.parametrize("kind", FIXED, ids=lambda kind: kind.__name__)
def test_a_fixed_transform_gives_every_epoch_and_seed_the_same(kind):
    assert is_fixed(one(kind))
    images = [
        Augmentations(train={"it": one(kind)}).dataset(Noise(), "train", seed)[epoch, 1]["image"].numpy()
        for seed in range(3)
        for epoch in range(3)
    ]
    for image in images:
        np.testing.assert_array_equal(image, images[0])


@pytest.mark.parametrize(
    "transform",
    [
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(8, 8),
        A.PadIfNeeded(40, 40, position="random"),
        A.CenterCrop(40, 40, pad_if_needed=True, pad_position="random"),
        A.LongestMaxSize([8, 12]),
        A.Sequential([A.Resize(8, 8)], p=0.5),
        A.Sequential([A.Resize(8, 8), A.GaussNoise()], p=1),
        A.OneOf([A.Resize(8, 8)], p=1),
        "no transform",
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_what_draws_numbers_or_is_unknown_is_not_fixed(transform):
    assert not is_fixed(transform)


def test_the_prefix_ends_where_chance_begins():
    row = {
        "letterbox": A.Sequential([A.LongestMaxSize(16), A.PadIfNeeded(16, 16)], p=1),
        "grey": A.ToGray(p=1),
        "noise": A.GaussNoise(p=1),
        "flip": A.HorizontalFlip(p=1),
    }
    assert list(prefix_of(row)) == ["letterbox", "grey"]
    dataset = Augmentations(train=row).dataset(Noise(), "train", seed=0)
    fixed = dataset.fixed(1)["image"]
    assert fixed.shape == (16, 16, 3) and (fixed[..., 0] == fixed[..., 1]).all()
    assert not (dataset[0, 1]["image"].numpy() == dataset[1, 1]["image"].numpy()).all()
