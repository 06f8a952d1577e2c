import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, StratifiedKFold

from dltools.cfgutils import DataError, FieldError
from dltools.data.base import Provider, Split
from dltools.data.digit_scenes import DigitScenes
from dltools.data.digits import Digits
from dltools.data.folds import Folds, spread, spread_groups

DIGITS = load_digits()


class People(Provider):
    """Scans of digits, each by one of some people, without test samples."""

    in_channels = 1
    distance_maps = True
    bits = 16
    keypoint_names = ("tip", "left", "right")
    keypoint_swap = ([1, 2],)
    mask_names = ("paper", "ink")
    fingerprint = "people"

    def __init__(self, sizes=None, known=False, **more):
        self.class_names = [f"digit {number}" for number in range(10)]
        self.sizes = sizes or {"train": 90, "val": 30}
        self.known = known
        self.more = more

    def _split(self, name):
        if name not in self.sizes:
            raise DataError(f"no {name}")
        start = 90 if name == "val" else 0
        return PeopleSplit(np.arange(start, start + self.sizes[name]), self.known, self.more)

    def _content(self):
        return []


class PeopleSplit(Split):
    def __init__(self, scans, known, more):
        self.scans, self.known, self.more, self.read = scans, known, more, 0

    def __len__(self):
        return len(self.scans)

    def __getitem__(self, index):
        self.read += 1
        scan = int(self.scans[index])
        image = DIGITS.images[scan].astype(np.uint8)[..., None]
        label = int(DIGITS.target[scan])
        return {"image": image, "label": label, "person": f"p{scan % 7}", "scan": scan, "index": index, **self.more}

    def num_objects(self, index):
        return int(self.scans[index])

    def column(self, key):
        return list(DIGITS.target[self.scans]) if self.known and key == "label" else None


def scans_of(split):
    return [sample["scan"] for sample in split]


@pytest.mark.parametrize("fields", [{}, {"stratify": False}, {"groups": "person"}, {"join_val": True, "seed": 3}])
def test_each_sample_is_in_val_once_and_otherwise_in_train(fields):
    pool = set(range(120 if fields.get("join_val") else 90))
    vals = []
    for fold in range(4):
        data = Folds(source=People(), folds=4, fold=fold, **fields)
        train, val = scans_of(data.split("train")), scans_of(data.split("val"))
        assert set(train) | set(val) == pool and len(train) + len(val) == len(pool)
        assert [sample["index"] for sample in data.split("train")] == list(range(len(train)))
        vals += val
    assert sorted(vals) == sorted(pool)


@given(st.lists(st.integers(0, 4), min_size=10, max_size=80), st.integers(2, 6), st.integers(0, 5))
def test_parts_share_each_class_as_those_of_sklearn_do(labels, folds, seed):
    labels = np.array(labels)
    parts = spread(labels, folds, seed)
    assert np.ptp(np.bincount(parts, minlength=folds)) <= 1
    theirs = np.empty_like(parts)
    if np.bincount(labels).max() >= folds:
        for fold, (_, val) in enumerate(_quiet(StratifiedKFold(folds), labels)):
            theirs[val] = fold
        for label in np.unique(labels):
            ours, other = (np.bincount(each[labels == label], minlength=folds) for each in (parts, theirs))
            assert sorted(ours) == sorted(other)
    for label in np.unique(labels):
        assert np.ptp(np.bincount(parts[labels == label], minlength=folds)) <= 1
    assert np.array_equal(parts, spread(labels, folds, seed))


def _quiet(folds, labels):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(folds.split(labels, labels))


@given(st.lists(st.integers(0, 11), min_size=12, max_size=80), st.integers(2, 4), st.integers(0, 5), st.booleans())
def test_groups_stay_together_and_no_part_is_empty(groups, folds, seed, with_classes):
    groups = np.unique([*groups, 0, 1, 2, 3], return_inverse=True)[1]
    strata = np.arange(len(groups)) % 3 if with_classes else np.zeros(len(groups), int)
    parts = spread_groups(strata, groups, folds, seed)
    assert all(len(set(parts[groups == group])) == 1 for group in range(groups.max() + 1))
    assert set(parts) == set(range(folds))
    if not with_classes:
        theirs = sorted(len(val) for _, val in GroupKFold(folds).split(groups, groups=groups))
        assert sorted(np.bincount(parts)) == theirs


