"""Images that take on the looks of another one, against formulas written down again and against albumentations."""

from __future__ import annotations

from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from dltools.augs.pipeline import Augmentations
from dltools.augs.references import FourierAdaptation, HistogramMatching, PixelDistributionAdaptation
from dltools.cfgutils import DataError, FieldError
from dltools.commands.parts import Parts

FLOWER = load_sample_image("flower.jpg")[100:160, 200:280]
TEMPLE = load_sample_image("china.jpg")[150:230, 300:400]
ALL = (FourierAdaptation, HistogramMatching, PixelDistributionAdaptation)


def adapted(transform: Any, image: Any = FLOWER, reference: Any = TEMPLE) -> Any:
    """Return an image with the looks of a reference."""
    rng = np.random.default_rng(0)
    return transform({"image": image, "index": 0}, lambda index: {"image": reference}, 2, rng)["image"]


def test_the_amplitudes_of_low_frequencies_are_the_references() -> None:
    reach = int(60 * 0.1)
    resized = cv2.resize(TEMPLE.astype(np.float64), (80, 60), interpolation=cv2.INTER_AREA)
    expected = np.empty(FLOWER.shape)
    for channel in range(3):
        own, other = (np.fft.fftshift(np.fft.fft2(pixels[..., channel])) for pixels in (FLOWER, resized))
        amplitudes = np.abs(own)
        low = slice(30 - reach, 30 + reach + 1), slice(40 - reach, 40 + reach + 1)
        amplitudes[low] = np.abs(other)[low]
        expected[..., channel] = np.fft.ifft2(np.fft.ifftshift(amplitudes * np.exp(1j * np.angle(own)))).real
    np.testing.assert_array_equal(
        adapted(FourierAdaptation(p=1, beta_limit=[0.1, 0.1])), np.rint(expected).clip(0, 255).astype(np.uint8)
    )


def test_without_reach_only_the_mean_is_the_references() -> None:
    made = adapted(FourierAdaptation(p=1, beta_limit=[0, 0])).astype(np.float64)
    centred = FLOWER - FLOWER.mean((0, 1)) + TEMPLE.mean((0, 1))
    assert np.abs(made - centred.clip(0, 255)).max() < 3


def test_histograms_match_as_albumentations_matches_them() -> None:
    reference = TEMPLE[:60, :80]
    theirs = A.HistogramMatching(blend_ratio=(0.8, 0.8), p=1)(image=FLOWER, hm_metadata=[reference])["image"]
    ours = adapted(HistogramMatching(p=1, blend_ratio=[0.8, 0.8]), reference=reference)
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_a_matched_image_has_the_quantiles_of_its_reference() -> None:
    made = adapted(HistogramMatching(p=1, blend_ratio=[1, 1]))
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        quantiles = (np.quantile(image, share, axis=(0, 1)) for image in (made, TEMPLE))
        np.testing.assert_allclose(*quantiles, atol=6)


@pytest.mark.parametrize("kind", ["pca", "standard", "minmax"])
def test_colours_get_the_distribution_of_the_reference(kind: str) -> None:
    dim = TEMPLE // 2 + 50  # far from black and white, so that nothing is cut off
    made = adapted(PixelDistributionAdaptation(p=1, blend_ratio=[1, 1], transform_type=kind), reference=dim)
    own, other = (image.reshape(-1, 3).astype(np.float64) for image in (made, dim))
    if kind == "minmax":
        np.testing.assert_allclose([own.min(0), own.max(0)], [other.min(0), other.max(0)], atol=0.6)
        return
    np.testing.assert_allclose(own.mean(0), other.mean(0), atol=0.6)
    np.testing.assert_allclose(own.std(0), other.std(0), atol=0.6)
    if kind == "pca":
        np.testing.assert_allclose(np.cov(own.T), np.cov(other.T), rtol=0.05, atol=8)


@pytest.mark.parametrize("kind", ["pca", "standard", "minmax"])
def test_a_flat_image_takes_the_level_of_the_reference(kind: str) -> None:
    flat = np.full((20, 20, 3), 100, np.uint8)
    made = adapted(PixelDistributionAdaptation(p=1, blend_ratio=[1, 1], transform_type=kind), image=flat)
    expected = TEMPLE.min((0, 1)) if kind == "minmax" else TEMPLE.mean((0, 1))
    np.testing.assert_allclose(made[0, 0], expected, atol=0.6)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_channels_and_both_depths_stay_as_they_are(kind: Any, channels: int, dtype: Any) -> None:
    scale = 1 if dtype == np.uint8 else 257
    image, reference = (
        np.dstack([photograph, photograph[..., :1]])[..., :channels].astype(dtype) * dtype(scale)
        for photograph in (FLOWER, TEMPLE)
    )
    made = adapted(kind(p=1), image, reference)
    assert made.dtype == dtype and made.shape == image.shape
    assert (made != image).any()
    eight_bits = adapted(kind(p=1), FLOWER, TEMPLE)
    if channels == 3:
        assert np.abs(made / scale - eight_bits).max() < 1.01


class Photographs:
    """A split of crops."""

    name = "train"

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        photograph = (FLOWER, TEMPLE)[index % 2]
        image = photograph[index : index + 40, index : index + 50].copy()
        return {"image": image, "index": index, "mask": (image[..., 0] > 99).astype(np.uint8), "label": index}


@pytest.mark.parametrize("kind", ALL)
def test_the_reference_is_another_sample_of_the_split_and_only_the_image_changes(kind: Any) -> None:
    split = Photographs()
    dataset = Augmentations(train={"it": kind(p=0.5)}).dataset(split, "train", seed=1)
    keys = [(epoch, index) for epoch in range(4) for index in range(6)]
    made = {key: dataset[key]["image"].numpy() for key in keys}
    for key in reversed(keys):
        np.testing.assert_array_equal(dataset[key]["image"], made[key])
    changed = [(image != split[index]["image"].transpose(2, 0, 1)).any() for (_, index), image in made.items()]
    assert 0.15 < np.mean(changed) < 0.75
    np.testing.assert_array_equal(dataset[keys[-1]]["mask"], split[5]["mask"])
    assert dataset[keys[-1]]["label"] == 5


def test_they_are_chosen_by_words() -> None:
    words = ["fda", "histogram_matching", "pixel_distribution_adaptation"]
    train = Parts(
        [
            f"+transform@augs.train={'+'.join(words)}",
            "augs.train.fda.beta_limit=[0.0,0.3]",
            "augs.train.pixel_distribution_adaptation.transform_type=minmax",
        ]
    ).augs.train
    assert train["fda"].beta_limit == [0.0, 0.3]
    assert train["pixel_distribution_adaptation"].transform_type.value == "minmax"


def test_bad_fields_are_refused() -> None:
    with pytest.raises(FieldError, match=r"beta_limit must be two rising numbers from 0.0 to 0.5, got \[0, 0.7\]"):
        FourierAdaptation(beta_limit=[0, 0.7])
    with pytest.raises(FieldError, match=r"blend_ratio must be two rising numbers from 0.0 to 1.0, got \[0.9, 0.1\]"):
        HistogramMatching(blend_ratio=[0.9, 0.1])
    with pytest.raises(FieldError, match="transform_type must be one of pca, standard, minmax, got 'cpa'"):
        PixelDistributionAdaptation(transform_type="cpa")
    with pytest.raises(FieldError, match="p must be at most 1, got 2"):
        FourierAdaptation(p=2)
    with pytest.raises(DataError, match="the image has 3 channels and its reference 1"):
        adapted(HistogramMatching(p=1), reference=TEMPLE[..., :1])
