"""The function that makes batches: what it is, and how it is called, by whomever."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch.utils.data import Dataset
from torch.utils.data._utils.fetch import _MapDatasetFetcher


class Pipeline:
    """A data set and how its samples become a batch: a pure function of the keys.

    What draws from the global random numbers of Python, numpy or torch is a function of the keys as well, since these
    are seeded with them; the caller's go on as if nothing had been drawn.

    Args:
        dataset: map-style.
        collate: makes a batch of a list of samples.
        batched: keys come as lists; else a key is a batch.
        start: called with the worker's number before the first batch.
    """

    def __init__(
        self, dataset: Dataset[Any], collate: Callable[..., Any], batched: bool, start: Callable[[int], Any] | None
    ) -> None:
        self.folder = os.getcwd()
        self._fetcher = _MapDatasetFetcher(dataset, batched, collate, False)
        self.start = start

    def __call__(self, keys: Any, seed: int) -> Any:
        """Return the batch of some keys.

        Args:
            keys: what the sampler or the batch sampler yielded.
            seed: from 0 to 2**32 - 1, a function of the keys.
        """
        with _random_numbers(seed):
            return self._fetcher.fetch(keys)

    def identity(self, told: str | None, payload: bytes | None) -> bytes:
        """Return what tells this function from others.

        Args:
            told: what the data set is; None asks its pickle.
            payload: the pickle of this.
        """
        if told is None:
            return digest(payload or b"")
        return digest(told.encode("utf-8"), cloudpickle.dumps((self._fetcher.collate_fn, self._fetcher.auto_collation)))


def digest(*parts: bytes) -> bytes:
    """Return a hash of some bytes."""
    result = hashlib.blake2b(digest_size=16)
    for part in parts:
        result.update(len(part).to_bytes(8, "little") + part)
    return result.digest()


def plain(keys: Any) -> bytes:
    """Return a pickle that is the same for equal keys, whichever of them are one object."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.fast = True
    pickler.dump(keys)
    return buffer.getvalue()


@contextmanager
def _random_numbers(seed: int) -> Iterator[None]:
    """Seed the global generators for a while."""
    before = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.random.set_rng_state(before[2])