def test_a_group_is_never_in_train_and_val():
    for fold in range(3):
        data = Folds(source=People(), folds=3, fold=fold, groups="person")
        train, val = ({sample["person"] for sample in data.split(name)} for name in ("train", "val"))
        assert not train & val and val


def test_the_seed_decides():
    first, again, other = (scans_of(Folds(source=People(), seed=seed).split("val")) for seed in (0, 0, 1))
    assert first == again != other


def test_test_is_that_of_the_source_or_the_fold(caplog):
    digits = Digits()
    assert len(Folds(source=digits).split("test")) == len(digits.split("test"))
    assert not caplog.records
    data = Folds(source=People(), fold=2)
    assert scans_of(data.split("test")) == scans_of(data.split("val"))
    assert "gives no test split, so fold 2 is tested on: no test" in caplog.text


def test_facts_are_those_of_the_source():
    source = People()
    data = Folds(source=source)
    for name in ("class_names", "in_channels", "bits", "keypoint_names", "keypoint_swap", "distance_maps"):
        assert getattr(data, name) == getattr(source, name)
    assert data.mask_names == ["paper", "ink"] and data.num_mask_classes == 2
    val = data.split("val")
    assert [val.num_objects(index) for index in range(len(val))] == scans_of(val)


def test_labels_that_a_split_knows_are_not_read():
    splits = []

    class Watched(People):
        def _split(self, name):
            splits.append(super()._split(name))
            return splits[-1]

    for known, reads in ((True, 0), (False, 91)):
        splits.clear()
        data = Folds(source=Watched(known=known))
        data.split("train"), data.split("val")
        assert sum(split.read for split in splits) == reads


def test_samples_without_labels_are_cut_by_chance():
    data = Folds(source=DigitScenes(), folds=4)
    sizes = [len(data.split(name)) for name in ("train", "val")]
    assert sum(sizes) == len(DigitScenes().split("train")) and abs(sizes[0] - 3 * sizes[1]) <= 3


def test_folds_of_folds():
    inner = Folds(source=People(), folds=5, fold=0)
    data = Folds(source=inner, folds=3, fold=1, join_val=True, groups="scan")
    assert sorted(scans_of(data.split("train")) + scans_of(data.split("val"))) == list(range(90))


def test_fingerprints_tell_fields_and_sources_apart():
    def prints():
        return [
            Folds(source=source, **fields).fingerprint
            for source in (Digits(), Digits(size=8))
            for fields in ({}, {"fold": 1}, {"seed": 1}, {"groups": "person"})
        ]

    assert len(set(prints())) == 8 and prints() == prints()


def test_splits_can_be_pickled_and_read_in_threads():
    split = Folds(source=People(), join_val=True).split("train")
    copy = pickle.loads(pickle.dumps(split))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda index: split[index]["scan"], range(len(split))))
    assert read == scans_of(split) == scans_of(copy)
    for index in (-1, len(split)):
        with pytest.raises(IndexError, match=f"sample {index} of {len(split)}"):
            split[index]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fold": 5}, "fold must be below folds=5, got 5"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"source": None}, r"source must be a data set, chosen by a word such as \+data@data.source=digits, got None"),
        ({"source": "digits"}, "got 'digits'"),
    ],
)
def test_fields_are_checked(fields, message):
    with pytest.raises(FieldError, match=message):
        Folds(**{"source": People(), **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"folds": 91}, "has 90 samples to cut; data.folds must be at most that, got 91"),
        ({"folds": 8, "groups": "person"}, "has 7 groups to cut; data.folds must be at most that, got 8"),
        ({"groups": "patient"}, "sample 0 has no 'patient'"),
        ({"groups": "image"}, r"'image' of sample 0 must be one value, got \(8, 8, 1\) of them"),
    ],
)
def test_samples_are_checked(fields, message):
    with pytest.raises(DataError, match=message):
        Folds(source=People(), **fields).split("train")


def test_the_words_of_a_command_line():
    from dltools.cfgutils.build import build
    from dltools.cfgutils.search_path import compose

    words = ["task=classification", "data=folds", "+data@data.source=digits", "data.source.size=8", "data.fold=2"]
    data = build(compose(words).data, "data")
    assert data.fold == 2 and data.source.size == 8 and len(data.split("val")) in (251, 252, 253)
