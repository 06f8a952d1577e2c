"""COCO files: written by the test around real photographs, read back equal, refused by name where they are wrong."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.data import coco_file
from dltools.data.coco import Coco

PHOTO = load_sample_image("flower.jpg")[:60, :80]
POINTS = [10, 12, 2, 20, 22, 1, 0, 0, 0]
SQUARE = [4.0, 6.0, 24.0, 6.0, 24.0, 26.0, 4.0, 26.0]
INNER = [10, 10, 16, 10, 16, 16, 10, 16]
RUNS = [20 * 60 + 5, 10, 50, 10, 58 * 60 + 45]
CONTENT = {
    "images": [
        {"id": 900, "file_name": "b.png", "width": 80, "height": 60},
        {"id": 7, "file_name": "a.png", "width": 80, "height": 60},
        {"id": 8, "file_name": "empty.png", "width": 80, "height": 60},
    ],
    "categories": [
        {"id": 44, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"]},
        {"id": 3, "name": "cat"},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 6, 6], "area": 36, "segmentation": [INNER]},
        {
            "id": 2,
            "image_id": 900,
            "category_id": 44,
            "bbox": [1.5, 2.25, 30, 40.5],
            "area": 700.5,
            "iscrowd": 0,
            "keypoints": POINTS,
            "num_keypoints": 2,
            "segmentation": [SQUARE, [30, 30, 40, 30, 40, 36, 30, 36]],
        },
        {"id": 3, "image_id": 7, "category_id": 44, "bbox": [4, 6, 20, 20], "area": 400, "segmentation": [SQUARE]},
        {
            "id": 4,
            "image_id": 7,
            "category_id": 3,
            "bbox": [20, 5, 2, 10],
            "iscrowd": 1,
            "segmentation": {"counts": RUNS, "size": [60, 80]},
        },
    ],
}
FIELDS = {"annotations": "{split}.json", "train": "train", "val": "val", "test": "val"}


def write(root: Path, content=CONTENT, split="train"):
    folder = root / split
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(("a.png", "b.png", "empty.png")):
        Image.fromarray(np.roll(PHOTO, place, axis=0)).save(folder / name)
    (root / f"{split}.json").write_text(json.dumps(content))
    return Coco(root=str(root), **FIELDS)


def changed(section, place, **values):
    content = copy.deepcopy(CONTENT)
    content[section][place].update(values)
    return content


def test_objects_come_with_their_images_in_the_order_of_the_file(tmp_path):
    data = write(tmp_path)
    assert (data.class_names, data.num_classes, data.in_channels) == (["person", "cat"], 2, 3)
    assert data.keypoint_names == ["nose", "left_eye", "right_eye"] and data.keypoint_swap == [[1, 2]]
    first, second, empty = data.split("train")
    assert np.array_equal(first["image"], np.roll(PHOTO, 1, axis=0)) and np.array_equal(second["image"], PHOTO)
    assert first["boxes"].tolist() == [[1.5, 2.25, 31.5, 42.75]] and first["area"].tolist() == [700.5]
    assert first["keypoints"].ravel().tolist() == POINTS
    assert second["labels"].tolist() == [1, 0, 1] and second["iscrowd"].tolist() == [False, False, True]
    assert second["area"].tolist() == [36, 400, 20], "without area that of the box"
    assert not second["keypoints"].any() and second["keypoints"].shape == (3, 3, 3)
    assert [sample["index"] for sample in (first, second, empty)] == [0, 1, 2]
    for sample in (first, second, empty):
        kinds = {name: (value.dtype.name, value.ndim) for name, value in sample.items() if name != "index"}
        assert kinds == {
            "image": ("uint8", 3),
            "boxes": ("float32", 2),
            "labels": ("int64", 1),
            "area": ("float32", 1),
            "iscrowd": ("bool", 1),
            "keypoints": ("float32", 3),
        }
    assert empty["boxes"].shape == (0, 4)


def test_images_without_objects_may_be_left_out(tmp_path):
    write(tmp_path)
    split = Coco(root=str(tmp_path), background_images=False, **FIELDS).split("train")
    assert [split.num_objects(index) for index in range(len(split))] == [1, 3]


def test_masks_show_smaller_objects_over_larger_ones_over_crowds(tmp_path):
    write(tmp_path)
    data = Coco(root=str(tmp_path), masks=True, **FIELDS)
    assert data.mask_names == ["background", "person", "cat"]
    mask = data.split("train")[1]["mask"]
    expected = np.zeros((60, 80), np.uint8)
    expected[5:15, 20:22] = 255
    expected[6:26, 4:24] = 1
    expected[10:16, 10:16] = 2
    assert np.array_equal(mask, expected)
    assert set(np.unique(data.split("train")[0]["mask"])) == {0, 1} and not data.split("train")[2]["mask"].any()
    assert data.split("train")[0]["mask"].sum() == 20 * 20 + 10 * 6, "all polygons of an object"


def test_masks_of_compressed_runs_are_those_of_pycocotools(tmp_path):
    coco = pytest.importorskip("pycocotools.mask")
    truth = np.random.default_rng(0).random((60, 80)) < 0.3
    packed = coco.encode(np.asfortranarray(truth.astype(np.uint8)))
    write(tmp_path, changed("annotations", 1, segmentation={"counts": packed["counts"].decode(), "size": [60, 80]}))
    assert np.array_equal(Coco(root=str(tmp_path), masks=True, **FIELDS).split("train")[0]["mask"], truth)


def test_the_classes_are_those_of_the_training_file_whatever_the_ids_of_another(tmp_path):
    data = write(tmp_path)
    content = copy.deepcopy(CONTENT)
    content["categories"] = [{"id": 1, "name": "cat"}]
    content["annotations"] = [{**row, "category_id": 1} for row in content["annotations"]]
    write(tmp_path, content, "val")
    sample = data.split("val")[1]
    assert sample["labels"].tolist() == [1, 1, 1] and sample["keypoints"].shape == (3, 3, 3)
    content["categories"][0]["name"] = "cats"
    write(tmp_path, content, "val")
    with pytest.raises(DataError, match=r"val\.json: category 'cats' is no class .* person, cat\. Did you mean 'cat'"):
        data.split("val")


def test_the_file_is_read_once_and_a_split_carries_only_its_arrays(tmp_path, monkeypatch):
    data = write(tmp_path)
    split = data.split("train")
    monkeypatch.setattr(coco_file.json, "loads", None)
    Coco(root=str(tmp_path), **FIELDS).split("train")
    (tmp_path / "train.json").unlink()
    packed = pickle.dumps(split)
    assert len(packed) < 4000
    for before, after in zip(split, pickle.loads(packed), strict=True):
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_samples_belong_to_the_caller(tmp_path):
    split = write(tmp_path).split("train")
    for value in split[0].values():
        if isinstance(value, np.ndarray):
            value[:] = 0
    assert split[0]["boxes"].any() and split[0]["image"].any() and split[0]["keypoints"].any()


def test_the_fingerprint_follows_files_and_fields(tmp_path):
    before = write(tmp_path).fingerprint
    assert Coco(root=str(tmp_path), **FIELDS).fingerprint == before
    assert Coco(root=str(tmp_path), masks=True, **FIELDS).fingerprint != before
    Image.fromarray(PHOTO[:50]).save(tmp_path / "train/a.png")
    assert Coco(root=str(tmp_path), **FIELDS).fingerprint != before


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), *[st.floats(0, 30, width=32)] * 2, *[st.floats(1, 20, width=32)] * 2, st.booleans()
        ),
        max_size=20,
    )
)
def test_any_objects_come_back_with_their_own_image(tmp_path_factory, rows):
    root = tmp_path_factory.mktemp("coco")
    images = [{"id": 50 - place, "file_name": "a.png", "width": 80, "height": 60} for place in range(5)]
    annotations = [
        {"id": at, "image_id": 50 - own, "category_id": 3, "bbox": [x, y, w, h], "iscrowd": int(crowd)}
        for at, (own, x, y, w, h, crowd) in enumerate(rows)
    ]
    split = write(root, {**CONTENT, "images": images, "annotations": annotations}).split("train")
    assert len(split) == 5
    for own in range(5):
        wanted = [row for row in rows if row[0] == own]
        sample = split[own]
        assert split.num_objects(own) == len(wanted)
        corners = np.array([[x, y, x + w, y + h] for _, x, y, w, h, _ in wanted]).reshape(-1, 4)
        assert np.allclose(sample["boxes"], corners) and sample["iscrowd"].tolist() == [row[5] for row in wanted]


WITHOUT = {name: rows for name, rows in CONTENT.items() if name != "categories"}
BAD_FILES = {
    "unknown category": (
        changed("annotations", 0, category_id=5),
        r"annotation 1: category_id must be the id of a category of the file, which are \[44, 3\]; got 5",
    ),
    "unknown image": (changed("annotations", 0, image_id=5), r"annotation 1: image_id must be .*; got 5"),
    "no category": (
        {**CONTENT, "annotations": [{"id": 1, "image_id": 7, "bbox": [1, 2, 3, 4]}]},
        r"annotation 1: category_id must be .*; it is missing",
    ),
    "box outside": (
        changed("annotations", 0, bbox=[90, 10, 6, 6]),
        r"annotation 1 of image 7: bbox \[90.0, 10.0, 6.0, 6.0\] covers nothing of the image of 80 x 60 .*1 of 4",
    ),
    "box without area": (changed("annotations", 0, bbox=[10, 10, 6, 0]), "annotation 1 of image 7: bbox .* nothing"),
    "box of three": (changed("annotations", 0, bbox=[10, 10, 6]), r"annotation 1: bbox must be four finite numbers"),
    "box of nan": (changed("annotations", 0, bbox=[10, 10, 6, float("nan")]), "annotation 1: bbox must be four finite"),
    "negative area": (changed("annotations", 0, area=-1), "annotation 1: area must be a number of at least 0.*got -1"),
    "half a crowd": (changed("annotations", 0, iscrowd=2), "annotation 1: iscrowd must be 0 or 1; got 2"),
    "two images of one id": (changed("images", 0, id=7), "image id 7 comes more than once; ids of images must differ"),
    "two annotations of one id": (changed("annotations", 0, id=2), "annotation id 2 comes more than once"),
    "two categories of one id": (changed("categories", 0, id=3), "category id 3 comes more than once"),
    "two categories of one name": (changed("categories", 0, name="cat"), "two categories have the name 'cat'"),
    "id of text": (changed("images", 0, id="900"), "image at place 0: id must be an integer; got '900'"),
    "id too large": (changed("images", 0, id=1 << 70), "image at place 0: id must be an integer"),
    "no width": (changed("images", 0, width=None), "image 900: width must be an integer above 0; got None"),
    "too few keypoints": (
        changed("annotations", 1, keypoints=POINTS[:-3]),
        "annotation 2: keypoints must be 9 finite numbers: x, y and visibility of 3 keypoints",
    ),
    "other keypoints": (
        changed("categories", 1, keypoints=["tail"]),
        "category 3: keypoints must be those of the other categories",
    ),
    "no categories": (WITHOUT, r"has no 'categories'; a COCO file is a dict .* It holds images, annotations"),
    "empty categories": ({**CONTENT, "categories": []}, "categories must not be empty"),
    "list": ([1], r"has no 'images'; .* It holds a list"),
    "images by name": ({**CONTENT, "images": {"a": 1}}, "images must be a list of dicts"),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_wrong_with_a_file_is_told_with_its_id(tmp_path, content, message):
    with pytest.raises(DataError, match=rf"train\.json.*{message}"):
        write(tmp_path, content).split("train")


def test_boxes_that_cover_nothing_may_be_left_out(tmp_path):
    write(tmp_path, changed("annotations", 0, bbox=[10, 10, 0, 6]))
    split = Coco(root=str(tmp_path), skip_bad_boxes=True, masks=True, **FIELDS).split("train")
    assert split[1]["boxes"].tolist() == [[4, 6, 24, 26], [20, 5, 22, 15]]
    assert set(np.unique(split[1]["mask"])) == {0, 1, 255} and split.num_objects(1) == 2


BAD_OUTLINES = {
    "none": (None, "it must be a list of polygons or the run lengths"),
    "empty": ([], "it must be a list of polygons or the run lengths"),
    "two corners": ([[1, 2, 3, 4]], "a polygon must be a list of x, y of 3 corners or more, got 4 of them"),
    "odd": ([[1, 2, 3, 4, 5, 6, 7]], "got 7 of them"),
    "flat": ([1, 2, 3, 4, 5, 6], "got a int"),
    "pairs": ([[[1, 2]] * 6], "in one flat list"),
    "text": ([["a"] * 6], "could not convert"),
    "nan": ([[float("nan")] * 6], "must be finite"),
    "no size": ({"counts": [1, 2]}, r"size of run lengths must be \[height, width\], got None"),
    "counts of text": ({"counts": ["1"], "size": [60, 80]}, "counts of run lengths must be a list of integers or"),
    "huge counts": ({"counts": [1 << 70], "size": [60, 80]}, "too large"),
    "cut short": ({"counts": [10, 20], "size": [60, 80]}, "counts must add up to 4800, .* not 30"),
    "wrapping": ({"counts": [1 << 62] * 4 + [4800], "size": [60, 80]}, r"counts must be in 0\.\.4800"),
    "turned": ({"counts": [4800], "size": [80, 60]}, "its run lengths are of 60 x 80 pixels, not 80 x 60"),
    "no string of runs": ({"counts": "ab c", "size": [60, 80]}, "no characters but"),
}


@pytest.mark.parametrize(("outline", "message"), BAD_OUTLINES.values(), ids=BAD_OUTLINES)
def test_what_is_wrong_with_an_outline_is_told_with_its_id_if_masks_are_wanted(tmp_path, outline, message):
    write(tmp_path, changed("annotations", 0, segmentation=outline))
    assert len(Coco(root=str(tmp_path), **FIELDS).split("train")[1]["boxes"]) == 3
    with pytest.raises(DataError, match=rf"train\.json: annotation 1\b.*: segmentation: .*{message}"):
        Coco(root=str(tmp_path), masks=True, **FIELDS).split("train")[1]


@pytest.mark.parametrize("cut", [0, 10, 500])
def test_a_file_cut_short_is_told(tmp_path, cut):
    data = write(tmp_path)
    path = tmp_path / "train.json"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"train\.json is no whole JSON file .* Copy the file again"):
        data.split("train")


def test_a_missing_file_is_told_with_the_nearest(tmp_path):
    data = write(tmp_path)
    with pytest.raises(DataError, match=r"there is no '.*val\.json'; expected the annotation file"):
        data.split("val")
    with pytest.raises(DataError, match=r"there is no '.*/annotations'"):
        Coco(root=str(tmp_path)).split("train")


def test_images_that_are_not_as_the_file_says_are_told(tmp_path):
    split = write(tmp_path).split("train")
    (tmp_path / "train/b.png").unlink()
    with pytest.raises(
        DataError, match=r"train\.json: image 900: there is no file '.*train/b\.png'; data\.images must"
    ):
        split[0]
    Image.fromarray(PHOTO[:50]).save(tmp_path / "train/a.png")
    with pytest.raises(DataError, match=r"train\.json: image 7 must be 80 x 60 pixels, but .*a\.png is 80 x 50"):
        split[1]
    with pytest.raises(IndexError):
        split[3]


@pytest.mark.parametrize("name", ["../val/b.png", "{root}/val/b.png", "link.png"])
def test_no_image_is_read_from_elsewhere_unless_allowed(tmp_path, name):
    write(tmp_path, changed("images", 0, file_name=name.format(root=tmp_path)))
    write(tmp_path, split="val")
    (tmp_path / "train/link.png").symlink_to(tmp_path / "val/b.png")
    with pytest.raises(DataError, match=r"train\.json: image 900: '.*' leads out of the data .* data\.outside=true"):
        Coco(root=str(tmp_path), **FIELDS).split("train")[0]
    assert Coco(root=str(tmp_path), outside=True, **FIELDS).split("train")[0]["image"].any()


def test_fields_that_cannot_be_are_refused():
    with pytest.raises(FieldError, match=r"annotations.* must hold \{split\}"):
        Coco(root=".", annotations="all.json")
    with pytest.raises(FieldError, match="distance_maps"):
        Coco(root=".", distance_maps=True)


def test_more_classes_than_a_mask_has_room_for_are_refused(tmp_path):
    content = {**CONTENT, "categories": [{"id": number, "name": f"c{number}"} for number in range(255)]}
    assert write(tmp_path, content).split("train")
    with pytest.raises(DataError, match="255 categories; masks have room for 254"):
        Coco(root=str(tmp_path), masks=True, **FIELDS).split("train")


def test_a_file_without_annotations_is_background_of_the_classes_in_training(tmp_path, caplog):
    data = write(tmp_path)
    write(tmp_path, {"images": CONTENT["images"]}, "val")
    split = data.split("val")
    assert len(split) == 3 and "val.json has no annotations; its images count as images without" in caplog.text
    assert split[0]["image"].any() and split[0]["boxes"].shape == (0, 4) and split[0]["keypoints"].shape == (0, 3, 3)
    assert not Coco(root=str(tmp_path), masks=True, **FIELDS).split("val")[0]["mask"].any()
    write(tmp_path, {"images": CONTENT["images"]})
    with pytest.raises(DataError, match=r"train\.json: categories must not be empty; those of the training file are"):
        Coco(root=str(tmp_path), **FIELDS).split("val")


def test_objects_are_known_without_reading_the_images(tmp_path):
    split = write(tmp_path).split("train")
    samples = list(split)
    for path in (tmp_path / "train").iterdir():
        path.unlink()
    for key in ("labels", "boxes", "area", "iscrowd", "keypoints"):
        for known, sample in zip(split.column(key), samples, strict=True):
            assert np.array_equal(known, sample[key]) and known.dtype == sample[key].dtype
    assert split.column("mask") is split.column("label") is None
    assert [split.posed(index).tolist() for index in range(3)] == [[True], [False] * 3, []]
