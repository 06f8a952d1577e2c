"""Every data set of image files reads them alike: of any kind, in the channels and bits that are asked for."""

import io
import json
import pickle
from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.cfgutils import DataError, FieldError
from dltools.data.coco import Coco
from dltools.data.folder import Folder
from dltools.data.folder_masks import FolderMasks
from dltools.data.images import Channels, read_image
from dltools.data.manifest import Manifest
from dltools.data.voc import Voc
from dltools.data.yolo import Yolo

PHOTO = load_sample_image("china.jpg")[100:148, 200:264]
WIDE = PHOTO.astype(np.uint16) * 256 + np.arange(64, dtype=np.uint16)[:, None] * 3
CLEAR = np.dstack([PHOTO, np.broadcast_to(np.arange(64, dtype=np.uint8), (48, 64))])
NAMES = ["background", "roof"]
XML = "<annotation><object><name>cat</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>"


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


RGB = Image.fromarray(PHOTO)
KINDS = {
    "8 bits": encoded(RGB, "PNG"),
    "16 bits": cv2.imencode(".png", WIDE[..., ::-1])[1].tobytes(),
    "16 bits of grey": cv2.imencode(".tiff", WIDE[..., 1])[1].tobytes(),
    "rgba": encoded(Image.fromarray(CLEAR), "PNG"),
    "turned": encoded(Image.fromarray(np.rot90(PHOTO)), "JPEG", exif=turned()),
    "palette": encoded(RGB.convert("P"), "PNG"),
    "cmyk": encoded(RGB.convert("CMYK"), "JPEG"),
}


def folder(root: Path, write):
    write(root / "train/cat")
    return Folder, {}


def folder_masks(root: Path, write):
    write(root / "train/images")
    (root / "train/masks").mkdir()
    for place in range(len(KINDS)):
        Image.fromarray(PHOTO[..., 0] // 128).save(root / f"train/masks/{place}.png")
    return FolderMasks, {"class_names": NAMES}


def coco(root: Path, write):
    files = write(root / "train2017")
    images = [{"id": at, "file_name": name, "width": 64, "height": 48} for at, name in enumerate(files)]
    objects = [{"id": at, "image_id": at, "category_id": 1, "bbox": [1, 2, 19, 28]} for at in range(len(files))]
    content = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cat"}]}
    (root / "annotations").mkdir()
    (root / "annotations/instances_train2017.json").write_text(json.dumps(content))
    return Coco, {}


def voc(root: Path, write):
    files = write(root / "JPEGImages")
    for name in ("Annotations", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    for name in files:
        (root / "Annotations" / name).with_suffix(".xml").write_text(f"{XML}</object></annotation>")
    (root / "ImageSets/Main/train.txt").write_text("\n".join(name.removesuffix(".png") for name in files))
    return Voc, {"suffix": ".png"}


def yolo(root: Path, write):
    files = write(root / "images")
    (root / "labels").mkdir()
    for name in files:
        (root / "labels" / name).with_suffix(".txt").write_text("0 0.5 0.5 0.2 0.4")
    (root / "data.yaml").write_text("{train: images, names: [cat]}")
    return Yolo, {}


def manifest(root: Path, write):
    files = write(root / "files")
    (root / "manifest.csv").write_text("\n".join(["path,label", *(f"files/{name},cat" for name in files)]))
    return Manifest, {"val_fraction": 0, "test_fraction": 0}


LAYOUTS = [folder, folder_masks, coco, voc, yolo, manifest]


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.__name__)
def data(request, tmp_path):
    """A function that gives the data set, and the paths of its images in order."""
    paths = []

    def write(place):
        place.mkdir(parents=True)
        for number, content in enumerate(KINDS.values()):
            paths.append(place / f"{number}.png")  # the name lies about some: the first bytes count
            paths[-1].write_bytes(content)
        return [path.name for path in paths]

    kind, fields = request.param(tmp_path, write)
    return lambda **more: kind(root=str(tmp_path), **fields, **more), paths


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", ["rgb", "grey", "rgba"])
def test_images_of_each_kind_have_the_channels_and_bits_that_are_asked_for(data, channels, bits):
    make, paths = data
    provider = make(channels=channels, bits=bits)
    split = pickle.loads(pickle.dumps(provider.split("train")))
    assert len(split) == len(KINDS) and provider.in_channels == {"rgb": 3, "grey": 1, "rgba": 4}[channels]
    for sample, path in zip(split, paths, strict=True):
        assert sample["image"].shape == (48, 64, provider.in_channels) and sample["image"].dtype == f"uint{bits}"
        assert np.array_equal(sample["image"], read_image(path, Channels(channels), bits))


def test_what_is_written_comes_back(data):
    make, _ = data
    plain, wide = make().split("train"), make(bits=16).split("train")
    assert np.array_equal(plain[0]["image"], PHOTO) and np.array_equal(wide[0]["image"], PHOTO * np.uint16(257))
    assert np.array_equal(wide[1]["image"], WIDE) and np.array_equal(plain[1]["image"], WIDE >> 8)
    assert np.array_equal(make(channels="rgba").split("train")[3]["image"], CLEAR)


def test_damaged_and_huge_images_are_named(data):
    make, paths = data
    with pytest.raises(DataError, match=rf"{paths[0]} has 64 x 48 pixels; at most 3,071 are decoded"):
        make(max_pixels=64 * 48 - 1).split("train")[0]
    paths[0].write_bytes(paths[0].read_bytes()[:500])
    with pytest.raises(DataError, match=rf"{paths[0]} cannot be decoded \(500 bytes\)"):
        make().split("train")[0]


def test_channels_and_bits_that_there_are_not_are_refused(data):
    make, _ = data
    with pytest.raises(FieldError, match="bits must be 8 or 16, got 12"):
        make(bits=12)
    with pytest.raises(FieldError, match=r"channels must be one of .*, got 'gray'\. Did you mean 'grey'"):
        make(channels="gray")


def test_16_bits_reach_the_model_as_numpy_would_compute_them(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 65536, (4, 48, 64, 3)).astype(np.uint16)
    (tmp_path / "train/cat").mkdir(parents=True)
    for place, image in enumerate(images):
        cv2.imwrite(str(tmp_path / f"train/cat/{place}.png"), image[..., ::-1])
    augs = Augmentations(train={"flip": A.HorizontalFlip(p=1)}, mean=[0.4, 0.5, 0.6], std=[0.2, 0.25, 0.3])
    dataset = augs.dataset(Folder(root=str(tmp_path), bits=16).split("train"), "train", seed=0)
    batch = collate([dataset[0, index] for index in range(4)])
    assert batch["image"].dtype == torch.uint16
    expected = (images[:, :, ::-1].astype(np.float64) / 65535 - augs.mean) / augs.std
    assert np.allclose(augs.normalize(batch["image"]).permute(0, 2, 3, 1), expected, rtol=0, atol=1e-6)
