"""The order of an epoch."""

from __future__ import annotations

from typing import Any

from dltools.data.samplers import InOrder, KeySampler, Shuffle


def _shuffled(size: int, seed: int) -> KeySampler:
    split: Any = range(size)
    return KeySampler(Shuffle().plan(split, lambda: []), seed)


def test_each_epoch_has_every_sample_once_in_an_order_of_its_own_that_comes_again() -> None:
    sampler = _shuffled(50, seed=3)
    first = list(sampler)
    sampler.epoch = 1
    second = list(sampler)
    sampler.epoch = 0
    assert sorted(index for _, index in first) == list(range(50))
    assert [index for _, index in first] != [index for _, index in second]
    assert list(sampler) == first
    assert {epoch for epoch, _ in second} == {1}


def test_the_order_depends_on_the_seed_and_evaluation_counts_upwards() -> None:
    assert list(_shuffled(50, 1)) != list(_shuffled(50, 2))
    assert [index for _, index in KeySampler(InOrder(5), 1)] == [0, 1, 2, 3, 4]
