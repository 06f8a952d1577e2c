import threading
from collections import Counter

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError
from dltools.data.folder import Folder
from dltools.data.statistics import (
    ClassCounts,
    CoOccurrence,
    Duplicates,
    Histogram,
    Moments,
    NonFinite,
    Objects,
    Sizes,
    collect,
    countable,
    plain,
)

PHOTO = np.array(load_sample_image("china.jpg"))
SEVEN = {
    "moments": Moments(),
    "histogram": Histogram(),
    "sizes": Sizes(),
    "classes": ClassCounts(of="label", num_classes=3),
    "pairs": CoOccurrence(of="mask", num_classes=3),
    "duplicates": Duplicates(),
    "finite": NonFinite(),
}


class Counting:
    """Parts of a photograph; counts how often each is opened."""

    name = "train"

    def __init__(self, count=150, dtype=np.uint8, broken=()):
        self.count = count
        self.dtype = dtype
        self.broken = broken
        self.opened = Counter()
        self.lock = threading.Lock()

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        with self.lock:
            self.opened[index] += 1
        if index in self.broken:
            raise OSError("disk on fire")
        image = PHOTO[index : index + 20, : 10 + index % 7].astype(self.dtype)
        return {"image": image, "label": index % 3, "mask": (image[..., 0] % 3).astype(np.uint8)}


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_each_sample_is_opened_once_whatever_is_counted(workers):
    split = Counting()
    found = collect(split, SEVEN, workers=workers)
    assert split.opened == Counter(range(150)) and found.samples == 150
    assert SEVEN["moments"].exact is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_results_are_the_same_to_the_bit_for_any_number_of_workers(dtype):
    wanted = {name: each for name, each in SEVEN.items() if dtype != np.float32 or name != "histogram"}
    found = [plain(collect(Counting(dtype=dtype), wanted, workers=workers).results) for workers in (0, 1, 2, 5)]
    assert all(each == found[0] for each in found[1:])
    pixels = np.concatenate([Counting()[index]["image"].reshape(-1, 3) for index in range(150)])
    np.testing.assert_allclose(found[0]["moments"]["std"], pixels.std(0), rtol=1e-12)


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_samples_are_named(workers):
    split = Counting(broken=(70, 71))
    with pytest.raises(DataError, match="Sample 70 of split 'train': OSError: disk on fire"):
        collect(split, SEVEN, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_statistic_that_a_sample_lacks_is_named(workers):
    with pytest.raises(DataError, match="Sample 0 of split 'train': objects: it has no boxes; it has image, label"):
        collect(Counting(), {**SEVEN, "objects": Objects()}, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_skipped_samples_are_listed_and_counted_in_no_statistic(workers):
    wanted = {"moments": Moments(), "classes": ClassCounts(of="label", num_classes=2)}
    found = collect(Counting(9), wanted, workers=workers, on_error="skip", max_skipped=0.5)
    assert found.samples == 6 and list(found.skipped) == [2, 5, 8]
    assert found.skipped[2] == "classes: its label has class id 2; ids must be from 0 to 1"
    pixels = np.concatenate([Counting()[index]["image"].reshape(-1, 3) for index in (0, 1, 3, 4, 6, 7)])
    np.testing.assert_allclose(found.results["moments"].mean, pixels.mean(0), rtol=1e-14)


@pytest.mark.parametrize("workers", [0, 2])
def test_more_than_one_percent_skipped_is_an_error(workers):
    few, many = Counting(200, broken=(1, 2)), Counting(200, broken=(1, 2, 60))
    assert collect(few, SEVEN, workers=workers, on_error="skip").samples == 198
    with pytest.raises(DataError, match=r"3 of 200 samples of split 'train' cannot be counted.*\n  sample 1: OSError"):
        collect(many, SEVEN, workers=workers, on_error="skip")


def test_other_errors_tell_the_sample_and_the_statistic():
    class Wrong(Sizes):
        def measure(self, sample):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        collect(Counting(), {"wrong": Wrong()})
    assert "in statistic wrong, sample 0 of split 'train'" in caught.value.__notes__


def test_images_that_do_not_go_together_are_an_error_for_any_number_of_workers():
    class Mixed(Counting):
        def __getitem__(self, index):
            return {"image": PHOTO[:5, :5, : 1 if index >= 64 else 3]}

    for workers in (0, 2):
        with pytest.raises(DataError, match="all images must have the same") as caught:
            collect(Mixed(), {"moments": Moments()}, workers=workers)
        assert "in samples 64 to 95 of split 'train'" in caught.value.__notes__


def test_what_a_sample_lacks_can_be_left_out():
    assert list(countable({**SEVEN, "objects": Objects()}, Counting()[0])) == list(SEVEN)


def test_nothing_to_count_is_counted():
    assert collect(Counting(0), SEVEN).samples == 0


def test_a_file_of_another_split_is_found(tmp_path):
    for split, starts in {"train": (0, 9), "val": (9, 30)}.items():
        (tmp_path / split / "sky").mkdir(parents=True)
        for start in starts:
            cv2.imwrite(str(tmp_path / split / "sky" / f"{start:02}.png"), PHOTO[start : start + 40])
    provider = Folder(root=str(tmp_path))
    train, val = (
        collect(provider.split(name), {"same": Duplicates(split=name)}).accumulators["same"]
        for name in ("train", "val")
    )
    train.merge(val)
    assert train.result().across == [[("train", 1), ("val", 0)]]
