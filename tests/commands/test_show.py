"""The sheet of samples that `dltools show` writes, looked at pixel by pixel."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dltools.__main__ import main
from dltools.commands import show
from dltools.commands.parts import Parts
from dltools.visualizers.layout import MARGIN, STRIP
from dltools.visualizers.palette import colour_of

SCENES = ["data.train_scenes=6", "data.val_scenes=3", "data.test_scenes=3"]


def sheet(out: Path, *words: str) -> Any:
    """Return the pixels of the sheet that some words give."""
    parser = argparse.ArgumentParser()
    show.add(parser)
    assert show.run(parser.parse_args([*words, "--out", str(out)])) == 0
    return np.asarray(Image.open(out))


def tile(pixels: Any, row: int, column: int, side: int = 256) -> Any:
    """Return one picture of a sheet without its caption."""
    top, left = MARGIN + row * (side + STRIP + MARGIN) + STRIP, MARGIN + column * (side + MARGIN)
    return pixels[top : top + side, left : left + side]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "figures" / "sheet.png"


def test_columns_are_the_sample_and_its_epochs_as_training_sees_them(out: Path, capsys: Any) -> None:
    words = ["task=classification", "augs=classification_light", "data_seed=3"]
    pixels = sheet(out, *words, "--count", "2", "--draws", "3", "--first", "5")
    parts = Parts(words)
    split = parts.data.split("train")
    dataset = parts.augs.dataset(split, "train", 3)
    for row, index in enumerate((5, 6)):
        wanted = [split[index]["image"], *(dataset[epoch, index]["image"].numpy()[0, ..., None] for epoch in range(3))]
        for column, image in enumerate(wanted):
            np.testing.assert_array_equal(tile(pixels, row, column), np.kron(image, np.ones((16, 16, 3), np.uint8)))
    assert pixels.shape == (2 * (256 + STRIP + MARGIN) + MARGIN, 4 * (256 + MARGIN) + MARGIN, 3)
    assert capsys.readouterr().out == f"Picture: {out}\n"


def test_boxes_are_drawn_in_the_colours_of_their_labels(out: Path) -> None:
    words = ["task=detection", "augs=none", "+transform@augs.train.horizontal_flip=horizontal_flip", *SCENES]
    pixels = sheet(out, *words, "augs.train.horizontal_flip.p=1", "--index", "4,1", "--draws", "1")
    split = Parts(words).data.split("train")
    for row, index in enumerate((4, 1)):
        sample = split[index]
        mirrored = [[64 - box[2], box[1], 64 - box[0], box[3]] for box in sample["boxes"].tolist()]
        for column, boxes in enumerate((sample["boxes"].tolist(), mirrored)):
            shown = tile(pixels, row, column)
            left, _, _, bottom = (round(value * 4) for value in boxes[-1])
            found = shown[bottom - 6, max(left - 1, 0) : left + 2]
            assert tuple(colour_of(int(sample["labels"][-1]))) in {tuple(pixel) for pixel in found.tolist()}


def test_masks_are_drawn_where_they_are_and_named_below(out: Path) -> None:
    words = ["task=segmentation", "augs=none", *SCENES]
    pixels = sheet(out, *words, "--count", "1", "--draws", "1", "--stage", "eval", "--split", "val")
    sample = Parts(words).data.split("val")[0]
    mask = np.kron(sample["mask"], np.ones((4, 4), np.uint8))
    image = np.kron(sample["image"], np.ones((4, 4, 1), np.uint8))
    for column in (0, 1):
        shown = tile(pixels, 0, column)
        np.testing.assert_array_equal(shown[mask == 0], image[mask == 0])
        for index in np.unique(mask[mask > 0]).tolist():
            colour = np.array(colour_of(index))
            inside = shown[mask == index]
            blended = np.abs(inside - (0.5 * image[mask == index] + 0.5 * colour)).max(1) <= 1
            outline = (inside == colour).all(1)
            assert (blended | outline).all() and blended.any() and outline.any()
    legend = pixels[256 + STRIP + 2 * MARGIN :]
    assert all((legend == colour_of(index)).all(-1).any() for index in np.unique(mask[mask > 0]).tolist())


def test_keypoints_are_drawn_on_the_crops_that_the_task_makes(out: Path) -> None:
    words = ["task=keypoints", "augs=keypoints_heavy", *SCENES]
    pixels = sheet(out, *words, "--count", "2", "--draws", "2")
    parts = Parts(words)
    split = parts.policy.prepare(parts.data.split("train"))
    dataset = parts.augs.dataset(split, "train", 0)
    for row in range(2):
        shown = [split[row]["keypoints"], *(dataset[epoch, row]["keypoints"].numpy() for epoch in range(2))]
        for column, keypoints in enumerate(shown):
            for joint, (x, y, visible) in enumerate(keypoints[0]):
                if visible:
                    place = (min(round(float(value) * 256 / 48), 255) for value in (y, x))
                    assert tuple(tile(pixels, row, column)[tuple(place)]) == colour_of(joint)


def test_mixed_labels_and_masks_are_drawn(out: Path) -> None:
    mixed = "+transform@augs.train.mixup=mixup"
    labels = sheet(out, "task=classification", "augs=none", mixed, "augs.train.mixup.p=1", "--count", "1")
    assert (labels[: MARGIN + STRIP, 256 + 2 * MARGIN :] > 200).any()
    masks = sheet(out, "task=segmentation", "augs=none", mixed, "augs.train.mixup.p=1", *SCENES, "--count", "1")
    assert masks.shape[0] > 256 + STRIP + 2 * MARGIN


def test_the_end_of_a_split_ends_the_rows(out: Path) -> None:
    pixels = sheet(out, "task=detection", *SCENES, "--split", "test", "--first", "1", "--count", "9", "--draws", "1")
    assert pixels.shape[0] == 2 * (256 + STRIP + MARGIN) + MARGIN


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["augs=clasification"], "'clasification' is no augs. Did you mean 'classification'"),
        (["task=classification", "augs.train.afine.p=1"], "no key 'afine' in augs.train. Did you mean 'affine'?"),
        (["task=classification", "augs.train.affine.p=7"], "p: Input should be less than or equal to 1, got 7, while"),
        (["task=detection", *SCENES, "--index", "2,6"], "no sample 6: split 'train' has 6 samples, counted from 0"),
        (["task=detection", *SCENES, "--first", "6"], "no sample 6: split 'train' has 6 samples, counted from 0"),
        (["+transform@augs.train.crop=crop"], "augs.train.crop failed on sample 0"),
    ],
)
def test_wrong_words_end_with_one_paragraph(words: list[str], message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["dltools", "show", *words, "--out", str(tmp_path / "it.png")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert str(caught.value.code).startswith("Error: ") and message in str(caught.value.code)
    assert "\n" not in str(caught.value.code)
    assert not (tmp_path / "it.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "sheet"], "must end with .png, .jpg or .webp, got 'sheet'"),
        (["--count", "0"], "must be a whole number of at least 1, got '0'"),
        (["--index", "1,x"], "must be a whole number of at least 0, got 'x'"),
        (["--split", "training"], "invalid choice: 'training'"),
    ],
)
def test_wrong_options_are_refused(words: list[str], message: str, capsys: Any) -> None:
    parser = argparse.ArgumentParser()
    show.add(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert message in capsys.readouterr().err
