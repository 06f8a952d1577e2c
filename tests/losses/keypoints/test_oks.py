"""The similarity of poses against its formula in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses.keypoints import OKSLoss

SIGMAS = [0.25, 0.5, 0.0625, 0.125]


def poses(seed=0):
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 40, (5, 4, 2))
    input = target + rng.normal(0, 4, target.shape)
    target[rng.random((5, 4)) < 0.3] = np.nan
    target[0], target[1] = np.nan, rng.uniform(0, 40, (4, 2))
    return input, target, rng.uniform(5, 30, 5)


def similarity(input, target, scale, sigmas=SIGMAS):
    """OKS of each object, as the evaluation of COCO has it; NaN without joints."""
    values = []
    for found, truth, size in zip(input, target, scale, strict=True):
        seen = ~np.isnan(truth[:, 0])
        squared = ((found - truth)[seen] ** 2).sum(1)
        variances = (2 * np.array(sigmas)[seen]) ** 2
        values.append(np.exp(-squared / variances / size**2 / 2).mean() if seen.any() else np.nan)
    return np.array(values)


@given(seed=st.integers(0, 1000))
def test_it_is_one_minus_the_similarity_over_objects_with_joints(seed):
    arrays = poses(seed)
    value = OKSLoss(sigmas=SIGMAS)(*(torch.from_numpy(array) for array in arrays))
    assert value.item() == pytest.approx(np.nanmean(1 - similarity(*arrays)), rel=1e-9)


@given(seed=st.integers(0, 1000))
def test_it_is_minus_the_logarithm_of_the_similarity(seed):
    arrays = poses(seed)
    value = OKSLoss(form="log", sigmas=SIGMAS)(*(torch.from_numpy(array) for array in arrays))
    assert value.item() == pytest.approx(np.nanmean(-np.log(similarity(*arrays))), rel=1e-9)


@pytest.mark.parametrize("form", ["linear", "log"])
def test_one_sigma_is_that_of_all_joints(form):
    tensors = [torch.from_numpy(array) for array in poses()]
    each, one = OKSLoss(form=form, sigmas=[0.25] * 4), OKSLoss(form=form, sigmas=[0.25])
    assert torch.equal(one(*tensors), each(*tensors))


@pytest.mark.parametrize("form", ["linear", "log"])
def test_right_poses_cost_nothing_and_are_flat(form):
    target = torch.rand(2, 3, 2, dtype=torch.float64) * 20
    input = target.clone().requires_grad_()
    value = OKSLoss(form=form)(input, target, torch.tensor([10.0, 20.0]))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert (input.grad == 0).all()


def test_far_off_the_logarithm_pulls_where_the_linear_form_does_not():
    target, scale = torch.zeros(1, 2, 2), torch.tensor([10.0])
    gradients = {}
    for form in ("linear", "log"):
        input = torch.tensor([[[30.0, 0.0], [0.0, 40.0]]], requires_grad=True)
        OKSLoss(form=form)(input, target, scale).backward()
        gradients[form] = input.grad.abs().max()
    assert gradients["linear"] < 1e-6
    assert gradients["log"] > 1


def test_objects_without_area_have_the_least_one():
    input, target = torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[0.0, 1.0]]])
    value = OKSLoss(sigmas=[0.5], min_area=4.0)(input, target, torch.zeros(1))
    assert value.item() == pytest.approx(1 - np.exp(-1 / 8), rel=1e-6)


def test_the_scale_of_objects_without_joints_may_be_unknown():
    target = torch.zeros(2, 3, 2)
    target[1] = torch.nan
    input = torch.ones(2, 3, 2, requires_grad=True)
    value = OKSLoss()(input, target, torch.tensor([10.0, torch.nan]))
    value.backward()
    assert value.isfinite() and input.grad.isfinite().all()


def test_the_scale_is_needed_for_each_object():
    points = torch.rand(2, 3, 2)
    with pytest.raises(ValueError, match=r"oks takes the scale \(B,\) of the objects, here \(2,\), as third, got None"):
        OKSLoss()(points, points)
    with pytest.raises(ValueError, match=r"as third, got \(2, 1\)"):
        OKSLoss()(points, points, torch.rand(2, 1))


def test_sigmas_must_fit_the_joints_and_be_above_zero():
    points = torch.rand(2, 3, 2)
    with pytest.raises(FieldError, match="sigmas must have 1 value or 3, one a joint, got 2"):
        OKSLoss(sigmas=[0.1, 0.2])(points, points, torch.rand(2))
    for wrong in ([], [0.1, 0.0], [float("nan")], [float("inf")]):
        with pytest.raises(FieldError, match="sigmas must be one value or one a joint, finite and above 0"):
            OKSLoss(sigmas=wrong)
