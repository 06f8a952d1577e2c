"""Objects of COCO, YOLO and Pascal VOC with everything wrong that can be: each has its kind and its message."""

import json

import numpy as np
import pytest

from dltools.data.coco import Coco
from dltools.data.doctor import examine
from dltools.data.voc import Voc
from dltools.data.yolo import Yolo

SPLITS = ("train", "val", "test")
OUT = "leads out of the data in"
TRUST = "expected a path below it. If you trust the file, set data.outside=true."


class CocoFiles:
    """A sound COCO set of three images in each split, with rows to spoil before they are written."""

    def __init__(self, root, save):
        self.root = root
        self.content = {}
        for number, split in enumerate(SPLITS):
            names = [f"{place}.png" for place in range(3)]
            for place, name in enumerate(names):
                save(root / split / name, 3 * number + place)
            self.content[split] = {
                "images": [{"id": p, "file_name": name, "width": 80, "height": 60} for p, name in enumerate(names)],
                "annotations": [
                    {
                        "id": place,
                        "image_id": place,
                        "category_id": 1 + place % 2,
                        "bbox": [10, 20, 30, 20],
                        "segmentation": [[10, 20, 40, 20, 40, 40]],
                        "keypoints": [20, 30, 2, 0, 0, 0],
                    }
                    for place in range(3)
                ],
                "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}, {"id": 2, "name": "dog"}],
            }

    def change(self, split, section, place, **values):
        self.content[split][section][place].update(values)

    def data(self, **options):
        for split in SPLITS:
            (self.root / f"{split}.json").write_text(json.dumps(self.content[split]))
        return self.read(**options)

    def read(self, **options):
        names = {split: split for split in SPLITS}
        return Coco(root=str(self.root), annotations="{split}.json", **names, **options)


@pytest.fixture
def coco(tmp_path, save):
    return CocoFiles(tmp_path, save)


def test_nothing_is_found_in_a_sound_coco_set(coco, found):
    assert found(coco.data(masks=True)) == []


def test_an_image_of_coco_that_is_missing_is_an_error(coco, found):
    (coco.root / "train/0.png").unlink()
    assert found(coco.data()) == [
        (
            "error",
            "missing",
            "train",
            0,
            f"{coco.root}/train.json: image 0: there is no file '{coco.root}/train/0.png'; data.images must lead to "
            "the folder of the images.",
        )
    ]


def test_an_image_that_has_not_the_recorded_size_is_an_error(coco, found):
    coco.change("val", "images", 2, width=60, height=80)
    assert found(coco.data()) == [
        (
            "error",
            "size",
            "val",
            2,
            f"{coco.root}/val.json: image 2 must be 60 x 80 pixels, but {coco.root}/val/2.png is 80 x 60, turned as "
            "its EXIF orientation says.",
        )
    ]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "far/a.png"])
def test_a_path_that_leads_out_of_coco_is_an_error_that_names_the_field_which_allows_it(coco, found, path, tmp_path):
    (coco.root / "train/far").symlink_to("/etc")
    coco.change("train", "images", 0, file_name=path)
    [(severity, kind, *place, message)] = found(coco.data())
    assert (severity, kind, *place) == ("error", "leads_out", "train", 0)
    assert message.startswith(f"{coco.root}/train.json: image 0: '{path}' {OUT} '{coco.root}/train'")
    assert message.endswith(TRUST)


def test_a_box_of_coco_outside_of_its_image_is_an_error_of_the_split(coco, found):
    coco.change("val", "annotations", 1, bbox=[100, 20, 30, 20])
    assert found(coco.data()) == [
        (
            "error",
            "box",
            "val",
            None,
            f"{coco.root}/val.json: annotation 1 of image 1: bbox [100.0, 20.0, 30.0, 20.0] covers nothing of the "
            "image of 80 x 60 pixels; it must be x, y, width, height in pixels. 1 of 3 objects are so; "
            "data.skip_bad_boxes=true leaves them out.",
        )
    ]
    assert found(coco.data(skip_bad_boxes=True)) == []


