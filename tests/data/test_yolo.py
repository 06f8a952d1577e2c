"""YOLO's text files: written around a real photograph, read back equal; wrong lines told by their number."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.cfgutils.build import build
from dltools.data.yolo import Yolo, labels_of
from dltools.data.yolo_labels import read_labels
from dltools.policies.detection import DetectionPolicy
from dltools.policies.keypoints import KeypointsPolicy

PHOTO = load_sample_image("china.jpg")[:50, :100]
CONTENT = {"train": "images/train", "val": "images/val", "names": ["cat", "dog"]}
BOXES = "0 0.5 0.5 0.2 0.4\n\n1 0.1 0.2 0.2 0.4\n"
OUTLINES = "0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8\n1 0.2 0.4 0.3 0.4 0.3 0.6 0.2 0.6\n"
POSE = "1 0.5 0.5 0.2 0.4 0.5 0.5 2 0.4 0.4 1 0.7 0.7 0\n"


def write(root: Path, lines=BOXES, splits=("train", "val"), **content):
    for split in splits:
        (root / "images" / split / "deeper").mkdir(parents=True)
        (root / "labels" / split / "deeper").mkdir(parents=True)
        for place, name in enumerate(("b", "a", "deeper/c")):
            Image.fromarray(np.roll(PHOTO, place, axis=0)).save(root / "images" / split / f"{name}.png")
            if name != "b":
                (root / "labels" / split / f"{name}.txt").write_text(lines)
    (root / "data.yaml").write_text(yaml.safe_dump({**CONTENT, **content}))
    return Yolo(root=str(root))


def test_boxes_come_with_their_images_in_pixels(tmp_path):
    data = write(tmp_path)
    assert (data.class_names, list(data.keypoint_names), data.in_channels) == (["cat", "dog"], [], 3)
    split = data.split("train")
    assert [path.name for path in split.images] == ["a.png", "b.png", "c.png"]
    sample = split[0]
    assert np.array_equal(sample["image"], np.roll(PHOTO, 1, axis=0))
    assert np.allclose(sample["boxes"], [[40, 15, 60, 35], [0, 0, 20, 20]], atol=1e-4)
    assert sample["labels"].tolist() == [0, 1] and set(sample) == {"image", "boxes", "labels", "index"}
    assert (sample["boxes"].dtype, sample["labels"].dtype) == (np.float32, np.int64)
    assert split[1]["boxes"].shape == (0, 4) and split[1]["labels"].shape == (0,), "no label file: no objects"
    assert [split.num_objects(index) for index in range(3)] == [2, 0, 2]
    assert np.array_equal(pickle.loads(pickle.dumps(split))[2]["boxes"], split[2]["boxes"])


def test_images_without_objects_may_be_left_out(tmp_path):
    write(tmp_path)
    split = Yolo(root=str(tmp_path), background_images=False, channels="grey").split("val")
    assert [path.name for path in split.images] == ["a.png", "c.png"] and split[0]["image"].shape == (50, 100, 1)


def test_labels_are_known_without_reading_the_images(tmp_path):
    split = write(tmp_path).split("train")
    assert all(map(np.array_equal, split.column("labels"), [sample["labels"] for sample in split]))
    assert split.column("boxes") is None, "the size of the image is needed for them"


def test_flip_idx_are_pairs_and_without_it_the_names_tell(tmp_path):
    names = {"kpt_names": {0: ["nose", "left_eye", "right_eye"]}, "kpt_shape": [3, 3]}
    assert write(tmp_path / "a", POSE, kpt_shape=[3, 3], flip_idx=[2, 1, 0]).keypoint_swap == [[0, 2]]
    assert write(tmp_path / "b", POSE, **names).keypoint_swap == [[1, 2]]
    assert write(tmp_path / "c", POSE, **names, flip_idx=[0, 1, 2]).keypoint_swap == []
    assert write(tmp_path / "d").keypoint_swap == []


@pytest.mark.parametrize("mirrored", [False, True])
def test_keypoints_of_the_two_sides_trade_places_in_a_mirror_image(tmp_path, mirrored):
    data = write(tmp_path, POSE.replace("0.7 0.7 0", "0.7 0.6 1"), kpt_shape=[3, 3], flip_idx=[1, 0, 2])
    context = DetectionPolicy().facts(data)
    assert KeypointsPolicy().facts(data)["keypoint_swap"] == context["keypoint_swap"] == [[0, 1]]
    flip = {"_target_": "albumentations.HorizontalFlip", "p": float(mirrored)}
    augs = build({"_target_": "dltools.augs.pipeline.Augmentations", "train": {"flip": flip}}, "augs", **context)
    found = augs.dataset(data.split("train"), "train", seed=0)[0, 0]["keypoints"][0].numpy()
    given = data.split("train")[0]["keypoints"][0]
    assert given[:, 0].tolist() == [50, 40, 70]
    expected = (given * [-1, 1, 1] + [100, 0, 0])[[1, 0, 2]] if mirrored else given
    assert np.allclose(found, expected, atol=1.01), "albumentations mirrors about the centre of the last pixel"
    assert found[:, 2].tolist() == expected[:, 2].tolist()


def test_outlines_are_boxes_and_masks(tmp_path):
    write(tmp_path, OUTLINES)
    sample = Yolo(root=str(tmp_path), masks=True).split("train")[0]
    assert np.allclose(sample["boxes"], [[10, 10, 50, 40], [20, 20, 30, 30]])
    expected = np.zeros((50, 100), np.uint8)
    expected[10:40, 10:50] = 1
    expected[20:30, 20:30] = 2
    assert np.array_equal(sample["mask"], expected)
    assert "mask" not in Yolo(root=str(tmp_path)).split("train")[0]
    assert not Yolo(root=str(tmp_path), masks=True).split("train")[1]["mask"].any()


def test_the_smaller_object_lies_above_in_any_order(tmp_path):
    write(tmp_path, "\n".join(reversed(OUTLINES.splitlines())))
    assert Yolo(root=str(tmp_path), masks=True).split("train")[0]["mask"][25, 25] == 2


def test_a_mere_box_has_no_mask(tmp_path):
    write(tmp_path)
    with pytest.raises(DataError, match=r"labels/train/a\.txt: a line has a mere box, and data\.masks=true needs"):
        Yolo(root=str(tmp_path), masks=True).split("train")[0]


def test_keypoints_have_their_shape_and_names(tmp_path):
    data = write(tmp_path, POSE, kpt_shape=[3, 3], kpt_names={0: ["nose", "ear", "tail"]})
    assert data.keypoint_names == ["nose", "ear", "tail"]
    sample = data.split("train")[0]
    assert np.allclose(sample["keypoints"], [[[50, 25, 2], [40, 20, 1], [0, 0, 0]]])
    assert np.allclose(sample["boxes"], [[40, 15, 60, 35]]) and sample["keypoints"].dtype == np.float32
    assert data.split("train")[1]["keypoints"].shape == (0, 3, 3)


def test_keypoints_without_visibility_are_visible_but_at_the_origin(tmp_path):
    data = write(tmp_path, "0 0.5 0.5 0.2 0.4 0.5 0.4 0 0\n", kpt_shape=[2, 2])
    assert data.keypoint_names == ["0", "1"]
    assert data.split("train")[0]["keypoints"].tolist() == [[[50, 20, 2], [0, 0, 0]]]


@pytest.mark.parametrize(
    "content",
    [
        {"names": {0: "cat", 1: "dog"}, "nc": 2},
        {"train": ["images/train"], "path": ""},
        {"train": "../images/train"},
        {"path": "/somewhere/else/ROOT"},
        {"path": "../ROOT"},
        {"train": "train", "val": "val", "path": "images"},
        {"train": "train.txt"},
        {"train": ["images/train/deeper", "train.txt"]},
    ],
    ids=str,
)
def test_the_ways_to_say_where_images_are(tmp_path, content):
    root = tmp_path / "ROOT"
    write(root, **content)
    (root / "train.txt").write_text("images/train/a.png\n\n./images/train/b.png\n")
    data = Yolo(root=str(root))
    assert data.class_names == ["cat", "dog"]
    names = [path.relative_to(root / "images/train").as_posix() for path in data.split("train").images]
    listed = ["a.png", "b.png"]
    expected = {"train.txt": listed, "['images/train/deeper', 'train.txt']": ["deeper/c.png", *listed]}
    assert names == expected.get(str(content.get("train")), ["a.png", "b.png", "deeper/c.png"])


def test_the_label_file_is_beside_the_last_folder_of_images():
    assert labels_of(Path("/images/x/images/train/a.b.jpg")) == Path("/images/x/labels/train/a.b.txt")
    assert labels_of(Path("train/a.jpg")) == Path("train/a.txt")
    assert labels_of(Path("train/images.jpg")) == Path("train/images.txt")


def test_the_test_split_may_be_that_of_the_validation(tmp_path):
    data = write(tmp_path)
    with pytest.raises(DataError, match=r"data\.yaml has no 'test'; it has train, val\. .* such as data\.test=val"):
        data.split("test")
    assert len(Yolo(root=str(tmp_path), test="val").split("test")) == 3


def test_the_fingerprint_follows_images_labels_and_names(tmp_path):
    prints = {write(tmp_path).fingerprint}
    (tmp_path / "labels/val/a.txt").write_text("0 0.5 0.5 0.2 0.4")
    prints.add(Yolo(root=str(tmp_path)).fingerprint)
    (tmp_path / "labels/val/b.txt").write_text("0 0.5 0.5 0.2 0.4")
    prints.add(Yolo(root=str(tmp_path)).fingerprint)
    (tmp_path / "images/val/b.png").unlink()
    prints.add(Yolo(root=str(tmp_path)).fingerprint)
    assert len(prints) == 4 and Yolo(root=str(tmp_path)).fingerprint in prints


SHARES = st.floats(0.01, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), SHARES, SHARES, SHARES, SHARES), max_size=8))
def test_any_boxes_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("yolo") / "a.txt"
    path.write_text("\n".join(" ".join(map(repr, row)) for row in rows))
    found = read_labels(path, 5)
    assert found.labels.tolist() == [row[0] for row in rows]
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    shares = np.hstack([centres, found.boxes[:, 2:] - found.boxes[:, :2]])
    assert np.allclose(shares, np.array([row[1:] for row in rows]).reshape(-1, 4))


BAD_LINES = {
    "class too large": ("2 0.5 0.5 0.2 0.4", None, r"class 2 must be in 0\.\.1, the 2 names"),
    "class of a fraction": ("0.5 0.5 0.5 0.2 0.4", None, "class 0.5 must be in"),
    "negative class": ("-1 0.5 0.5 0.2 0.4", None, "class -1 must be in"),
    "pixels": ("0 50 25 20 20", None, r"50 must be in 0\.\.1; coordinates are shares"),
    "pixels of an outline": ("0 0.1 0.1 0.2 0.2 30 0.3", None, r"30 must be in 0\.\.1"),
    "below zero": ("0 -0.1 0.5 0.2 0.4", None, r"-0\.1 must be in 0\.\.1"),
    "no width": ("0 0.5 0.5 0 0.4", None, "covers nothing of the image"),
    "flat outline": ("0 0.1 0.1 0.2 0.1 0.3 0.1", None, "covers nothing of the image"),
    "too few": ("0 0.5 0.5 0.2", None, "has 4 numbers; expected `class cx cy width height`"),
    "odd outline": ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", None, "has 8 numbers"),
    "a word": ("cat 0.5 0.5 0.2 0.4", None, "could not convert string to float: 'cat'"),
    "commas": ("0, 0.5, 0.5, 0.2, 0.4", None, "a line holds numbers with spaces between"),
    "nan": ("0 nan 0.5 0.2 0.4", None, "all numbers must be finite, got '0 nan"),
    "box instead of pose": ("0 0.5 0.5 0.2 0.4", (3, 3), r"has 5 numbers; expected 14: .* kpt_shape = \[3, 3\]"),
}


@pytest.mark.parametrize(("line", "shape", "message"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_wrong_line_is_told_by_its_number(tmp_path, line, shape, message):
    good = POSE if shape else BOXES
    path = tmp_path / "a.txt"
    path.write_text(good + line)
    number = len(good.splitlines()) + 1
    with pytest.raises(DataError, match=rf"a\.txt:{number}.*{message}"):
        read_labels(path, 2, shape)


def test_a_label_file_of_bytes_is_told(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(DataError, match=r"a\.txt cannot be read"):
        read_labels(tmp_path / "a.txt", 2)


BAD_FILES = {
    "count": ({"nc": 3}, "nc is 3, but there are 2 names"),
    "keys": ({"names": {1: "cat", 2: "dog"}}, r"the keys of names must be 0\.\.1, got 1, 2"),
    "no names": ({"names": None}, "it has no names"),
    "names of text": ({"names": "cat"}, "names must be a list of names"),
    "kpt_shape": ({"kpt_shape": [3]}, r"kpt_shape must be \[number of keypoints, 2 or 3\], got \[3\]"),
    "kpt_names": ({"kpt_shape": [3, 3], "kpt_names": {0: ["a"]}}, "kpt_names must be 3 names"),
    "flip_idx": ({"kpt_shape": [3, 3], "flip_idx": [1, 2, 0]}, r"flip_idx must be for each of the 3 keypoints .*, got"),
    "flip_idx of two": ({"kpt_shape": [3, 3], "flip_idx": [1, 0]}, r"flip_idx must be .*, got \[1, 0\]"),
    "flip_idx of text": ({"kpt_shape": [3, 3], "flip_idx": "a"}, "flip_idx must be .*, got a"),
    "path out": ({"path": "../elsewhere"}, r"path: '\.\./elsewhere' leads out of the data"),
    "path of numbers": ({"path": 3}, "path must be a folder, got 3"),
    "train out": ({"train": "/etc"}, "train: '/etc' leads out of the data"),
    "train missing": ({"train": "images/trian"}, "expected the folder or list .* under train.* Did you mean 'train'"),
    "train of numbers": ({"train": [3]}, r"train must be a path or a list of paths, got \[3\]"),
    "train empty": ({"train": "labels"}, "labels holds no image"),
    "no path in a list": ({"train": "bad.txt"}, r"bad\.txt:2: '\.\./a\.png' leads out"),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_wrong_with_the_file_is_told(tmp_path, content, message):
    data = write(tmp_path / "x", **content)
    (tmp_path / "x/bad.txt").write_text("images/train/a.png\n../a.png\n")
    with pytest.raises(DataError, match=message):
        data.split("train")


@pytest.mark.parametrize("path", ["../elsewhere/a.png", "{root}/elsewhere/a.png", "images/link.png"])
def test_no_image_of_a_list_is_read_from_elsewhere_unless_allowed(tmp_path, path):
    write(tmp_path / "x", train="list.txt")
    (tmp_path / "elsewhere").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "elsewhere/a.png")
    (tmp_path / "x/images/link.png").symlink_to(tmp_path / "elsewhere/a.png")
    for place in ("elsewhere/a.txt", "x/labels/link.txt"):
        (tmp_path / place).write_text(BOXES)
    (tmp_path / "x/list.txt").write_text(path.format(root=tmp_path))
    with pytest.raises(DataError, match=r"list\.txt:1: '.*' leads out of the data .* set data\.outside=true"):
        Yolo(root=str(tmp_path / "x")).split("train")
    sample = Yolo(root=str(tmp_path / "x"), outside=True).split("train")[0]
    assert np.array_equal(sample["image"], PHOTO) and len(sample["boxes"]) == 2


def test_a_file_that_is_missing_or_no_yaml_is_told(tmp_path):
    with pytest.raises(DataError, match=r"there is no '.*data\.yaml'; expected the file data\.yaml with train"):
        Yolo(root=str(tmp_path)).split("train")
    (tmp_path / "data.yaml").write_text("names: [a\ntrain: {")
    with pytest.raises(DataError, match=r"data\.yaml is no YAML"):
        Yolo(root=str(tmp_path)).split("train")


def test_images_without_any_label_file_are_refused_with_its_place(tmp_path):
    data = write(tmp_path)
    (tmp_path / "labels").rename(tmp_path / "label")
    with pytest.raises(DataError, match=r"none of the 3 images of train has a label file; .*/labels/train/a\.txt"):
        data.split("train")


def test_masks_need_outlines_and_room(tmp_path):
    write(tmp_path, POSE, kpt_shape=[3, 3])
    with pytest.raises(DataError, match="no outlines beside keypoints"):
        Yolo(root=str(tmp_path), masks=True).split("train")
    write(tmp_path / "many", names=[str(number) for number in range(255)])
    with pytest.raises(DataError, match="255 names; masks have room for 254"):
        Yolo(root=str(tmp_path / "many"), masks=True).split("train")
    with pytest.raises(FieldError, match="distance_maps"):
        Yolo(root=".", distance_maps=True)
