"""Heat maps of joints that may be absent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dltools.losses import HeatmapMSELoss


def maps(absent=((0, 1), (2, 0), (2, 2))):
    rng = np.random.default_rng(0)
    input, target = rng.normal(size=(3, 4, 5, 6)), rng.normal(size=(3, 4, 5, 6))
    for joint in absent:
        target[joint] = np.nan
    return input, target


def test_it_is_the_mean_over_the_pixels_of_present_joints():
    input, target = maps()
    value = HeatmapMSELoss()(torch.from_numpy(input), torch.from_numpy(target))
    assert value.item() == pytest.approx(np.nanmean((input - target) ** 2), rel=1e-12)


@pytest.mark.parametrize("poison", [0.0, float("nan"), float("inf")])
def test_absent_joints_have_exactly_no_gradient(poison):
    input, target = (torch.from_numpy(array) for array in maps())
    input[0, 1] = poison
    HeatmapMSELoss()(input.requires_grad_(), target).backward()
    assert (input.grad[0, 1] == 0).all()
    assert (input.grad[0, 0] != 0).all()


def test_the_number_of_absent_joints_does_not_change_the_scale():
    input, target = (torch.from_numpy(array) for array in maps(absent=()))
    target[:, :3] = float("nan")
    expected = HeatmapMSELoss()(input[:, 3:], target[:, 3:])
    torch.testing.assert_close(HeatmapMSELoss()(input, target), expected)


def test_the_weight_is_the_number_of_present_joints():
    _, weight = HeatmapMSELoss().measure(*(torch.from_numpy(array) for array in maps()))
    assert weight == 9


def test_without_joints_the_loss_is_zero_with_zero_gradient():
    input = torch.randn(2, 3, 4, 4, requires_grad=True)
    value = HeatmapMSELoss()(input, torch.full((2, 3, 4, 4), float("nan")))
    value.backward()
    assert value == 0
    assert (input.grad == 0).all()


def test_maps_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"heat maps must be \(B, K, h, w\).* got input \(2, 3, 4\)"):
        HeatmapMSELoss()(torch.rand(2, 3, 4), torch.rand(2, 3, 4))
