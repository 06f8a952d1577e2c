"""What holds for every loss of keypoints, whatever it measures."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.losses.keypoints import (
    AdaptiveWingLoss,
    FocalHeatmapLoss,
    HeatmapMSELoss,
    OKSLoss,
    RLELoss,
    WingLoss,
)

LOSSES = {
    "heatmap_mse": HeatmapMSELoss(),
    "heatmap_mse hard": HeatmapMSELoss(hard_joints=2),
    "adaptive_wing": AdaptiveWingLoss(),
    "adaptive_wing plain hard": AdaptiveWingLoss(emphasis=0, hard_joints=1),
    "focal_heatmap": FocalHeatmapLoss(),
    "wing": WingLoss(),
    "wing narrow": WingLoss(width=1.0, epsilon=0.5),
    "oks": OKSLoss(sigmas=[0.5]),
    "oks log": OKSLoss(form="log", sigmas=[0.25]),
    "rle": RLELoss(couplings=2, width=8),
}
COLUMNS = {"points": 2, "distributions": 4}

every_loss = pytest.mark.parametrize("name", LOSSES)
every_poison = pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])


def batch(name, objects=3, joints=4, seed=0, dtype=torch.float64):
    """Input and target of a loss, and the scale where the loss reads points; nothing is absent."""
    random = torch.Generator().manual_seed(seed)
    kind = LOSSES[name].kind
    if kind == "values":
        target = torch.rand(objects, joints, 5, 6, generator=random, dtype=dtype)
        return torch.randn(target.shape, generator=random, dtype=dtype), target
    target = torch.rand(objects, joints, 2, generator=random, dtype=dtype) * 20
    input = torch.rand(objects, joints, COLUMNS[kind], generator=random, dtype=dtype) * 20
    scale = (5 + 10 * torch.rand(objects, generator=random, dtype=dtype),) if kind == "points" else ()
    return input, target, *scale


def of_precision(name, dtype):
    """Return the loss with its own parameters, if any, in fp64 for fp64 inputs."""
    loss = copy.deepcopy(LOSSES[name])
    return loss.double() if dtype == torch.float64 else loss


def value_and_gradient(loss, input, *others):
    input = input.detach().clone().requires_grad_()
    value = loss(input, *others)
    value.backward()
    return value.detach(), input.grad


@every_loss
def test_the_gradient_is_that_of_the_value(name):
    input, target, *others = batch(name)
    target[0, 1], target[2] = torch.nan, torch.nan
    loss = of_precision(name, torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, target, *others), (input.requires_grad_(),))


@every_loss
@every_poison
def test_absent_joints_have_exactly_no_gradient_whatever_was_said_of_them(name, poison):
    input, target, *others = batch(name)
    target[0, 1], target[2] = torch.nan, torch.nan
    loss = of_precision(name, torch.float64)
    value, gradient = value_and_gradient(loss, input, target, *others)
    poisoned = input.clone()
    poisoned[0, 1], poisoned[2] = poison, poison
    same, same_gradient = value_and_gradient(loss, poisoned, target, *others)
    assert value.isfinite()
    assert torch.equal(value, same)
    assert torch.equal(gradient, same_gradient)
    assert (gradient[0, 1] == 0).all() and (gradient[2] == 0).all()
    assert (gradient[:2] != 0).any()


@every_loss
@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_absent_joints_count_as_if_they_were_cut_out(name, seed):
    input, target, *others = batch(name, seed=seed)
    absent = torch.from_numpy(np.random.default_rng(seed).random(target.shape[:2]) < 0.4)
    target[absent] = torch.nan
    loss = of_precision(name, torch.float64)
    parts = [
        torch.stack(loss.measure(input[i : i + 1, ~row], target[i : i + 1, ~row], *(o[i : i + 1] for o in others)))
        for i, row in enumerate(absent)
    ]
    torch.testing.assert_close(torch.stack(loss.measure(input, target, *others)), sum(parts))


@every_loss
@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_order_of_objects_and_joints_does_not_matter(name, seed):
    input, target, *others = batch(name, seed=seed)
    random = np.random.default_rng(seed)
    target[random.integers(3), random.integers(4)] = torch.nan
    objects, joints = torch.from_numpy(random.permutation(3)), torch.from_numpy(random.permutation(4))
    loss = of_precision(name, torch.float64)
    moved = loss(input[objects][:, joints], target[objects][:, joints], *(other[objects] for other in others))
    torch.testing.assert_close(moved, loss(input, target, *others))


@every_loss
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_half_precision_is_measured_in_full(name, dtype, tolerance):
    input, target, *others = batch(name)
    half = input.to(dtype)
    value, gradient = value_and_gradient(LOSSES[name], half, target, *others)
    exact, exact_gradient = value_and_gradient(of_precision(name, torch.float64), half.double(), target, *others)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient.double(), exact_gradient, rtol=tolerance, atol=tolerance)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_autocast_changes_nothing(name, dtype):
    input, target, *others = batch(name, dtype=torch.float32)
    expected = LOSSES[name](input, target, *others)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(LOSSES[name](input, target, *others), expected, rtol=1e-6, atol=1e-6)


@every_loss
def test_a_batch_is_never_waited_for(name):
    loss = copy.deepcopy(LOSSES[name]).to("meta")
    input, *others = (tensor.to("meta") for tensor in batch(name, dtype=torch.float32))
    loss(input.requires_grad_(), *others).backward()
    assert input.grad.shape == input.shape


@every_loss
def test_it_compiles_without_a_graph_break(name):
    torch._dynamo.reset()
    input, target, *others = batch(name, dtype=torch.float32)
    target[0, 1] = torch.nan
    compiled = torch.compile(LOSSES[name], fullgraph=True, backend="aot_eager")
    value, gradient = value_and_gradient(compiled, input, target, *others)
    expected, expected_gradient = value_and_gradient(LOSSES[name], input, target, *others)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@every_loss
@pytest.mark.parametrize(("objects", "joints"), [(0, 4), (3, 0), (0, 0)])
def test_nothing_is_worth_zero(name, objects, joints):
    value, _ = value_and_gradient(LOSSES[name], *batch(name, objects, joints, dtype=torch.float32))
    assert value.shape == ()
    assert value == 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_without_joints_the_loss_is_zero_with_zero_gradient(name, dtype):
    input, target, *others = batch(name, dtype=dtype)
    value, gradient = value_and_gradient(LOSSES[name], input * 1e3, torch.full_like(target, torch.nan), *others)
    assert value == 0
    assert (gradient == 0).all()


@every_loss
def test_far_off_inputs_have_finite_values_and_gradients(name):
    input, target, *others = batch(name, dtype=torch.float32)
    for factor in (0, 1e4, -1e4):
        value, gradient = value_and_gradient(LOSSES[name], input * factor, target, *others)
        assert value.isfinite()
        assert gradient.isfinite().all()


@every_loss
def test_the_tensors_given_stay_as_they_are(name):
    tensors = batch(name, dtype=torch.float32)
    tensors[1][0, 1] = torch.nan
    before = [tensor.clone() for tensor in tensors]
    value_and_gradient(LOSSES[name], *tensors)
    torch.testing.assert_close(list(tensors), before, equal_nan=True, rtol=0, atol=0)


@every_loss
def test_copies_are_equal_and_only_learnable_losses_have_a_state(name):
    tensors = batch(name, dtype=torch.float32)
    for twin in (pickle.loads(pickle.dumps(LOSSES[name])), copy.deepcopy(LOSSES[name])):
        assert torch.equal(twin(*tensors), LOSSES[name](*tensors))
    assert (LOSSES[name].state_dict() == {}) == (name != "rle")


@every_loss
def test_shapes_that_do_not_fit_are_refused_with_both(name):
    input, target, *others = batch(name)
    given_shapes = rf"got input \({', '.join(map(str, input[:2].shape))}\) and target \(3, 4, "
    with pytest.raises(ValueError, match=given_shapes):
        LOSSES[name](input[:2], target, *others)
    with pytest.raises(ValueError, match=r"must be \(B, K, .* got input \(4, "):
        LOSSES[name](input[0], target[0], *others)
    with pytest.raises(ValueError, match="input must be floating, got"):
        LOSSES[name](input.long(), target, *others)


@every_loss
def test_values_without_reduction_add_up_to_the_sum(name):
    tensors = batch(name, dtype=torch.float32)
    loss = copy.deepcopy(LOSSES[name])
    total, weight = loss.measure(*tensors)
    loss.reduction = type(loss.reduction).none
    values = loss(*tensors)
    assert values.shape in ((3, 4), (3,))
    torch.testing.assert_close(values.sum(), total)
    torch.testing.assert_close(LOSSES[name](*tensors), total / weight)
