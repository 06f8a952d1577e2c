import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import DataError, FieldError
from dltools.data.digit_scenes import DigitScenes
from dltools.data.digits import Digits
from dltools.data.subset import Subset, drawn_order

DIGITS = Digits(size=8)


def labels_of(split):
    return np.array([sample["label"] for sample in split])


def pixels_of(split):
    return [sample["image"].tobytes() for sample in split]


@pytest.mark.parametrize("fields", [{"n": 100}, {"fraction": 0.25}, {"n": 60, "stratify": False}, {"n": 10**6}])
def test_a_subset_has_so_many_samples_of_each_split_in_their_order(fields):
    data = Subset(source=DIGITS, **fields)
    for name in ("train", "val", "test"):
        whole, some = DIGITS.split(name), data.split(name)
        wanted = min(fields["n"], len(whole)) if "n" in fields else round(0.25 * len(whole))
        assert len(some) == wanted
        assert [sample["index"] for sample in some] == list(range(wanted))
        rest = iter(pixels_of(whole))
        assert all(pixels in rest for pixels in pixels_of(some))


def test_classes_keep_their_shares():
    whole = np.bincount(labels_of(DIGITS.split("train")))
    for n in (10, 55, 200):
        some = np.bincount(labels_of(Subset(source=DIGITS, n=n).split("train")), minlength=10)
        assert np.abs(some - n * whole / whole.sum()).max() <= 1


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 5))
def test_the_order_holds_each_position_once(strata, seed):
    strata = np.array(strata, int)
    order = drawn_order(strata, seed)
    assert sorted(order) == list(range(len(strata)))
    assert np.array_equal(order, drawn_order(strata, seed))
    for stratum in np.unique(strata):
        for count in range(len(order) + 1):
            share = count * np.mean(strata == stratum)
            assert abs(np.sum(strata[order[:count]] == stratum) - share) <= len(np.unique(strata)) / 2 + 0.5


def test_a_larger_subset_holds_a_smaller_one():
    sets = [set(pixels_of(Subset(source=DIGITS, n=n).split("val"))) for n in (20, 50)]
    assert sets[0] < sets[1]


def test_the_seed_decides():
    first, again, other = (pixels_of(Subset(source=DIGITS, n=20, seed=seed).split("val")) for seed in (0, 0, 1))
    assert first == again != other


def test_splits_that_are_not_named_stay_whole():
    data = Subset(source=DIGITS, n=20, splits=["train"])
    assert len(data.split("train")) == 20 and len(data.split("test")) == len(DIGITS.split("test"))


def test_a_file_lists_positions(tmp_path):
    path = tmp_path / "some.json"
    path.write_text('{"train": [4, 0, 7]}')
    data = Subset(source=DIGITS, indices=str(path))
    whole = pixels_of(DIGITS.split("train"))
    assert pixels_of(data.split("train")) == [whole[4], whole[0], whole[7]]
    assert [sample["index"] for sample in data.split("train")] == [0, 1, 2]
    assert len(data.split("val")) == len(DIGITS.split("val"))


def test_objects_are_counted_and_facts_handed_through():
    scenes = DigitScenes()
    data = Subset(source=scenes, n=5)
    for name in ("class_names", "in_channels", "mask_names", "num_keypoints", "distance_maps"):
        assert getattr(data, name) == getattr(scenes, name)
    val = pickle.loads(pickle.dumps(data.split("val")))
    assert [val.num_objects(index) for index in range(5)] == [len(sample["boxes"]) for sample in val]


def test_fingerprints_tell_fields_sources_and_files_apart(tmp_path):
    path = tmp_path / "some.json"
    prints = {Subset(source=source, n=n).fingerprint for source in (Digits(), DIGITS) for n in (3, 4)}
    for listed in ({"train": [1]}, {"train": [2]}):
        path.write_text(json.dumps(listed))
        prints.add(Subset(source=DIGITS, indices=str(path)).fingerprint)
    assert len(prints) == 6
    moved = tmp_path / "moved.json"
    moved.write_text(path.read_text())
    assert Subset(source=DIGITS, indices=str(moved)).fingerprint in prints


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "n or fraction or indices must be given, one of them, got None"),
        ({"n": 3, "fraction": 0.5}, "one of them, got n and fraction"),
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"fraction": 1.5}, "fraction must be at most 1, got 1.5"),
        ({"n": 3, "splits": ["vall"]}, "splits must be some of train, val, test, got 'vall'.*val"),
        ({"n": 3, "source": None}, "source must be a data set"),
    ],
)
def test_fields_are_checked(fields, message):
    with pytest.raises(FieldError, match=message):
        Subset(**{"source": DIGITS, **fields})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("[1", "is no JSON file"),
        ("[1]", "must be an object with some of the keys train, val, test, got a list"),
        ('{"trian": [1]}', "got 'trian'"),
        ('{"train": 3}', "train: must be a list of at least one position, got 3"),
        ('{"train": []}', "at least one position"),
        ('{"train": [1, 99999]}', r"train\[1\]: must be a whole number from 0 to \d+, got 99999"),
        ('{"train": [-1]}', "got -1"),
        ('{"train": [true]}', "got True"),
        ('{"train": [3, 3]}', r"train\[1\]: 3 is listed twice"),
    ],
)
def test_files_of_indices_are_checked(tmp_path, text, message):
    path = tmp_path / "some.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        Subset(source=DIGITS, indices=str(path)).split("train")
