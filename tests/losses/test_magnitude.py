"""Losses of a difference against numpy."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses import CharbonnierLoss, HuberLoss, L1Loss, LogCoshLoss, MAELoss, MSELoss, SmoothL1Loss

LOSSES = {
    "l1": L1Loss(),
    "mae": MAELoss(),
    "mse": MSELoss(),
    "huber": HuberLoss(),
    "huber 0.3": HuberLoss(delta=0.3),
    "smooth_l1": SmoothL1Loss(),
    "smooth_l1 0": SmoothL1Loss(beta=0),
    "smooth_l1 3": SmoothL1Loss(beta=3),
    "log_cosh": LogCoshLoss(),
    "charbonnier": CharbonnierLoss(),
    "charbonnier 2": CharbonnierLoss(epsilon=2),
}
FORMULAS = {
    "l1": np.abs,
    "mae": np.abs,
    "mse": np.square,
    "huber": lambda d: np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
    "huber 0.3": lambda d: np.where(np.abs(d) < 0.3, d**2 / 2, 0.3 * (np.abs(d) - 0.15)),
    "smooth_l1": lambda d: np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
    "smooth_l1 0": np.abs,
    "smooth_l1 3": lambda d: np.where(np.abs(d) < 3, d**2 / 6, np.abs(d) - 1.5),
    "log_cosh": lambda d: np.log(np.cosh(d)),
    "charbonnier": lambda d: np.sqrt(d**2 + 1e-6),
    "charbonnier 2": lambda d: np.sqrt(d**2 + 4),
}

every_loss = pytest.mark.parametrize("name", LOSSES)


def batch(seed=0):
    rng = np.random.default_rng(seed)
    input, target = rng.normal(0, 2, (4, 5)), rng.normal(0, 2, (4, 5))
    target[rng.random((4, 5)) < 0.3] = np.nan
    return input, target


def tensors(seed=0):
    return tuple(torch.from_numpy(array) for array in batch(seed))


def value_and_gradient(loss, input, *others):
    input = input.detach().clone().requires_grad_()
    value = loss(input, *others)
    value.backward()
    return value.detach(), input.grad


@every_loss
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_it_is_the_mean_of_its_formula_over_known_targets(name, seed):
    input, target = batch(seed)
    value = LOSSES[name](*tensors(seed))
    assert value.item() == pytest.approx(np.nanmean(FORMULAS[name](input - target)), rel=1e-12)


@every_loss
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_weights_are_those_of_a_weighted_mean(name, seed):
    input, target = batch(seed)
    weights = np.random.default_rng(seed).integers(0, 3, (4, 1)).astype(np.float64) * np.ones((4, 5))
    weights[np.isnan(target)] = 0
    each = FORMULAS[name](input - np.nan_to_num(target))
    expected = (weights * each).sum() / max(weights.sum(), 1)
    value = LOSSES[name](*tensors(seed), torch.from_numpy(weights))
    assert value.item() == pytest.approx(expected, rel=1e-12)


@every_loss
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_what_is_not_valid_counts_as_if_its_target_were_unknown(name, dtype):
    input, target = tensors()
    valid = torch.arange(5) % 2 == 0
    unknown = torch.where(valid, target, torch.nan)
    expected = value_and_gradient(LOSSES[name], input, unknown)
    torch.testing.assert_close(value_and_gradient(LOSSES[name], input, target, valid.to(dtype)), expected)


@every_loss
@pytest.mark.parametrize("poison", [0.0, float("nan"), float("inf")])
def test_what_does_not_count_has_exactly_no_gradient(name, poison):
    input, target = torch.tensor([1.0, poison, 3.0, poison]), torch.tensor([0.0, torch.nan, 0.0, 1.0])
    value, gradient = value_and_gradient(LOSSES[name], input, target, torch.tensor([True, True, True, False]))
    assert value.isfinite()
    assert (gradient[[1, 3]] == 0).all()
    assert (gradient[[0, 2]] > 0).all()


@every_loss
def test_the_gradient_is_that_of_the_value(name):
    input, target = tensors()
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, target), (input.requires_grad_(),))


@every_loss
def test_the_values_may_have_any_shape_and_order(name):
    input, target = tensors()
    value = LOSSES[name](input, target)
    order = torch.randperm(20)
    for moved in (lambda x: x.flatten()[order], lambda x: x.reshape(2, 2, 1, 5), lambda x: x.mT):
        torch.testing.assert_close(LOSSES[name](moved(input), moved(target)), value)
    number = LOSSES[name](torch.tensor(2.0), torch.tensor(1.0))
    assert number.item() == pytest.approx(FORMULAS[name](1.0), rel=1e-6)


@every_loss
def test_without_any_known_target_the_loss_is_zero_with_zero_gradient(name):
    input = torch.randn(3, dtype=torch.float16)
    value, gradient = value_and_gradient(LOSSES[name], input, torch.full((3,), torch.nan))
    assert value == 0 and value.shape == ()
    assert (gradient == 0).all()
    value, _ = value_and_gradient(LOSSES[name], torch.rand(0, 4), torch.rand(0, 4), torch.rand(0, 1))
    assert value == 0


@every_loss
@pytest.mark.parametrize("size", [1e-30, 1e4, 1e18])
def test_differences_of_any_size_have_finite_values_and_gradients(name, size):
    value, gradient = value_and_gradient(LOSSES[name], torch.tensor([size, -size, 0.0]), torch.zeros(3))
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert torch.equal(gradient[0], -gradient[1]) and gradient[2] == 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_full(name, dtype):
    input = torch.full((1000, 1000), 100.0, dtype=dtype)
    value, gradient = value_and_gradient(LOSSES[name], input, torch.zeros(1000, 1000))
    assert value.item() == pytest.approx(FORMULAS[name](100.0), rel=1e-6)
    assert gradient.dtype == dtype


@every_loss
def test_a_batch_is_never_waited_for(name):
    input, target = (torch.rand(3, 4, device="meta") for _ in range(2))
    LOSSES[name](input.requires_grad_(), target, torch.ones(3, 1, dtype=torch.bool, device="meta")).backward()
    assert input.grad.shape == (3, 4)


@every_loss
def test_it_compiles_without_a_graph_break(name):
    torch._dynamo.reset()
    arguments = *tensors(), torch.rand(5)
    compiled = torch.compile(LOSSES[name], fullgraph=True, backend="aot_eager")
    expected = value_and_gradient(LOSSES[name], *arguments)
    torch.testing.assert_close(value_and_gradient(compiled, *arguments), expected)


@every_loss
def test_copies_are_equal_and_have_no_state(name):
    for twin in (pickle.loads(pickle.dumps(LOSSES[name])), copy.deepcopy(LOSSES[name])):
        assert torch.equal(twin(*tensors()), LOSSES[name](*tensors()))
    assert LOSSES[name].state_dict() == {}


@every_loss
def test_shapes_do_not_broadcast(name):
    with pytest.raises(ValueError, match=r"one shape, got \(3, 1\) and \(3,\)"):
        LOSSES[name](torch.rand(3, 1), torch.rand(3))
    with pytest.raises(ValueError, match=r"input must be floating, got torch\.int64"):
        LOSSES[name](torch.ones(3, dtype=torch.int64), torch.rand(3))


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (3, 5)])
def test_a_mask_that_does_not_broadcast_is_refused(shape):
    with pytest.raises(ValueError, match=rf"valid must broadcast to input \(3, 4\), got \({shape[0]},"):
        L1Loss()(torch.rand(3, 4), torch.rand(3, 4), torch.ones(shape))


def test_small_differences_do_not_cancel_in_log_cosh():
    difference = torch.tensor([1e-3, 1e-2, 0.1, 1.0])
    values = LogCoshLoss(reduction="none")(difference, torch.zeros(4))
    np.testing.assert_allclose(values.numpy(), np.log(np.cosh(difference.double().numpy())), rtol=1e-3)


def test_huber_is_delta_times_smooth_l1():
    input, target = tensors()
    torch.testing.assert_close(HuberLoss(delta=0.7)(input, target), 0.7 * SmoothL1Loss(beta=0.7)(input, target))


@pytest.mark.parametrize(("make", "field"), [(HuberLoss, "delta"), (CharbonnierLoss, "epsilon")])
def test_a_bend_of_no_size_is_refused(make, field):
    with pytest.raises(FieldError, match=f"{field} must be greater than 0, got 0"):
        make(**{field: 0})
