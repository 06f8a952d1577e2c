"""Samples that cannot be read, in batches and in whole runs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.cfgutils import DataError, SampleError
from dltools.data.samplers import InOrder, KeySampler
from dltools.loaders import SKIPPED, TorchLoader


class Holed:
    """Ten images, of which some cannot be read."""

    name = "train"

    def __init__(self, bad: tuple[int, ...]) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index in self.bad:
            raise DataError(f"{index}.png is torn")
        return {"image": np.full((4, 4, 3), index, np.uint8), "label": index, "index": index}


def _batches(bad: tuple[int, ...], workers: int, on_error: str) -> list[dict[str, Any]]:
    dataset = Augmentations().dataset(Holed(bad), "train", seed=0)
    loaders = TorchLoader(batch_size=3, num_workers=workers, on_error=on_error)
    return list(loaders.loader(dataset, collate, KeySampler(InOrder(10), 0), train=False))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_go_without_them_and_tell_which(workers: int) -> None:
    batches = _batches((1, 6, 7, 8), workers, "skip")
    assert [batch.get("label", np.empty(0)).tolist() for batch in batches] == [[0, 2], [3, 4, 5], [], [9]]
    assert [list(batch[SKIPPED]) for batch in batches] == [[1], [], [6, 7, 8], []]
    assert batches[0][SKIPPED][1] == "1.png is torn"


@pytest.mark.parametrize("workers", [0, 2])
def test_by_default_the_first_of_them_ends_it_and_is_named(workers: int) -> None:
    with pytest.raises(SampleError, match=r"Sample 4 of split 'train': 4.png is torn"):
        _batches((4,), workers, "raise")


@pytest.fixture
def folder(tmp_path):
    """Two classes of 110 training images, one of which is no image, and a few others."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 110), ("val", 4), ("test", 4)):
        for name in ("dark", "light"):
            place = tmp_path / "set" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                low = 0 if name == "dark" else 128
                cv2.imwrite(str(place / f"{number:03}.png"), rng.integers(low, low + 127, (8, 8, 3), np.uint8))
    (tmp_path / "set" / "train" / "dark" / "005.png").write_bytes(b"\x89PNG\r\n\x1a\n no image")
    return tmp_path / "set"


def _words(folder, *more):
    small = ["policy.epochs=2", "loader.batch_size=20", "model.width=4", "loader.on_error=skip"]
    return ["task=classification", "data=folder", f"data.root={folder}", *small, *more]


def test_a_run_goes_on_without_one_in_a_hundred_and_lists_it(train, folder, caplog):
    summary = train(*_words(folder)).read_summary()
    assert summary["status"] == "finished"
    assert list(summary["skipped"]["train"]) == ["5"]
    assert "005.png cannot be decoded" in summary["skipped"]["train"]["5"]
    assert sum("Sample 5 of the train split is left out" in line for line in caplog.messages) == 1


def test_too_many_of_them_end_a_run(train, folder):
    for number in range(3):
        (folder / "train" / "light" / f"{number:03}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"(?s)of 220 samples of the train split cannot be read, more than") as caught:
        train(*_words(folder))
    assert "loader.max_skipped=0.01 allows" in str(caught.value)
    assert train(*_words(folder, "loader.max_skipped=0.05"), name="again").read_summary()["status"] == "finished"
