import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dltools.cfgutils import DataError, FieldError
from dltools.data.base import Provider, Split
from dltools.data.concat import Concat
from dltools.data.digit_scenes import DigitScenes
from dltools.data.digits import Digits
from dltools.data.folds import Folds


class Drawn(Provider):
    """Samples with every target, the id of which is the place of its name in `class_names`."""

    in_channels = 1

    def __init__(self, class_names, count=3, **facts):
        self.class_names = class_names
        self.count = count
        self.fingerprint_text = f"{class_names} {count}"
        for name, value in facts.items():
            setattr(self, name, value)

    @property
    def fingerprint(self):
        return self.fingerprint_text

    def _split(self, name):
        if name == "test":
            raise DataError("no test")
        return DrawnSplit(len(self.class_names), self.count)

    def _content(self):
        return []


class DrawnSplit(Split):
    def __init__(self, classes, count):
        self.classes, self.count = classes, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        ids = np.arange(self.classes)
        mask = np.array([[*range(self.classes + 1), 255]], np.uint8)
        boxes = np.zeros((self.classes, 4), np.float32)
        label = index % self.classes
        image = np.full((1, self.classes + 2, 1), index, np.uint8)
        return {"image": image, "label": label, "labels": ids, "boxes": boxes, "mask": mask, "index": index}

    def column(self, key):
        return [index % self.classes for index in range(self.count)] if key == "label" else None


def joined():
    return Concat(sources={"a": Drawn(["cat", "dog"]), "b": Drawn(["owl", "cat"], count=4)})


def test_what_all_sources_say_of_images_and_keypoints_is_said_of_them_together():
    facts = {"keypoint_names": ["l", "r"], "keypoint_swap": [[0, 1]], "bits": 16}
    data = Concat(sources={"a": Drawn(["x"], **facts), "b": Drawn(["y"], **facts)})
    assert data.bits == 16 and [list(pair) for pair in data.keypoint_swap] == [[0, 1]]


def test_classes_of_one_name_are_one_class():
    data = joined()
    assert data.class_names == ["cat", "dog", "owl"]
    assert data.mask_names == ["background", "cat", "dog", "owl"]
    train = list(data.split("train"))
    assert [data.class_names[sample["label"]] for sample in train] == ["cat", "dog", "cat", "owl", "cat", "owl", "cat"]
    assert [sample["index"] for sample in train] == list(range(7))
    assert [sample["image"][0, 0, 0] for sample in train] == [0, 1, 2, 0, 1, 2, 3]
    assert train[0]["mask"].tolist() == [[0, 1, 2, 255]] and train[0]["labels"].tolist() == [0, 1]
    assert train[3]["mask"].tolist() == [[0, 3, 1, 255]] and train[3]["labels"].tolist() == [2, 0]
    assert train[3]["mask"].dtype == np.uint8 and train[3]["labels"].dtype == np.int64


def test_labels_that_splits_know_count_in_the_joined_names():
    split = joined().split("train")
    assert split.column("label") == [sample["label"] for sample in split]
    assert split.column("person") is None
    mixed = Concat(sources={"drawn": Drawn(["7"]), "digits": Digits(size=8)}).split("train")
    assert mixed.column("label") == [sample["label"] for sample in mixed]


def test_real_data_sets_are_joined():
    scenes = DigitScenes()
    data = Concat(sources={"all": scenes, "again": scenes})
    assert data.class_names == scenes.class_names and data.mask_names == scenes.mask_names
    assert data.keypoint_names == tuple(scenes.keypoint_names)
    one, two = scenes.split("val"), data.split("val")
    assert len(two) == 2 * len(one)
    last, again = one[len(one) - 1], two[len(two) - 1]
    assert all(np.array_equal(last[key], again[key]) for key in last if key != "index")
    assert two.num_objects(len(one)) == one.num_objects(0)


def test_folds_of_joined_data_keep_the_shares():
    data = Folds(source=Concat(sources={"a": Drawn(["cat", "dog"], 20), "b": Drawn(["owl", "cat"], 20)}), folds=5)
    labels = [sample["label"] for sample in data.split("val")]
    assert sorted(np.bincount(labels)) == [2, 2, 4]


def test_distance_maps_are_made_if_one_wants_them():
    assert not joined().distance_maps
    assert Concat(sources={"a": Drawn(["cat"], distance_maps=True), "b": Drawn(["cat"])}).distance_maps


def test_fingerprints_tell_sources_and_their_order_apart():
    a, b = Drawn(["cat"]), Drawn(["dog"])
    prints = [Concat(sources=sources).fingerprint for sources in ({"a": a, "b": b}, {"b": b, "a": a}, {"a": a})]
    assert len(set(prints)) == 3
    assert Concat(sources={"x": a, "y": b}).fingerprint == prints[0]


def test_splits_can_be_pickled_and_read_in_threads():
    split = joined().split("val")
    copy = pickle.loads(pickle.dumps(split))
    with ThreadPoolExecutor(4) as pool:
        labels = list(pool.map(lambda index: split[index]["label"], range(len(split))))
    assert labels == [sample["label"] for sample in copy]
    for index in (-1, 7):
        with pytest.raises(IndexError, match=f"sample {index} of 7"):
            split[index]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({}, r"sources must have a data set or more, chosen as \+data@data.sources.mine=digits, got none"),
        (
            {"a": "digits"},
            r"sources.a must be a data set, chosen by a word such as \+data@data.sources.a=digits, got 'digits'",
        ),
        ({"a": Drawn(["x"]), "b": Drawn(["x"], in_channels=3)}, "must agree in in_channels, got 1 of a, 3 of b"),
        ({"a": Drawn(["x"]), "b": Drawn(["x"], bits=16)}, "must agree in bits, got 8 of a, 16 of b"),
        (
            {"a": Drawn(["x"]), "b": Drawn(["x"], keypoint_swap=[[0, 1]])},
            r"must agree in keypoint_swap, got \(\) of a, \(\(0, 1\),\) of b",
        ),
        (
            {"a": Drawn(["x"]), "b": Drawn(["x"], keypoint_names=["tip"])},
            r"must agree in keypoint_names, got \(\) of a, \('tip',\) of b",
        ),
    ],
)
def test_sources_are_checked(sources, message):
    with pytest.raises(FieldError, match=message):
        Concat(sources=sources)


def test_errors_name_the_source():
    with pytest.raises(DataError, match="no test") as caught:
        joined().split("test")
    assert "data.sources.a" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))


def test_masks_hold_no_more_than_255_names():
    sources = {name: Drawn([f"{name}{number}" for number in range(200)]) for name in "ab"}
    split = Concat(sources=sources).split("train")
    assert split[0]["mask"].max() == 255
    with pytest.raises(DataError, match="masks hold ids below 255, but 401 names are joined"):
        split[3]


def test_the_words_of_a_command_line():
    from dltools.cfgutils.build import build
    from dltools.cfgutils.search_path import compose

    words = ["+data@data.sources.a=digits", "+data@data.sources.b=digits", "data.sources.b.seed=1"]
    data = build(compose(["task=classification", "data=concat", *words]).data, "data")
    assert list(data.sources) == ["a", "b"] and data.sources["b"].seed == 1