def test_a_box_partly_outside_is_a_warning_unless_it_is_by_half_a_pixel(coco, found):
    coco.change("train", "annotations", 0, bbox=[-4, 20, 30, 20])
    coco.change("val", "annotations", 0, bbox=[-0.4, 20, 80.8, 20])
    assert found(coco.data()) == [
        (
            "warning",
            "box_partly",
            "train",
            0,
            "box 0, [-4, 20, 26, 40], reaches out of the image of 80 x 60 pixels; boxes are x1, y1, x2, y2",
        )
    ]


def test_a_keypoint_outside_is_a_warning(coco, found):
    coco.change("test", "annotations", 1, keypoints=[20, 30, 2, 90, 10, 1])
    assert found(coco.data()) == [
        (
            "warning",
            "keypoint_outside",
            "test",
            1,
            "keypoint 'tail' of object 0, [90, 10, 1], lies outside of the image of 80 x 60 pixels; its visibility "
            "must be 0 if it is not there",
        )
    ]


def test_a_number_of_coco_that_is_nan_is_an_error_of_the_split(coco, found):
    coco.change("train", "annotations", 0, bbox=[float("nan"), 20, 30, 20])
    rows = found(coco.data())
    assert rows == [
        (
            "error",
            "form",
            "train",
            None,
            f"{coco.root}/train.json: annotation 0: bbox must be four finite numbers x, y, width, height; got [nan, "
            "20, 30, 20].",
        )
    ]


def test_a_category_id_that_is_none_is_an_error_of_the_split(coco, found):
    coco.change("val", "annotations", 0, category_id=9)
    [(severity, _, *place, message)] = found(coco.data())
    assert (severity, *place) == ("error", "val", None)
    assert message == (
        f"{coco.root}/val.json: annotation 0: category_id must be the id of a category of the file, which are [1, 2]; "
        "got 9."
    )


def test_a_category_of_val_that_train_has_not_is_an_error_of_the_split(coco, found):
    coco.content["val"]["categories"][1]["name"] = "dgo"
    assert found(coco.data()) == [
        (
            "error",
            "unknown_class",
            "val",
            None,
            f"{coco.root}/val.json: category 'dgo' is no class of the training split; its classes are cat, dog. "
            "Did you mean 'dog'?",
        )
    ]


def test_broken_json_is_an_error_of_its_split_and_the_others_are_read(coco):
    coco.data()
    (coco.root / "val.json").write_text('{"images": [')
    report = examine(coco.read())
    [finding] = report.findings
    assert (finding.severity, finding.kind, finding.split) == ("error", "undecodable", "val")
    assert finding.message.startswith(f"{coco.root}/val.json is no whole JSON file (Expecting value")
    assert list(report.splits) == ["train", "test"]


def test_what_breaks_train_and_val_is_told_of_both(coco, found):
    coco.data()
    for split in ("train", "val"):
        (coco.root / f"{split}.json").write_text("{")
    rows = found(coco.read())
    assert [row[1:3] for row in rows] == [("undecodable", "train"), ("undecodable", "val")]


def test_a_class_without_objects_in_train_is_a_warning(coco, found):
    for split in SPLITS:
        coco.content[split]["categories"].append({"id": 3, "name": "cow"})
    coco.change("val", "annotations", 0, category_id=3)
    assert found(coco.data()) == [
        ("warning", "unseen_class", "val", None, "'cow' (id 2) has 1 object, and none in train")
    ]
    coco.change("val", "annotations", 0, category_id=2)
    assert found(coco.data()) == [
        ("warning", "unused_class", "train", None, "'cow' (id 2) has no objects; it cannot be learned")
    ]


def test_a_file_of_val_that_is_that_of_test_too_is_told_of_once(coco, found):
    coco.data()
    (coco.root / "val/1.png").write_bytes(b"no")
    rows = found(Coco(root=str(coco.root), annotations="{split}.json", train="train", val="val", test="val"))
    assert [row[1:4] for row in rows] == [("undecodable", "val", 1), ("shared", "", None)]


