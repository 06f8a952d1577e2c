"""What a service and its workers take does not grow: not with epochs, and hardly with trials."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path

import albumentations as A
import cv2
import pytest
from sklearn.datasets import load_sample_image

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.data.folder import Folder
from dltools.data.samplers import KeySampler, Shuffle
from dltools.loaders import NodeLoader

pytestmark = pytest.mark.slow
SEED, BATCH, SIDE, MB = 3, 8, 256, 1 << 20


class Memory:
    """The memory of a service: what it and its workers have written, and the batches that it remembers.

    The pages of libraries are left out: how many of them are counted depends on who else has loaded these.
    """

    def __init__(self, processes):
        self._processes = processes

    def own(self):
        """Return the bytes that the processes hold beside files."""
        rows = [row.split() for pid in self._processes.living() for row in _lines(pid, "smaps_rollup")]
        return 1024 * sum(int(row[1]) for row in rows if row[0] in ("Pss_Anon:", "Pss_Shmem:", "SwapPss:"))

    def batches(self):
        """Return the bytes of the service's memory without a name; pages that are nowhere mapped are nobody's share."""
        (service,) = self._processes.services()
        files = Path(f"/proc/{service}/fd").iterdir()
        memory = {file.stat().st_ino: file.stat() for file in files if "dltools-batches" in os.readlink(file)}
        return 512 * sum(state.st_blocks for state in memory.values())


def _lines(pid, name):
    return Path(f"/proc/{pid}/{name}").read_text().splitlines()[1:]


@pytest.fixture
def memory(processes):
    return Memory(processes)


@pytest.fixture
def photographs(tmp_path):
    """A folder of 128 crops of two photographs, which no data set keeps in memory."""
    for name in ("china", "flower"):
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        photograph = load_sample_image(f"{name}.jpg")[..., ::-1]
        for number in range(64):
            crop = photograph[2 * number : 2 * number + SIDE, 6 * number : 6 * number + SIDE]
            cv2.imwrite(str(folder / f"{number}.jpg"), crop)
    return tmp_path


@pytest.fixture
def trial(node, photographs):
    """A function that returns a trial's loader, of batches that are mapped and differ in each epoch."""
    node = replace(node, workers=2, budget=32 * MB)

    def start():
        split = Folder(root=str(photographs)).split("train")
        transforms = {"affine": A.Affine(rotate=(-30, 30), p=0.8), "flip": A.HorizontalFlip(p=0.5)}
        dataset = Augmentations(train=transforms).dataset(split, "train", SEED)
        sampler = KeySampler(Shuffle().plan(split, lambda: []), SEED)
        options = {"batch_size": BATCH, "sampler": sampler, "collate_fn": collate, "num_workers": 2}
        return NodeLoader(dataset, **options, identity="photographs", node=node)

    return start


def _run(*loaders, epochs):
    """Go through epochs, all loaders side by side, and keep nothing."""
    for epoch in epochs:
        for loader in loaders:
            loader.sampler.set_epoch(epoch)
        for _ in zip(*loaders, strict=True):
            pass
    gc.collect()


def test_twenty_epochs_take_what_three_take_and_a_second_trial_next_to_nothing(trial, memory):
    first = trial()
    _run(first, epochs=range(3))
    after_three, batches = memory.own(), memory.batches()
    _run(first, epochs=range(3, 20))
    after_twenty = memory.own()
    assert 24 * MB < batches <= 32 * MB
    assert after_twenty + memory.batches() == pytest.approx(after_three + batches, rel=0.02)
    second = trial()
    _run(first, second, epochs=range(20, 24))
    assert memory.own() - after_twenty < 4 * MB and memory.batches() <= 32 * MB
    assert first.stats()["alone"] == second.stats()["alone"] == 0
    assert first.stats()["hits"] + second.stats()["hits"] == second.stats()["batches"] == 64
