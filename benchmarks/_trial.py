"""One trial of `loading.py`: a process that takes batches as fast as it gets them, and counts the samples."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from dltools.augs.collate import collate
from dltools.augs.pipeline import Augmentations
from dltools.data.folder import Folder
from dltools.data.samplers import KeySampler
from dltools.data.samplers.shuffle import Shuffled
from dltools.loaders import NodeLoader
from dltools.loaders.samples import SampleStore

BATCH = 32
WORKERS = 2
WARM = 2
"""Batches after which a trial counts as started."""


def main() -> None:
    """Run as `python _trial.py MODE FOLDER NUMBER COUNTER`: count samples in the file COUNTER until killed."""
    mode, folder, number, counter = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    counts = np.memmap(counter, np.int64, "r+")
    for position, batch in enumerate(MODES[mode](folder, number)):
        images = batch["image"] if isinstance(batch, dict) else batch
        touched(images)
        counts[number] += len(images)
        if position == WARM - 1:
            print("started", flush=True)


def touched(images: torch.Tensor) -> int:
    """Read a byte of each page, as a copy to a device would."""
    return int(images.view(torch.uint8).flatten()[::4096].sum())


class Photographs(Dataset[Any]):
    """Decoded, augmented and normalised photographs, as a training script of today has them."""

    def __init__(self, files: list[Path], decoded: Path | None = None) -> None:
        self.files = files
        self.decoded = decoded
        self.pixels: Any = None
        self.transform = A.Compose([*transforms().values(), A.Normalize()])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        if self.decoded is None:
            image = cv2.cvtColor(cv2.imread(str(self.files[index])), cv2.COLOR_BGR2RGB)
        else:
            if self.pixels is None:
                self.pixels = np.load(self.decoded, mmap_mode="r")
            image = np.array(self.pixels[index])
        pixels = self.transform(image=image)["image"]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def transforms(seed: int = 0) -> dict[str, Any]:
    """Return crop, flip and colours; trials that differ have each a strength of their own."""
    return {
        "crop": A.RandomResizedCrop((224, 224)),
        "flip": A.HorizontalFlip(p=0.5),
        "colours": A.ColorJitter(brightness=0.2 + 0.01 * seed, p=0.8),
    }


def torch_loader(context: str, decoded: bool = False) -> Callable[[Path, int], Iterator[Any]]:
    """Return torch's loader with workers of its own."""

    def batches(folder: Path, number: int) -> Iterator[Any]:
        files = sorted(folder.glob("train/*/*.jpg"))
        dataset = Photographs(files, folder / "decoded.npy" if decoded else None)
        loader = DataLoader(
            dataset,
            BATCH,
            shuffle=True,
            drop_last=True,
            num_workers=WORKERS,
            multiprocessing_context=context,
            persistent_workers=True,
            generator=torch.Generator().manual_seed(number),
        )
        while True:
            yield from loader

    return batches


def node_loader(*, agree: bool, cached: bool = False) -> Callable[[Path, int], Iterator[Any]]:
    """Return the loader of the node, for trials that ask for the same batches or each for its own.

    The cache of decoded samples is filled before anything is measured.
    """

    def batches(folder: Path, number: int) -> Iterator[Any]:
        own = 0 if agree else number
        split = Folder(root=str(folder)).split("train")
        dataset = Augmentations(train=transforms(own)).dataset(split, "train", seed=own)
        if cached:
            dataset.store = SampleStore(folder / "samples", len(split), "photographs", "50%")
        sampler = KeySampler(Shuffled(len(split)), seed=own)
        loader = NodeLoader(
            dataset,
            BATCH,
            sampler=sampler,
            drop_last=True,
            num_workers=WORKERS,
            collate_fn=collate,
            identity=f"{folder} {own} {cached}",
        )
        for epoch in itertools.count():
            sampler.set_epoch(epoch)
            yield from loader

    return batches


def idle(folder: Path, number: int) -> Iterator[Any]:
    """Load nothing: what a trial costs by itself."""
    while True:
        yield torch.zeros(BATCH, dtype=torch.uint8)
        time.sleep(0.01)


def fill_cache(folder: Path) -> None:
    """Keep all samples decoded."""
    split = Folder(root=str(folder)).split("train")
    store = SampleStore(folder / "samples", len(split), "photographs", "50%")
    for index in range(len(split)):
        assert store.put(index, split[index])


MODES: dict[str, Callable[[Path, int], Iterator[Any]]] = {
    "torch, fork": torch_loader("fork"),
    "torch, spawn": torch_loader("spawn"),
    "torch, fork, decoded files": torch_loader("fork", decoded=True),
    "node, trials that agree": node_loader(agree=True),
    "node, trials that differ": node_loader(agree=False),
    "node, cached, trials that agree": node_loader(agree=True, cached=True),
    "node, cached, trials that differ": node_loader(agree=False, cached=True),
    "idle": idle,
}

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
