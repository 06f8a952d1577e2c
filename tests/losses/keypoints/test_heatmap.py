"""Heat maps of joints that may be absent, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses.keypoints import FocalHeatmapLoss, HeatmapMSELoss


def maps(absent=((0, 1), (2, 0), (2, 2)), seed=0):
    rng = np.random.default_rng(seed)
    input, target = rng.normal(size=(3, 4, 5, 6)), rng.random(size=(3, 4, 5, 6))
    for joint in absent:
        target[joint] = np.nan
    return input, target


def test_it_is_the_mean_over_the_pixels_of_present_joints():
    input, target = maps()
    value = HeatmapMSELoss()(torch.from_numpy(input), torch.from_numpy(target))
    assert value.item() == pytest.approx(np.nanmean((input - target) ** 2), rel=1e-12)


def test_the_number_of_absent_joints_does_not_change_the_scale():
    input, target = (torch.from_numpy(array) for array in maps(absent=()))
    target[:, :3] = float("nan")
    expected = HeatmapMSELoss()(input[:, 3:], target[:, 3:])
    torch.testing.assert_close(HeatmapMSELoss()(input, target), expected)


def test_the_weight_is_the_number_of_present_joints():
    _, weight = HeatmapMSELoss().measure(*(torch.from_numpy(array) for array in maps()))
    assert weight == 9


def test_a_single_unknown_pixel_makes_a_joint_absent():
    input, target = (torch.from_numpy(array) for array in maps())
    target[1, 2, 3, 3] = torch.nan
    assert HeatmapMSELoss().measure(input, target).weight == 8


@given(seed=st.integers(0, 1000), hard_joints=st.integers(1, 6))
def test_mining_is_the_mean_over_the_hardest_joints_of_each_image(seed, hard_joints):
    input, target = maps(seed=seed)
    chosen = []
    for image in range(3):
        each = ((input[image] - target[image]) ** 2).mean((1, 2))
        chosen += sorted(each[~np.isnan(each)])[::-1][:hard_joints]
    loss = HeatmapMSELoss(hard_joints=hard_joints)
    assert loss(torch.from_numpy(input), torch.from_numpy(target)).item() == pytest.approx(np.mean(chosen), rel=1e-12)


def test_mining_moves_the_hardest_joints_and_no_others():
    input, target = torch.zeros(1, 4, 2, 2, requires_grad=True), torch.zeros(1, 4, 2, 2)
    target[0, 1], target[0, 2], target[0, 3] = 0.5, 1.0, torch.nan
    HeatmapMSELoss(hard_joints=1)(input, target).backward()
    assert (input.grad[0, 2] != 0).all()
    assert (input.grad[0, [0, 1, 3]] == 0).all()


def test_mining_no_joint_is_refused():
    with pytest.raises(FieldError, match="hard_joints must be at least 1, got 0"):
        HeatmapMSELoss(hard_joints=0)


@given(seed=st.integers(0, 1000), alpha=st.sampled_from([0.0, 1.0, 2.0]), beta=st.sampled_from([0.0, 4.0]))
def test_focal_is_its_formula(seed, alpha, beta):
    input, target = maps(absent=((1, 1),), seed=seed)
    each = []
    for logits, truth in zip(input.reshape(12, 30), target.reshape(12, 30), strict=True):
        p, peak = 1 / (1 + np.exp(-logits)), truth == truth.max()
        on, off = (1 - p) ** alpha * np.log(p), (1 - truth) ** beta * p**alpha * np.log(1 - p)
        each.append(-np.where(peak, on, off).sum())
    each = np.delete(each, 5)
    loss = FocalHeatmapLoss(alpha=alpha, beta=beta)
    assert loss(torch.from_numpy(input), torch.from_numpy(target)).item() == pytest.approx(each.mean(), rel=1e-9)


def test_focal_of_an_empty_map_has_no_peak():
    value = FocalHeatmapLoss()(torch.full((1, 1, 3, 3), -20.0), torch.zeros(1, 1, 3, 3))
    assert 0 <= value < 1e-6
