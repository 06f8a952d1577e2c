"""The order of samples as a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class KeySampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index), so that a sample's randomness needs nothing but its key, whichever worker makes it.

    Args:
        size: number of samples.
        seed: of the order.
        shuffle: draw a new order in each epoch, else count upwards.
    """

    def __init__(self, size: int, seed: int, shuffle: bool) -> None:
        self.size = size
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the keys of the current epoch."""
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        yield from ((self.epoch, int(index)) for index in order)
