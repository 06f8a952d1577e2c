"""Splits name the file of a sample without reading it: what lies there is the sample's image."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.data.arrays import Arrays
from dltools.data.coco import Coco
from dltools.data.concat import Concat
from dltools.data.digits import Digits
from dltools.data.folder import Folder
from dltools.data.folder_masks import FolderMasks
from dltools.data.folds import Folds
from dltools.data.manifest import Manifest
from dltools.data.subset import Subset
from dltools.data.voc import Voc
from dltools.data.volumes import Volumes
from dltools.data.yolo import Yolo

PHOTO = load_sample_image("flower.jpg")


def images(folder: Path, count: int = 4) -> None:
    folder.mkdir(parents=True)
    for place in range(count):
        Image.fromarray(np.ascontiguousarray(PHOTO[:20, 30 * place : 30 * place + 30])).save(folder / f"{place}.png")


def folder(root):
    images(root / "train/a")
    return Folder(root=str(root))


def folder_masks(root):
    images(root / "train/images")
    (root / "train/masks").mkdir()
    for place in range(4):
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(root / f"train/masks/{place}.png")
    return FolderMasks(root=str(root), class_names=["background", "cell"])


def coco(root):
    images(root / "train")
    rows = [{"id": place, "file_name": f"{place}.png", "width": 30, "height": 20} for place in (3, 1, 0, 2)]
    content = {"images": rows, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
    (root / "train.json").write_text(json.dumps(content))
    return Coco(root=str(root), annotations="{split}.json", train="train")


def yolo(root):
    images(root / "images")
    (root / "labels").mkdir()
    (root / "labels/0.txt").write_text("0 0.5 0.5 0.5 0.5")
    (root / "data.yaml").write_text("train: images\nnames: [cat]\n")
    return Yolo(root=str(root))


def voc(root):
    images(root / "JPEGImages")
    (root / "Annotations").mkdir()
    for place in range(4):
        (root / f"Annotations/{place}.xml").write_text("<annotation></annotation>")
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text("2\n0\n3\n1\n")
    return Voc(root=str(root), suffix=".png")


def manifest(root):
    images(root / "all")
    rows = [f"all/{place}.png,cat" for place in (1, 3, 0, 2)]
    (root / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    return Manifest(root=str(root), val_fraction=0.0, test_fraction=0.0)


def subset(root):
    return Subset(source=folder(root), n=2, seed=5)


def folds(root):
    return Folds(source=folder(root), folds=2, seed=5)


def concat(root):
    return Concat(sources={"one": folder(root / "one"), "two": folder(root / "two")})


@pytest.mark.parametrize("make", [folder, folder_masks, coco, yolo, voc, manifest, subset, folds, concat])
def test_the_image_of_a_sample_lies_where_the_split_says(tmp_path, make):
    split = make(tmp_path).split("train")
    origins = [split.origin(index) for index in range(len(split))]
    assert len(set(origins)) == len(split) > 1
    for origin, sample in zip(origins, split, strict=True):
        np.testing.assert_array_equal(np.array(Image.open(origin)), sample["image"])


def test_a_file_that_is_not_there_is_named_too(tmp_path):
    split = coco(tmp_path).split("train")
    (tmp_path / "train/3.png").unlink()
    assert split.origin(0) == f"{tmp_path}/train/3.png"


def test_a_sample_of_an_array_or_volume_is_named_by_its_place(tmp_path):
    (tmp_path / "train").mkdir()
    np.save(tmp_path / "train/images.npy", np.zeros((9, 5, 6), np.uint8))
    np.save(tmp_path / "train/labels.npy", np.arange(9) % 2)
    split = Arrays(root=str(tmp_path), val_fraction=0.3, seed=1).split("val")
    assert [split.origin(at) for at in range(len(split))] == [
        f"{tmp_path}/train/images.npy, item {place}" for place in split.places
    ]
    for name in ("images", "masks"):
        (tmp_path / "scans/train" / name).mkdir(parents=True)
        for scan in ("a", "b"):
            np.save(tmp_path / f"scans/train/{name}/{scan}.npy", np.zeros((3, 5, 6), np.uint8))
    split = Volumes(root=str(tmp_path / "scans"), class_names=["background", "cell"], window=[0, 1], axis=0).split(
        "train"
    )
    assert split.origin(4) == f"{tmp_path}/scans/train/images/b.npy, slice 1"
    with pytest.raises(IndexError):
        split.origin(6)


def test_what_comes_from_no_file_has_no_name():
    assert Digits().split("val").origin(3) == ""
