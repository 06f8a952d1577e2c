"""Folders of images and masks with everything wrong that can be: each has its kind and its message."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from dltools.data.doctor import examine
from dltools.data.folder import Folder
from dltools.data.folder_masks import FolderMasks


@pytest.fixture
def pets(tmp_path, save):
    """Return a sound data set of a folder for each class."""
    number = 0
    for split in ("train", "val", "test"):
        for name in ("cat", "dog"):
            for place in range(3):
                number += 1
                save(tmp_path / split / name / f"{place}.png", number)
    return tmp_path


@pytest.fixture
def cells(tmp_path, save):
    """Return a sound data set of images and masks of background and cell."""
    mask = np.zeros((60, 80), np.uint8)
    mask[10:30, 20:50] = 1
    for number, split in enumerate(("train", "val", "test")):
        for place in range(3):
            save(tmp_path / split / "images" / f"{place}.png", 3 * number + place)
            save(tmp_path / split / "masks" / f"{place}.png", mask)
    return tmp_path


def masks(root):
    return FolderMasks(root=str(root), class_names=["background", "cell"])


def bomb(path: Path, side: int) -> None:
    """Write the head of a PNG that tells of `side` x `side` pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (head, pixels)
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def test_nothing_is_found_in_a_sound_data_set(pets, found):
    assert found(Folder(root=str(pets))) == []


def test_nothing_is_found_in_sound_masks(cells, found):
    assert found(masks(cells)) == []


def test_a_file_that_cannot_be_decoded_is_an_error_and_the_rest_is_read(pets):
    bad = pets / "train/cat/1.png"
    bad.write_bytes(b"<html>404</html>")
    report = examine(Folder(root=str(pets)))
    [finding] = report.findings
    assert (finding.severity, finding.kind, finding.split, finding.index) == ("error", "undecodable", "train", 1)
    assert finding.file == str(bad)
    assert finding.message == (
        f"{bad} cannot be decoded (16 bytes): it begins with 3c 68 74 6d. "
        "Expected a whole JPEG, PNG, TIFF, WebP, BMP or GIF."
    )
    assert (report.splits["train"].samples, report.splits["train"].read) == (6, 5)


def test_a_file_that_is_cut_short_is_an_error(pets, found):
    bad = pets / "val/dog/0.png"
    bad.write_bytes(bad.read_bytes()[:300])
    [(severity, kind, *place, message)] = found(Folder(root=str(pets)))
    assert (severity, kind, *place) == ("error", "undecodable", "val", 3)
    assert message.startswith(f"{bad} cannot be decoded (300 bytes): it is damaged, cut short")


def test_a_file_that_vanishes_is_an_error(pets, found):
    data = Folder(root=str(pets))
    split = data.split("train")
    (pets / "train/dog/0.png").unlink()
    data._split = {"train": split, "val": data.split("val"), "test": data.split("test")}.get  # type: ignore[method-assign]
    [row] = found(data)
    path = pets / "train/dog/0.png"
    assert row == ("error", "missing", "train", 3, f"{path} cannot be read: No such file or directory.")


def test_a_bomb_is_refused_by_a_limit_that_the_message_names(pets, found):
    bad = pets / "train/cat/0.png"
    bomb(bad, 60_000)
    message = "{} has {} x {} pixels; at most {} are decoded. Set data.max_pixels higher if the file is to be trusted."
    assert found(Folder(root=str(pets))) == [
        ("error", "too_large", "train", 0, message.format(bad, 60000, 60000, "178,956,970"))
    ]
    small = found(Folder(root=str(pets), max_pixels=4799))
    assert small[1] == (
        "error", "too_large", "train", 1, message.format(pets / "train/cat/1.png", 80, 60, "4,799")
    )  # fmt: skip
    assert {row[1] for row in small} == {"too_large"} and len(small) == 18


def test_the_same_image_twice_in_a_split_is_a_warning_that_names_the_other(pets, save, found):
    save(pets / "train/dog/2.png", 2)
    assert found(Folder(root=str(pets))) == [
        ("warning", "duplicate", "train", 5, f"its image has the pixels of train[1] ({pets}/train/cat/1.png)")
    ]


@pytest.mark.parametrize("split", ["val", "test"])
def test_an_image_of_train_in_another_split_is_an_error(pets, save, found, split):
    save(pets / split / "cat/0.bmp", 2)
    assert found(Folder(root=str(pets))) == [
        (
            "error",
            "leak",
            split,
            0,
            f"its image has the pixels of train[1] ({pets}/train/cat/1.png); it may be in one of the two only",
        )
    ]


def test_images_in_both_val_and_test_are_counted_in_a_note(pets, save, found):
    for place in range(3):
        save(pets / f"test/dog/{place}.png", 7 + place)
    assert found(Folder(root=str(pets))) == [
        ("note", "shared", "", None, "val and test share 3 images; a test on what has chosen the best epoch flatters")
    ]