@pytest.fixture
def yolo(tmp_path, save):
    """Return a sound YOLO set of one image in each split, without its label files."""
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\ntest: images/test\nnames: [cat, dog]\n")
    for number, split in enumerate(SPLITS):
        for place in range(2):
            save(tmp_path / f"images/{split}/{place}.png", 2 * number + place)
            path = tmp_path / f"labels/{split}/{place}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{place} 0.5 0.5 0.2 0.4\n")
    return tmp_path


def test_nothing_is_found_in_a_sound_yolo_set(yolo, found):
    assert found(Yolo(root=str(yolo))) == []


YOLO_LINES = [
    ("2 0.5 0.5 0.2 0.4", "error", "unknown_class", "{}:1: class 2 must be in 0..1, the 2 names."),
    ("-1 0.5 0.5 0.2 0.4", "error", "unknown_class", "{}:1: class -1 must be in 0..1, the 2 names."),
    (
        "0 40 30 20 20",
        "error",
        "box",
        "{}:1: 40 must be in 0..1; coordinates are shares of the image's width and height.",
    ),
    (
        "0 0.5 0.5 0 0.4",
        "error",
        "box",
        "{}:1: the object covers nothing of the image; width and height must be above 0.",
    ),
    ("0 0.5 nan 0.2 0.4", "error", "form", "{}:1: all numbers must be finite, got '0 0.5 nan 0.2 0.4'."),
    (
        "0 0.5 0.5 0.2",
        "error",
        "form",
        "{}:1 has 4 numbers; expected `class cx cy width height`, or the class and x, y of at least 3 corners.",
    ),
    (
        "0 0.05 0.5 0.2 0.4",
        "warning",
        "box_partly",
        "box 0, [-4, 18, 12, 42], reaches out of the image of 80 x 60 pixels; boxes are x1, y1, x2, y2",
    ),
]


@pytest.mark.parametrize(("line", "severity", "kind", "message"), YOLO_LINES, ids=[row[0] for row in YOLO_LINES])
def test_a_wrong_line_of_yolo_is_found(yolo, found, line, severity, kind, message):
    path = yolo / "labels/val/0.txt"
    path.write_text(line)
    assert found(Yolo(root=str(yolo))) == [(severity, kind, "val", 0, message.format(path))]


def test_a_yolo_set_without_test_is_a_note_and_without_val_an_error(yolo, found):
    (yolo / "data.yaml").write_text("train: images/train\nnames: [cat, dog]\n")
    rows = found(Yolo(root=str(yolo)))
    message = f"{yolo}/data.yaml has no '{{0}}'; it has train. Add it, or name another split, such as data.test=train."
    assert rows == [
        ("error", "missing", "val", None, message.format("val")),
        ("note", "no_test", "test", None, f"{message.format('test')} Training needs policy.test=false then."),
    ]


def test_a_list_of_yolo_may_name_missing_files_and_none_out_of_the_root(yolo, found):
    (yolo / "data.yaml").write_text("train: images/train\nval: val.txt\ntest: images/test\nnames: [cat, dog]\n")
    (yolo / "val.txt").write_text("images/val/0.png\nimages/val/9.png\n")
    path = yolo / "images/val/9.png"
    message = f"{path} cannot be read: No such file or directory."
    assert found(Yolo(root=str(yolo))) == [("error", "missing", "val", 1, message)]
    (yolo / "val.txt").write_text("images/val/0.png\n../secret.png\n")
    message = f"{yolo}/val.txt:2: '../secret.png' {OUT} '{yolo}'; {TRUST}"
    assert found(Yolo(root=str(yolo))) == [("error", "leads_out", "val", None, message)]


XML = """<annotation><size><width>{width}</width><height>60</height></size><object><name>{name}</name><bndbox>
<xmin>{x}</xmin><ymin>11</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"""
SOUND = {"width": 80, "name": "cat", "x": 11}


