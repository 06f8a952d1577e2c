import pickle
from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dltools.cfgutils import DataError
from dltools.data.base import SPLITS
from dltools.data.digits import Digits
from dltools.data.partition import stratified


def as_set(split):
    return {sample["image"].tobytes() for sample in split}


def test_splits_hold_scikit_learns_scans_once_each():
    scans = load_digits().images
    splits = [Digits(size=8).split(name) for name in SPLITS]
    assert sum(map(len, splits)) == len(scans) == 1797
    seen = np.concatenate([[sample["image"][..., 0] for sample in split] for split in splits])
    expected = np.rint(scans * 255 / 16).astype(np.uint8)
    assert sorted(image.tobytes() for image in seen) == sorted(image.tobytes() for image in expected)


def test_labels_stay_with_their_scans():
    bunch = load_digits()
    label_of = dict(
        zip((np.rint(s * 255 / 16).astype(np.uint8).tobytes() for s in bunch.images), bunch.target, strict=True)
    )
    assert all(label_of[sample["image"].tobytes()] == sample["label"] for sample in Digits(size=8).split("test"))


def test_splits_are_disjoint_and_hold_the_classes_in_the_same_proportions():
    splits = [Digits(size=8).split(name) for name in SPLITS]
    assert all(as_set(first).isdisjoint(as_set(second)) for first, second in combinations(splits, 2))
    total = np.bincount(load_digits().target)
    for split, share in zip(splits, (0.7, 0.1, 0.2), strict=True):
        assert np.abs(np.bincount(split.labels) - share * total).max() <= 1


def test_images_are_enlarged_to_the_size():
    sample = Digits(size=20).split("val")[3]
    assert sample["image"].shape == (20, 20, 1) and sample["image"].dtype == np.uint8 and sample["index"] == 3


def test_seed_decides_the_splits():
    first, again, other = (as_set(Digits(size=8, seed=seed).split("val")) for seed in (0, 0, 1))
    assert first == again != other


def test_fingerprint_tells_configurations_apart():
    assert Digits().fingerprint == Digits().fingerprint != Digits(seed=1).fingerprint


def test_pickled_splits_give_the_same_samples_and_callers_own_theirs():
    split = Digits().split("train")
    expected = split[0]["image"].copy()
    split[0]["image"][:] = 0
    assert np.array_equal(pickle.loads(pickle.dumps(split))[0]["image"], expected)


def test_unknown_split_is_refused_with_the_nearest_name():
    with pytest.raises(DataError, match=r"train, val, test.*Did you mean 'val'"):
        Digits().split("valid")


def test_stratified_parts_are_all_of_the_positions():
    labels = np.random.default_rng(0).integers(0, 4, 103)
    parts = stratified(labels, [0.25, 0.5], seed=0)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(103))
