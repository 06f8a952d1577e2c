"""Losses of a difference against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.losses import L1Loss, SmoothL1Loss


def batch(seed):
    rng = np.random.default_rng(seed)
    input, target = rng.normal(0, 2, (4, 5)), rng.normal(0, 2, (4, 5))
    target[rng.random((4, 5)) < 0.3] = np.nan
    return input, target


@given(seed=st.integers(0, 10_000))
def test_l1_is_the_mean_over_known_targets(seed):
    input, target = batch(seed)
    value = L1Loss()(torch.from_numpy(input), torch.from_numpy(target))
    assert value.item() == pytest.approx(np.nanmean(np.abs(input - target)), rel=1e-12)


@given(seed=st.integers(0, 10_000), beta=st.sampled_from([0.0, 0.1, 1.0, 3.0]))
def test_smooth_l1_is_its_formula(seed, beta):
    input, target = batch(seed)
    size = np.abs(input - target)
    each = np.where(size < beta, size**2 / (2 * beta or 1), size - beta / 2)
    each[np.isnan(target)] = np.nan
    value = SmoothL1Loss(beta=beta)(torch.from_numpy(input), torch.from_numpy(target))
    assert value.item() == pytest.approx(np.nanmean(each), rel=1e-12)


@pytest.mark.parametrize("loss", [L1Loss(), SmoothL1Loss()], ids=["l1", "smooth_l1"])
@pytest.mark.parametrize("poison", [0.0, float("nan"), float("inf")])
def test_unknown_targets_have_exactly_no_gradient(loss, poison):
    input = torch.tensor([1.0, poison, 3.0], requires_grad=True)
    value = loss(input, torch.tensor([0.0, float("nan"), 0.0]))
    value.backward()
    assert value.isfinite()
    assert input.grad[1] == 0
    assert (input.grad[[0, 2]] == 0.5).all()


def test_without_any_known_target_the_loss_is_zero_with_zero_gradient():
    input = torch.randn(3, dtype=torch.float16, requires_grad=True)
    value = L1Loss()(input, torch.full((3,), float("nan")))
    value.backward()
    assert value == 0
    assert value.shape == ()
    assert (input.grad == 0).all()


def test_shapes_do_not_broadcast():
    with pytest.raises(ValueError, match=r"one shape, got \(3, 1\) and \(3,\)"):
        L1Loss()(torch.rand(3, 1), torch.rand(3))


def test_half_precision_is_summed_in_full():
    input = torch.full((1000, 1000), 100.0, dtype=torch.float16)
    assert L1Loss()(input, torch.zeros(1000, 1000)).item() == 100
