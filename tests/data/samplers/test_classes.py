"""Which classes samples have."""

from __future__ import annotations

import numpy as np
import pytest

from dltools.cfgutils import ConfigError, DataError, OnError
from dltools.data.digit_scenes import DigitScenes
from dltools.data.digits import Digits
from dltools.data.instances import InstanceCrops
from dltools.data.samplers import Presence, classes_of

SCENES = DigitScenes(train_scenes=40, val_scenes=1, test_scenes=1).split("train")


def _plain(found):
    return [ids.tolist() for ids in found]


def test_masks_tell_the_ids_of_their_pixels():
    assert _plain(classes_of(SCENES, "mask")) == [np.unique(sample["mask"]).tolist() for sample in SCENES]


def test_boxes_tell_their_labels_and_so_do_the_crops_around_them():
    assert _plain(classes_of(SCENES, "labels")) == [np.unique(sample["labels"]).tolist() for sample in SCENES]
    each = [[label] for sample in SCENES for label in sample["labels"].tolist()]
    assert _plain(classes_of(InstanceCrops(SCENES), "labels")) == each


def test_labels_are_taken_from_the_column_without_reading_a_sample(told):
    digits = Digits(size=8).split("train")
    assert _plain(classes_of(digits, "label")) == [[sample["label"]] for sample in digits]
    split = told([{"label": 2}, {"label": 0}], known=("label",))
    assert _plain(classes_of(split, "label")) == [[2], [0]] and not split.read
    assert _plain(classes_of(told(split.samples), "label")) == [[2], [0]]


@pytest.mark.parametrize("known", [(), ("labels", "iscrowd")])
def test_crowds_ignored_pixels_and_empty_images_have_no_class(told, known):
    samples = [
        {"labels": np.array([4, 1, 4]), "iscrowd": np.array([False, True, False])},
        {"labels": np.array([], int), "iscrowd": np.array([], bool)},
        {"labels": np.array([1]), "iscrowd": np.array([True])},
    ]
    split = told(samples, known)
    assert _plain(classes_of(split, "labels")) == [[4], [], []]
    assert bool(split.read) != bool(known)
    masks = [{"mask": np.array(ids, np.uint8)} for ids in ([[0, 255], [3, 3]], [[255, 255]])]
    assert _plain(classes_of(told(masks), "mask")) == [[0, 3], []]


def test_a_sample_that_cannot_be_read_ends_the_search_or_has_no_class(told):
    split = told([{"label": 1}, {}, {"label": 0}])
    with pytest.raises(DataError, match=r"Sample 1 of split 'train': sampler: it has no label; it has image, index"):
        classes_of(split, "label")
    assert _plain(classes_of(split, "label", OnError.skip, max_skipped=0.5)) == [[1], [], [0]]
    with pytest.raises(DataError, match="1 of 3 samples of split 'train' cannot be counted"):
        classes_of(split, "label", OnError.skip, max_skipped=0.2)


@pytest.mark.parametrize("label", [-1, 0.5, "cat"])
def test_impossible_labels_are_named(told, label):
    with pytest.raises(DataError, match=r"Sample 1 .*its label must be whole numbers from 0, got"):
        classes_of(told([{"label": 0}, {"label": label}]), "label")
    with pytest.raises(DataError, match="sampler: the labels of the samples must be whole numbers from 0"):
        classes_of(told([{"label": label}], known=("label",)), "label")


def test_a_task_without_classes_is_told_what_to_use(told):
    with pytest.raises(ConfigError, match="this task has none; use sampler=shuffle or weighted"):
        classes_of(told([{}]), "")


def test_of_several_classes_the_one_with_the_largest_value_decides():
    presence = Presence.of([np.array(ids, np.int64) for ids in ([0, 2], [0, 1, 3], [], [1])])
    assert presence.counts.tolist() == [2, 2, 1, 1]
    assert presence.deciding([1, 5, 2, 3]).tolist() == [2, 1, -1, 1]
    assert presence.largest([1, 5, 2, 3], default=7).tolist() == [2, 5, 7, 5]
    assert presence.deciding([1, 1, 1, 1]).tolist() == [2, 3, -1, 1]


def test_samples_without_any_class_cannot_be_balanced():
    with pytest.raises(DataError, match="none of the 2 training samples has a class; use sampler=shuffle"):
        Presence.of([np.array([], np.int64)] * 2)