@pytest.fixture
def voc(tmp_path, save):
    """Return a sound VOC set of two images in train and one in val, with masks."""
    mask = np.zeros((60, 80), np.uint8)
    mask[20:30, 20:30] = 1
    for place in range(3):
        save(tmp_path / f"JPEGImages/{place}.jpg", place)
        save(tmp_path / f"SegmentationClass/{place}.png", mask)
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        (tmp_path / f"Annotations/{place}.xml").write_text(XML.format(**SOUND))
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/train.txt").write_text("0\n1\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("2\n")
    return tmp_path


def read(root):
    return Voc(root=str(root), class_names=["cat"], masks=True)


def test_voc_tests_on_val_and_that_is_noted(voc, found):
    message = "val and test share 1 image; a test on what has chosen the best epoch flatters"
    assert found(read(voc)) == [("note", "shared", "", None, message)]


VOC_FAULTS = [
    (
        {"width": 81},
        "size",
        "{0}/Annotations/1.xml (sample 1) has size (81, 60), but {0}/JPEGImages/1.jpg is 80 x 60.",
    ),
    ({"name": "cta"}, "unknown_class", "{0}/Annotations/1.xml: object 0: name 'cta' is not in data.class_names, cat."),
    (
        {"x": 40},
        "box",
        "{0}/Annotations/1.xml (sample 1): the bndbox of object 0 covers nothing of the image of 80 x 60 pixels; its "
        "corners are counted from 1.",
    ),
    ({"x": "nan"}, "form", "{0}/Annotations/1.xml: object 0: bndbox/xmin must be a number; got 'nan'."),
]


@pytest.mark.parametrize(("values", "kind", "message"), VOC_FAULTS, ids=[row[1] for row in VOC_FAULTS])
def test_a_wrong_annotation_of_voc_is_an_error(voc, found, values, kind, message):
    (voc / "Annotations/1.xml").write_text(XML.format(**{**SOUND, **values}))
    assert found(read(voc))[0][:4] == ("error", kind, "train", 1)
    assert found(read(voc))[0][4].startswith(message.format(voc))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "JPEGImages/0.jpg",
            "{0}/ImageSets/Main/train.txt: sample 0: there is no file '{0}/JPEGImages/0.jpg'; data.suffix is its "
            "ending.",
        ),
        (
            "Annotations/0.xml",
            "{0}/Annotations/0.xml cannot be read: No such file or directory; each image must have one.",
        ),
        (
            "SegmentationClass/0.png",
            "{0}/SegmentationClass/0.png is missing; there must be a mask of that name for {0}/JPEGImages/0.jpg "
            "(sample 0).",
        ),
    ],
)
def test_a_file_of_voc_that_is_missing_is_an_error(voc, found, path, message):
    (voc / path).unlink()
    assert found(read(voc))[0] == ("error", "missing", "train", 0, message.format(voc))


def test_a_list_of_voc_does_not_lead_out(voc, found):
    (voc / "ImageSets/Main/train.txt").write_text("0\n../../secret\n")
    source = f"{voc}/ImageSets/Main/train.txt: sample 1"
    expected = f"{source}: '../../secret.xml' {OUT} '{voc}/Annotations'; {TRUST}"
    kind, *place, message = found(read(voc))[0][1:]
    assert (kind, *place) == ("leads_out", "train", 1)
    assert message in (expected, expected.replace("secret.xml", "secret.jpg").replace("Annotations'", "JPEGImages'"))


def test_a_missing_list_of_voc_is_an_error_of_the_split(voc, found):
    (voc / "ImageSets/Main/train.txt").unlink()
    severity, kind, *place, message = found(read(voc))[0]
    assert (severity, kind, *place) == ("error", "missing", "train", None)
    assert message.startswith(f"data.root: there is no '{voc}/ImageSets/Main/train.txt'; expected the list of images")


def test_entities_are_refused(voc, found):
    (voc / "Annotations/1.xml").write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><annotation>&a;</annotation>')
    assert found(read(voc))[0] == (
        "error",
        "undecodable",
        "train",
        1,
        f"{voc}/Annotations/1.xml is no whole XML of annotations: it has a DOCTYPE, which no annotation needs and "
        "which may hold entities.",
    )
