"""The sheet of samples, and what is drawn of mixed labels and masks and of images of other kinds."""

from __future__ import annotations

import numpy as np
import pytest

from dltools.visualizers import Picture
from dltools.visualizers.layout import MARGIN, STRIP
from dltools.visualizers.overlay import classes_of, draw_mask, enlarge, label_of
from dltools.visualizers.palette import PAPER, colour_of
from dltools.visualizers.samples import draw_samples

NAMES = ["cat", "dog", "owl", "ant"]
GREY = np.full((64, 64, 3), 128, np.uint8)


def shares(mask: np.ndarray, classes: int) -> np.ndarray:
    """Return a mask as shares (classes, H, W); ignored pixels are 255 in all of them."""
    return np.where(mask == 255, np.uint8(255), mask == np.arange(classes)[:, None, None]).astype(np.float32)


def test_rows_are_samples_and_columns_have_titles() -> None:
    pictures = [
        [Picture(np.full((32, 64, 3), 40 * row + 10 * column, np.uint8)) for column in range(3)] for row in (0, 1)
    ]
    sheet = draw_samples(pictures, ["a", "b", "c"], min_side=128)
    assert sheet.shape == (2 * (64 + STRIP + MARGIN) + MARGIN, 3 * (128 + MARGIN) + MARGIN, 3)
    for row in (0, 1):
        top = MARGIN + row * (64 + STRIP + MARGIN) + STRIP
        for column in range(3):
            left = MARGIN + column * (128 + MARGIN)
            assert (sheet[top : top + 64, left : left + 128] == 40 * row + 10 * column).all()
            assert (sheet[top - STRIP : top, left : left + 128] != PAPER).any(), "a title stands over each"


def test_pictures_of_several_sizes_are_centred() -> None:
    sheet = draw_samples([[Picture(GREY), Picture(GREY[:, :32])]], ["a", "b"], min_side=64)
    second = sheet[MARGIN + STRIP : -MARGIN, 2 * MARGIN + 64 : -MARGIN]
    assert second.shape == (64, 64, 3)
    assert (second[:, 16:48] == 128).all() and (second[:, :16] == PAPER).all()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (2, "owl"),
        (np.int64(9), "9"),
        (np.array([0, 0, 1, 0], np.float32), "owl"),
        (np.array([0.3, 0.7, 0, 0], np.float32), "70% dog + 30% cat"),
        (np.array([0.25, 0.2, 0.05, 0.5], np.float32), "50% ant + 25% cat + 20% dog"),
        (np.array([0.999, 0.001, 0, 0], np.float32), "cat"),
    ],
)
def test_a_label_is_named_with_its_shares(label: np.ndarray, words: str) -> None:
    assert label_of(label, NAMES) == words


def test_shares_of_one_class_each_are_drawn_like_its_ids() -> None:
    mask = np.random.default_rng(0).integers(0, 4, (16, 16)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    mask[:, 48:] = 255
    np.testing.assert_array_equal(draw_mask(GREY, shares(mask, 4)), draw_mask(GREY, mask))
    assert classes_of(shares(mask, 4)) == classes_of(mask) == [1, 2, 3]


def test_a_share_is_drawn_as_faint_as_it_is() -> None:
    mask = np.zeros((3, 64, 64), np.float32)
    mask[2, :, 32:] = 0.4
    drawn = draw_mask(GREY, mask)
    np.testing.assert_array_equal(drawn[:, :32], GREY[:, :32])
    for column, opacity in ((50, 0.2), (32, 0.4)):  # within, and on the outline
        np.testing.assert_allclose(drawn[30, column], 128 + opacity * (np.array(colour_of(2)) - 128), atol=1)


def test_the_legend_names_the_classes_of_shares() -> None:
    mask = shares(np.full((64, 64), 3), 4)
    sheet = draw_samples([[Picture(GREY, {"mask": mask}, names=NAMES)]], ["a"], min_side=64)
    assert (sheet[64 + STRIP + 2 * MARGIN :] == colour_of(3)).all(-1).any()


def test_images_of_16_bits_look_like_those_of_8() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    for scale in (0.5, 1.0, 4.0):
        np.testing.assert_array_equal(enlarge(image.astype(np.uint16) * 257, scale), enlarge(image, scale))


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (4, [0, 1, 2]), (7, [0, 0, 0])])
def test_of_other_than_three_channels_three_or_one_are_shown(channels: int, shown: list[int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, channels)).astype(np.uint8)
    np.testing.assert_array_equal(enlarge(image, 1.0), image[..., shown])
