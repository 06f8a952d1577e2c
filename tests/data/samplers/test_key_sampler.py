"""The order of an epoch: the same for any number of ranks, and from any place on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import ConfigError
from dltools.data.samplers import InOrder, KeySampler, Plan, Sequential, Shuffle

SIZES = st.integers(1, 40)
RANKS = st.integers(1, 5)


def _plan(size: int) -> Plan:
    split: Any = range(size)
    return Shuffle().plan(split, lambda: [])


def _indices(sampler: KeySampler) -> list[int]:
    return [index for _, index in sampler]


def _of_ranks(size: int, ranks: int, consumed: int = 0, even: bool = False) -> list[list[int]]:
    samplers = [KeySampler(_plan(size), 3, rank=rank, world_size=ranks, even=even) for rank in range(ranks)]
    for sampler in samplers:
        sampler.set_epoch(1, consumed)
    return [_indices(sampler) for sampler in samplers]


def test_each_epoch_has_every_sample_once_in_an_order_of_its_own_that_comes_again() -> None:
    sampler = KeySampler(_plan(50), seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    sampler.set_epoch(0)
    assert sorted(index for _, index in first) == list(range(50))
    assert [index for _, index in first] != [index for _, index in second]
    assert list(sampler) == first
    assert {epoch for epoch, _ in second} == {1}


def test_the_order_depends_on_the_seed_and_evaluation_counts_upwards() -> None:
    assert list(KeySampler(_plan(50), 1)) != list(KeySampler(_plan(50), 2))
    split: Any = range(5)
    for plan in (InOrder(5), Sequential().plan(split, lambda: [])):
        assert _indices(KeySampler(plan, 1)) == [0, 1, 2, 3, 4]


@given(SIZES, RANKS)
def test_in_evaluation_no_sample_is_missing_and_none_is_counted_twice(size: int, ranks: int) -> None:
    parts = _of_ranks(size, ranks)
    assert sorted(index for part in parts for index in part) == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(1, 4), RANKS, SIZES)
def test_together_the_batches_of_all_ranks_are_those_of_one_with_larger_batches(
    batch: int, ranks: int, extra: int
) -> None:
    size = batch * ranks + extra
    [alone] = _of_ranks(size, 1)
    parts = _of_ranks(size, ranks, even=True)
    steps = {len(part) // batch for part in parts}
    assert steps == {size // (batch * ranks)}
    for step in range(*steps):
        batches = [part[step * batch : (step + 1) * batch] for part in parts]
        whole = alone[step * batch * ranks : (step + 1) * batch * ranks]
        assert [index for row in zip(*batches, strict=True) for index in row] == whole


@given(st.data(), RANKS, st.booleans())
def test_a_run_goes_on_at_the_next_sample_on_any_number_of_ranks(data: st.DataObject, ranks: int, even: bool) -> None:
    size = data.draw(st.integers(ranks, 40))
    consumed = data.draw(st.integers(0, size))
    [alone] = _of_ranks(size, 1)
    parts = _of_ranks(size, ranks, consumed, even)
    left = size - consumed
    assert len({*map(len, parts)}) == 1 or not even
    taken = left - left % ranks if even else left
    assert sorted(index for part in parts for index in part) == sorted(alone[consumed : consumed + taken])
    assert all(part == alone[consumed + rank : consumed + taken : ranks] for rank, part in enumerate(parts))


@given(st.integers(2, 40), st.integers(0, 3), st.integers(0, 40))
def test_a_state_leads_back_to_where_it_was_taken(size: int, epoch: int, consumed: int) -> None:
    consumed = min(consumed, size)
    sampler, later = (KeySampler(_plan(size), 3, world_size=2, even=True) for _ in range(2))
    sampler.set_epoch(epoch)
    whole = list(sampler)
    later.load_state_dict(sampler.state_dict(consumed - consumed % 2))
    assert list(later) == whole[consumed // 2 :]
    assert len(later) == len(sampler) == len(whole)


def test_the_next_epoch_begins_at_its_beginning() -> None:
    sampler = KeySampler(_plan(10), 3)
    sampler.set_epoch(0, consumed=6)
    assert len(list(sampler)) == 4
    sampler.set_epoch(1)
    assert len(list(sampler)) == 10


def test_a_sampler_with_other_samples_or_another_seed_takes_over_between_epochs_only() -> None:
    state = KeySampler(_plan(10), 3).state_dict(consumed=4)
    for other in (KeySampler(_plan(11), 3), KeySampler(_plan(10), 4)):
        with pytest.raises(
            ConfigError, match="in the middle of an epoch of 10 samples drawn with seed 3; now it has 1"
        ):
            other.load_state_dict(state)
        other.load_state_dict({**state, "epoch": 5, "consumed": 0})
        assert other.epoch == 5


def test_impossible_places_and_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="consumed must be from 0 to 10, got 11"):
        KeySampler(_plan(10), 3).set_epoch(0, consumed=11)
    with pytest.raises(ConfigError, match="3 training samples are too few for 4 ranks"):
        KeySampler(_plan(3), 3, world_size=4, even=True)
