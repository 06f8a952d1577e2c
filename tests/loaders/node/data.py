"""Data sets for the tests, of which a worker is sent the source."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset


class Pictures(Dataset):
    """Samples of many kinds, each a function of its key; notes who makes which in a file."""

    def __init__(self, size: int = 24, side: int = 32, log: Path | None = None) -> None:
        self.size, self.side, self.log = size, side, log

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key):
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{os.getpid()} {key}\n")
        epoch, index = key if isinstance(key, tuple) else (0, key)
        random = np.random.default_rng([epoch, index])
        image = torch.from_numpy(random.integers(0, 256, (3, self.side, self.side), dtype=np.uint8))
        return {"image": image, "index": index, "name": f"{index}.png", "noise": image.to(torch.bfloat16) / 7}


class Chance(Dataset):
    """Samples of the global random numbers."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int):
        return {"torch": torch.rand(2000), "numpy": np.random.rand(3), "index": index}


class Broken(Pictures):
    """A data set of which one sample cannot be made."""

    def __getitem__(self, key):
        if key == 5:
            raise ValueError("picture 5 is torn")
        return super().__getitem__(key)


class Deadly(Pictures):
    """A data set of which one sample kills the worker, as a decoder may."""

    def __getitem__(self, key):
        if key == 5 and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__getitem__(key)


def ragged(samples):
    """Make a batch of lists, tuples, strings, empty, transposed and shared tensors."""
    image = torch.stack([sample["image"] for sample in samples])
    return {
        "boxes": [torch.full((sample["index"] % 3, 4), 0.5) for sample in samples],
        "names": tuple(sample["name"] for sample in samples),
        "nested": {"noise": [torch.stack([sample["noise"] for sample in samples])], "none": None, "flag": True},
        "wide": image.contiguous(memory_format=torch.channels_last),
        "same": [image, image],
        "half": image[:, :, ::2],
        "numpy": image.numpy().astype(np.float64),
        "words": np.array(["a", "bcd"]),
        "empty": torch.empty((0, 7), dtype=torch.float16),
        "scalar": torch.tensor(3.5),
        "mask": image > 100,
    }
