"""What a split knows of all its samples is what each of them says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from dltools.data.arrays import Arrays
from dltools.data.digits import Digits
from dltools.data.folder import Folder
from dltools.data.idx import Idx
from dltools.data.manifest import Manifest


@pytest.fixture
def photographs(tmp_path):
    """A folder of digits for each class, a table of them, and arrays of the same."""
    images, labels = load_digits().images[:24].astype(np.uint8) * 15, load_digits().target[:24] % 3
    rows = ["path,label,split"]
    for split in ("train", "val", "test"):
        for at, (image, label) in enumerate(zip(images, labels, strict=True)):
            file = tmp_path / split / f"class{label}" / f"{at}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image)
            rows.append(f"{file.relative_to(tmp_path)},class{label},{split}")
        np.save(tmp_path / split / "images.npy", images)
        np.save(tmp_path / split / "labels.npy", labels)
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.mark.parametrize("make", [Folder, Manifest, Arrays], ids=lambda make: make.__name__)
def test_labels_are_known_without_reading_the_images(make, photographs):
    split = make(root=str(photographs)).split("val")
    assert split.column("label") == [sample["label"] for sample in split]
    assert split.column("group") is None


def test_labels_of_built_in_data_and_of_idx_files_are_known(idx_folder):
    for split in (Digits().split("test"), Idx(root=str(idx_folder)).split("train")):
        assert split.column("label") == [sample["label"] for sample in split]
        assert split.column("mask") is None
