"""Pascal VOC: a folder written by the test around a real photograph, read back equal, and refused where it is wrong."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.data.voc import Voc

PHOTO = load_sample_image("china.jpg")[100:150, :80]
MASK = np.zeros((50, 80), np.uint8)
MASK[10:30, 5:25] = 12
MASK[30, 5:25] = 255
DOG = ("dog", "0", 6, 11, 25, 30)
PERSON = ("person", "1", 1, 1, 80, 50)
PART = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"


def xml(*objects, size=(80, 50)):
    rows = [
        f"<object><name>{name}</name>{PART}<difficult>{difficult}</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, difficult, x1, y1, x2, y2 in objects
    ]
    head = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    return f"<annotation><filename>ignored.jpg</filename>{head}{''.join(rows)}</annotation>"


@pytest.fixture
def root(tmp_path):
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    for place, name in enumerate(("2008_1", "2008_2")):
        Image.fromarray(np.roll(PHOTO, place, axis=0)).save(tmp_path / "JPEGImages" / f"{name}.png")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(xml(DOG, PERSON) if place == 0 else xml())
    mask = Image.fromarray(MASK, mode="P")
    mask.putpalette([channel for value in range(256) for channel in (value, 255 - value, 0)])
    mask.save(tmp_path / "SegmentationClass/2008_1.png")
    (tmp_path / "ImageSets/Main/train.txt").write_text("2008_2  1\n2008_1 -1\n\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("2008_2\n")
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("2008_1\n")
    return tmp_path


def voc(root: Path, **fields) -> Voc:
    return Voc(root=str(root), suffix=".png", **fields)


def test_objects_come_in_pixels_counted_from_zero(root):
    split = voc(root).split("train")
    empty, sample = split[0], split[1]
    assert np.array_equal(sample["image"], PHOTO) and sample["index"] == 1
    assert sample["boxes"].tolist() == [[5, 10, 25, 30], [0, 0, 80, 50]]
    assert [voc(root).class_names[label] for label in sample["labels"]] == ["dog", "person"]
    assert sample["iscrowd"].tolist() == [False, True]
    kinds = {name: sample[name].dtype.name for name in ("boxes", "labels", "iscrowd")}
    assert kinds == {"boxes": "float32", "labels": "int64", "iscrowd": "bool"}
    assert {name: empty[name].dtype.name for name in kinds} == kinds and empty["boxes"].shape == (0, 4)
    assert [split.num_objects(index) for index in range(2)] == [0, 2]
    assert np.array_equal(pickle.loads(pickle.dumps(split))[1]["boxes"], sample["boxes"])
    assert len(voc(root).split("test")) == 1, "the list of the validation"


def test_objects_are_known_without_reading_the_images_and_empty_ones_may_be_left_out(root):
    samples = list(voc(root).split("train"))
    for path in (root / "JPEGImages").iterdir():
        path.unlink()
    split = voc(root).split("train")
    for key in ("labels", "boxes", "iscrowd"):
        assert all(map(np.array_equal, split.column(key), [sample[key] for sample in samples]))
    assert split.column("mask") is None and not split.column("labels")[0].size
    assert voc(root, background_images=False).split("train").names == ["2008_1"]


def test_masks_are_the_places_in_the_palette(root):
    data = voc(root, masks=True, sets="Segmentation")
    sample = data.split("train")[0]
    assert np.array_equal(sample["mask"], MASK) and data.mask_names[12] == "dog" and len(data.mask_names) == 21
    x1, y1, x2, y2 = sample["boxes"][0].astype(int)
    assert (MASK[y1:y2, x1:x2] == 12).all() and (MASK == 12).sum() == (x2 - x1) * (y2 - y1), "the box fits the mask"


def test_classes_may_be_others_and_corners_fractions(root):
    (root / "Annotations/2008_1.xml").write_text(xml(("cell", "0", 1.5, 2, 3.25, 4), size=None))
    sample = voc(root, class_names=["wall", "cell"]).split("train")[1]
    assert sample["labels"].tolist() == [1] and sample["boxes"].tolist() == [[0.5, 1, 3.25, 4]]


def test_an_object_without_a_mark_is_not_difficult(root):
    (root / "Annotations/2008_1.xml").write_text(xml(DOG).replace("<difficult>0</difficult>", ""))
    assert voc(root).split("train")[1]["iscrowd"].tolist() == [False]


ENTITY = '<!DOCTYPE a [<!ENTITY x "dog">]>' + xml(DOG).replace(">dog<", ">&x;<")
BAD = {
    "class": (xml(("dogs", "0", 1, 1, 9, 9)), r"object 0: name 'dogs' is not in data\.class_names.*Did you mean 'dog'"),
    "nothing covered": (xml(DOG, ("dog", "0", 9, 9, 8, 30)), r"\(sample 1\): the bndbox of object 1 covers nothing"),
    "outside": (xml(("dog", "0", 90, 9, 99, 30)), "object 0 covers nothing of the image of 80 x 50"),
    "word": (xml(("dog", "0", "x", 9, 8, 30)), "object 0: bndbox/xmin must be a number; got 'x'"),
    "nan": (xml(("dog", "0", "nan", 9, 8, 30)), "object 0: bndbox/xmin must be a number; got 'nan'"),
    "no corner": (xml(DOG).replace("xmax", "xmay"), "object 0: bndbox/xmax must be a number; it is missing"),
    "difficult": (xml(("dog", "no", 1, 1, 8, 30)), "object 0: difficult must be a number; got 'no'"),
    "size": (xml(DOG, size=(50, 80)), r" \(sample 1\) has size \(50, 80\), but .* is 80 x 50"),
    "cut short": (xml(DOG)[:60], "is no whole XML of annotations"),
    "empty": ("", "is no whole XML of annotations"),
    "entity": (ENTITY, "it has a DOCTYPE"),
    "entity in 16 bits": (ENTITY.encode("utf-16"), "it has a DOCTYPE"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_with_an_annotation_file_is_told(root, content, message):
    (root / "Annotations/2008_1.xml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=rf"2008_1\.xml.*{message}"):
        voc(root).split("train")[1]


def test_missing_files_are_told(root):
    split = voc(root, masks=True).split("train")
    with pytest.raises(DataError, match=r"SegmentationClass/2008_2\.png is missing"):
        split[0]
    (root / "JPEGImages/2008_1.png").unlink()
    with pytest.raises(DataError, match=r"train\.txt: sample 1: there is no file '.*2008_1\.png'; data\.suffix"):
        split[1]
    (root / "Annotations/2008_1.xml").unlink()
    with pytest.raises(DataError, match=r"2008_1\.xml cannot be read: No such file .*; each image must have one"):
        split[1]
    with pytest.raises(DataError, match=r"there is no '.*Main/test\.txt'; expected the list of images test\.txt"):
        voc(root, test="test").split("test")


@pytest.mark.parametrize("name", ["../elsewhere", "{root}/elsewhere", "link"])
def test_no_file_is_read_from_elsewhere_unless_allowed(root, name):
    Image.fromarray(PHOTO).save(root / "elsewhere.png")
    (root / "JPEGImages/link.png").symlink_to(root / "elsewhere.png")
    for place in ("elsewhere.xml", "Annotations/link.xml"):
        (root / place).write_text(xml(DOG))
    (root / "ImageSets/Main/val.txt").write_text(name.format(root=root))
    with pytest.raises(DataError, match=r"val\.txt: sample 0: '.*' leads out of the data .* set data\.outside=true"):
        voc(root).split("val")[0]
    assert np.array_equal(voc(root, outside=True).split("val")[0]["image"], PHOTO)


def test_an_empty_list_is_told(root):
    (root / "ImageSets/Main/val.txt").write_text("\n")
    with pytest.raises(DataError, match=r"val\.txt is empty"):
        voc(root).split("val")


def test_ids_beyond_the_classes_are_told(root):
    with pytest.raises(DataError, match=r"2008_1\.png.* has class id 12"):
        voc(root, masks=True, sets="Segmentation", class_names=["person", "dog"]).split("train")[0]


def test_the_fingerprint_follows_the_files(root):
    prints = {voc(root).fingerprint, voc(root, masks=True).fingerprint}
    (root / "Annotations/2008_2.xml").write_text(xml(DOG))
    prints.add(voc(root).fingerprint)
    (root / "ImageSets/Main/val.txt").write_text("2008_2\n2008_1\n")
    prints.add(voc(root).fingerprint)
    assert len(prints) == 4 and voc(root).fingerprint in prints


def test_fields_that_cannot_be_are_refused():
    with pytest.raises(FieldError, match="class_names"):
        Voc(root=".", class_names=[])
    with pytest.raises(FieldError, match="distance_maps"):
        Voc(root=".", distance_maps=True)
