"""Draws in proportion to weights, with as little chance as there can be."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dltools.data.samplers import Drawn

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any)


def _counts(plan: Drawn, epoch: int = 0, seed: int = 0) -> np.ndarray:
    return np.bincount(plan.order(seed, epoch), minlength=len(plan.weights))


@given(WEIGHTS, st.integers(1, 200), st.integers(0, 99))
def test_each_sample_is_there_as_often_as_its_share_rounded_up_or_down(weights, size, seed) -> None:
    counts = _counts(Drawn(np.array(weights, float), size), seed=seed)
    shares = [Fraction(weight * size, sum(weights)) for weight in weights]
    assert counts.sum() == size
    assert all(abs(count - share) < 1 for count, share in zip(counts.tolist(), shares, strict=True))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), min_size=1, max_size=30), st.integers(1, 200))
def test_so_is_each_stratum(pairs, size) -> None:
    weights, strata = np.array(pairs).T
    weights[0] += 1
    counts = _counts(Drawn(weights.astype(float), size, strata))
    drawn, weight = (np.bincount(strata, values) for values in (counts, weights))
    assert (np.abs(drawn - size * weight / weight.sum()) < 1).all()


def test_over_the_epochs_the_counts_are_the_shares() -> None:
    weights = np.random.default_rng(0).gamma(0.5, size=40)
    plan = Drawn(weights, 100)
    counts = sum(_counts(plan, epoch) for epoch in range(2000)) / 2000
    np.testing.assert_allclose(counts, 100 * weights / weights.sum(), atol=0.05)


def test_the_spread_is_that_of_rounding_and_below_that_of_independent_draws() -> None:
    weights = np.random.default_rng(0).gamma(0.5, size=40)
    shares = 100 * weights / weights.sum()
    plan = Drawn(weights, 100)
    variance = np.var([_counts(plan, epoch) for epoch in range(2000)], axis=0)
    np.testing.assert_allclose(variance, (shares % 1) * (1 - shares % 1), atol=0.02)
    assert variance.sum() < 0.1 * (shares * (1 - shares / 100)).sum()


def test_equal_weights_are_a_shuffle() -> None:
    for weight in (1.0, 0.1, 1 / 3):
        plan = Drawn(np.full(1000, weight), 1000)
        assert (_counts(plan) == 1).all()
    assert plan.order(0, 0).tolist() != sorted(plan.order(0, 0))


def test_an_epoch_is_a_function_of_its_number_and_the_seed() -> None:
    plan = Drawn(np.arange(50.0), 50)
    again = pickle.loads(pickle.dumps(plan))
    assert np.array_equal(plan.order(1, 2), again.order(1, 2))
    assert not np.array_equal(plan.order(1, 2), plan.order(1, 3))
    assert not np.array_equal(plan.order(1, 2), plan.order(2, 2))


def test_samples_that_are_left_out_differ_from_epoch_to_epoch() -> None:
    plan = Drawn(np.ones(100), 10)
    seen = {index for epoch in range(100) for index in plan.order(0, epoch).tolist()}
    assert len(seen) == 100 and all(len(set(plan.order(0, epoch).tolist())) == 10 for epoch in range(100))
