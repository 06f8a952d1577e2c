"""Order and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch.utils.data import Dataset

from dltools.cfgutils import FieldError
from dltools.data.samplers import InOrder, KeySampler, Shuffle
from dltools.loaders import TorchLoader


class Keys(Dataset[tuple[int, int]]):
    """Gives back the keys it is asked for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int]:
        return key


def _sampler(size: int, shuffle: bool) -> KeySampler:
    split: Any = range(size)
    return KeySampler(Shuffle().plan(split, lambda: []) if shuffle else InOrder(size), seed=0)


def _epoch(loader: Any, epoch: int) -> list[list[tuple[int, int]]]:
    loader.sampler.epoch = epoch
    return [list(batch) for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_are_the_same_for_any_number_of_workers(workers: int) -> None:
    alone = TorchLoader(batch_size=4).loader(Keys(18), list, _sampler(18, True), train=True)
    loader = TorchLoader(batch_size=4, num_workers=workers).loader(Keys(18), list, _sampler(18, True), train=True)
    for epoch in (0, 1):
        assert _epoch(loader, epoch) == _epoch(alone, epoch)


@pytest.mark.parametrize(("size", "train", "lengths"), [(10, True, [4, 4]), (3, True, [3]), (10, False, [4, 4, 2])])
def test_a_last_training_batch_is_left_out_unless_it_is_the_only_one_and_evaluation_keeps_it(
    size: int, train: bool, lengths: list[int]
) -> None:
    loader = TorchLoader(batch_size=4).loader(Keys(size), list, _sampler(size, train), train=train)
    assert [len(batch) for batch in _epoch(loader, 0)] == lengths


def test_evaluation_may_have_a_batch_size_of_its_own() -> None:
    loader = TorchLoader(batch_size=4, eval_batch_size=8).loader(Keys(10), list, _sampler(10, False), train=False)
    assert np.concatenate([np.array(batch)[:, 1] for batch in _epoch(loader, 0)]).tolist() == list(range(10))
    assert len(loader) == 2


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(FieldError, match="batch_size must be at least 1"):
        TorchLoader(batch_size=0)