def test_images_of_one_colour_are_told_of_and_are_no_copies_of_each_other(pets, save, found):
    for path in ("train/cat/0.png", "train/cat/1.png", "val/cat/0.png"):
        save(pets / path, np.full((60, 80, 3), 9, np.uint8))
    message = "all 4,800 pixels are [9, 9, 9]"
    places = (("train", 0), ("train", 1), ("val", 0))
    assert found(Folder(root=str(pets))) == [("warning", "blank", *place, message) for place in places]


def test_a_missing_test_split_is_a_note_and_a_missing_val_split_an_error(pets, found):
    (pets / "test").rename(pets / "tset")
    hint = "'{}' holds train, tset, val. Did you mean 'tset'? Training needs policy.test=false then."
    assert found(Folder(root=str(pets))) == [
        (
            "note",
            "no_test",
            "test",
            None,
            f"data.root: there is no '{pets}/test'; expected the folder test. {hint.format(pets)}",
        )
    ]
    (pets / "val").rename(pets / "valid")
    rows = found(Folder(root=str(pets)))
    assert rows[0][:4] == ("error", "missing", "val", None)
    assert rows[0][4].startswith(f"data.root: there is no '{pets}/val'; expected the folder val.")


def test_a_root_that_is_not_there_is_told_once(tmp_path):
    report = examine(Folder(root=str(tmp_path / "nowhere")))
    [finding] = report.findings
    assert (finding.kind, finding.split) == ("missing", "train")
    assert finding.message.startswith(f"data.root: there is no '{tmp_path}/nowhere'; expected the folder train.")
    assert (report.about, report.splits) == (None, {})


def test_a_class_folder_of_val_that_train_has_not_is_an_error_of_the_split(pets, save, found):
    save(pets / "val/catt/0.png", 40)
    assert found(Folder(root=str(pets))) == [
        (
            "error",
            "unknown_class",
            "val",
            None,
            f"data.root: {pets}/val/catt is no class of the training split; its classes are cat, dog. "
            "Did you mean 'cat'?",
        )
    ]


def test_a_class_without_images_in_train_is_a_warning(pets, found):
    for path in (pets / "train/dog").iterdir():
        path.unlink()
    message = "'dog' (id 1) has 3 images, and none in train"
    assert found(Folder(root=str(pets))) == [
        ("warning", "unseen_class", "val", None, message),
        ("warning", "unseen_class", "test", None, message),
    ]
    for path in (*(pets / "val/dog").iterdir(), *(pets / "test/dog").iterdir()):
        path.unlink()
    assert found(Folder(root=str(pets))) == [
        ("warning", "unused_class", "train", None, "'dog' (id 1) has no images; it cannot be learned")
    ]


def test_a_class_that_is_rare_beside_another_is_a_note(pets, save, found):
    for place in range(160):
        save(pets / f"train/cat/more{place}.png", 30 + place)
    rows = found(Folder(root=str(pets)))
    assert rows == [
        ("note", "imbalance", "train", None, "'dog' (id 1) has 3 images, one for 54 of 'cat'"),
    ]


def test_a_mask_that_is_missing_is_an_error(cells, found):
    (cells / "train/masks/1.png").unlink()
    assert found(masks(cells)) == [
        (
            "error",
            "missing",
            "train",
            1,
            f"{cells}/train/masks/1.png is missing; there must be a mask of that name for {cells}/train/images/1.png "
            "(sample 1).",
        )
    ]


def test_a_mask_of_another_size_is_an_error(cells, save, found):
    save(cells / "val/masks/2.png", np.ones((50, 80), np.uint8))
    assert found(masks(cells)) == [
        (
            "error",
            "size",
            "val",
            2,
            f"{cells}/val/masks/2.png is 80 x 50 but it is the mask of {cells}/val/images/2.png (sample 2), which is "
            "80 x 60; they must be of one size.",
        )
    ]


def test_a_mask_with_an_id_that_is_no_class_is_an_error(cells, save, found):
    save(cells / "train/masks/0.png", np.full((60, 80), 2, np.uint8))
    assert found(masks(cells)) == [
        (
            "error",
            "unknown_class",
            "train",
            0,
            f"{cells}/train/masks/0.png, the mask of {cells}/train/images/0.png (sample 0), has class id 2; ids must "
            "be below 2, the number of classes, or 255 to ignore.",
        )
    ]


def test_a_mask_that_is_a_photograph_is_an_error(cells, save, found):
    save(cells / "train/masks/0.png", 33)
    assert found(masks(cells)) == [
        (
            "error",
            "form",
            "train",
            0,
            f"{cells}/train/masks/0.png is of mode RGB; a mask must be a grey or palette image whose values are class "
            "ids.",
        )
    ]


@pytest.mark.parametrize(
    ("top", "bottom", "message"),
    [
        (0, 0, "its mask is 'background' everywhere"),
        (255, 255, "its mask is 255 everywhere, which is ignored"),
        (0, 255, "its mask is 'background' or ignored everywhere"),
    ],
)
def test_a_mask_that_marks_nothing_is_a_warning(cells, save, found, top, bottom, message):
    mask = np.full((60, 80), top, np.uint8)
    mask[30:] = bottom
    save(cells / "train/masks/0.png", mask)
    assert found(masks(cells)) == [("warning", "empty_mask", "train", 0, message)]
