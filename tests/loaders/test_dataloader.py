"""Order and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch.utils.data import Dataset

from dltools.cfgutils import FieldError
from dltools.loaders import KeySampler, TorchLoader


class Keys(Dataset[tuple[int, int]]):
    """Gives back the keys it is asked for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int]:
        return key


def _epoch(loader: Any, epoch: int) -> list[list[tuple[int, int]]]:
    loader.sampler.epoch = epoch
    return [list(batch) for batch in loader]


def test_each_epoch_has_every_sample_once_in_an_order_of_its_own_that_comes_again() -> None:
    sampler = KeySampler(50, seed=3, shuffle=True)
    first = list(sampler)
    sampler.epoch = 1
    second = list(sampler)
    sampler.epoch = 0
    assert sorted(index for _, index in first) == list(range(50))
    assert [index for _, index in first] != [index for _, index in second]
    assert list(sampler) == first
    assert {epoch for epoch, _ in second} == {1}


def test_the_order_depends_on_the_seed_and_evaluation_counts_upwards() -> None:
    assert list(KeySampler(50, 1, True)) != list(KeySampler(50, 2, True))
    assert [index for _, index in KeySampler(5, 1, False)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_are_the_same_for_any_number_of_workers(workers: int) -> None:
    alone = TorchLoader(batch_size=4).loader(Keys(18), list, seed=0, train=True)
    loader = TorchLoader(batch_size=4, num_workers=workers).loader(Keys(18), list, seed=0, train=True)
    for epoch in (0, 1):
        assert _epoch(loader, epoch) == _epoch(alone, epoch)


def test_a_last_training_batch_is_left_out_unless_it_is_the_only_one_and_evaluation_keeps_it() -> None:
    loaders = TorchLoader(batch_size=4)
    assert [len(batch) for batch in _epoch(loaders.loader(Keys(10), list, 0, True), 0)] == [4, 4]
    assert [len(batch) for batch in _epoch(loaders.loader(Keys(3), list, 0, True), 0)] == [3]
    assert [len(batch) for batch in _epoch(loaders.loader(Keys(10), list, 0, False), 0)] == [4, 4, 2]


def test_evaluation_may_have_a_batch_size_of_its_own() -> None:
    loader = TorchLoader(batch_size=4, eval_batch_size=8).loader(Keys(10), list, 0, False)
    assert np.concatenate([np.array(batch)[:, 1] for batch in _epoch(loader, 0)]).tolist() == list(range(10))
    assert len(loader) == 2


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(FieldError, match="batch_size must be at least 1"):
        TorchLoader(batch_size=0)
