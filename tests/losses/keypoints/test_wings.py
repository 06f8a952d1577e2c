"""The wing losses against their formulas in numpy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses.keypoints import AdaptiveWingLoss, WingLoss


def wing(size, width, epsilon):
    line = size - (width - width * np.log(1 + width / epsilon))
    return np.where(size < width, width * np.log(1 + size / epsilon), line)


def adaptive_wing(input, target, alpha, omega, epsilon, theta):
    size, power = np.abs(target - input), alpha - target
    ratio = theta / epsilon
    slope = omega * (1 / (1 + ratio**power)) * power * ratio ** (power - 1) / epsilon
    offset = theta * slope - omega * np.log(1 + ratio**power)
    return np.where(size < theta, omega * np.log(1 + (size / epsilon) ** power), slope * size - offset)


@given(seed=st.integers(0, 1000), width=st.sampled_from([1.0, 10.0]), epsilon=st.sampled_from([0.5, 2.0]))
def test_wing_is_its_formula(seed, width, epsilon):
    rng = np.random.default_rng(seed)
    input, target = rng.normal(0, 8, (3, 4, 2)), rng.normal(0, 8, (3, 4, 2))
    target[1, 2] = np.nan
    value = WingLoss(width=width, epsilon=epsilon)(torch.from_numpy(input), torch.from_numpy(target))
    assert value.item() == pytest.approx(np.nanmean(wing(np.abs(input - target), width, epsilon)), rel=1e-12)


def test_a_joint_with_one_unknown_coordinate_is_absent():
    target = torch.zeros(1, 2, 2)
    target[0, 0, 1] = torch.nan
    assert WingLoss().measure(torch.ones(1, 2, 2), target).weight == 1


def test_wing_does_not_need_the_scale_that_comes_with_points():
    points, target = torch.rand(2, 3, 2), torch.rand(2, 3, 2)
    assert torch.equal(WingLoss()(points, target, torch.rand(2)), WingLoss()(points, target))


@given(
    seed=st.integers(0, 1000),
    alpha=st.sampled_from([2.1, 3.0]),
    epsilon=st.sampled_from([0.5, 1.0]),
    theta=st.sampled_from([0.2, 0.5]),
)
def test_adaptive_wing_is_its_formula(seed, alpha, epsilon, theta):
    rng = np.random.default_rng(seed)
    input, target = rng.normal(0, 1, (2, 3, 5, 6)), rng.random((2, 3, 5, 6))
    loss = AdaptiveWingLoss(alpha=alpha, epsilon=epsilon, theta=theta, emphasis=0)
    expected = adaptive_wing(input, target, alpha, 14, epsilon, theta).mean()
    assert loss(torch.from_numpy(input), torch.from_numpy(target)).item() == pytest.approx(expected, rel=1e-12)


@given(seed=st.integers(0, 1000))
def test_the_foreground_is_the_dilated_target(seed):
    rng = np.random.default_rng(seed)
    input, target = rng.normal(0, 1, (2, 3, 8, 9)), rng.random((2, 3, 8, 9)) ** 8
    dilated = np.array([[cv2.dilate(joint, np.ones((3, 3))) for joint in image] for image in target])
    expected = adaptive_wing(input, target, 2.1, 14, 1, 0.5) * (10 * (dilated >= 0.2) + 1)
    value = AdaptiveWingLoss()(torch.from_numpy(input), torch.from_numpy(target))
    assert value.item() == pytest.approx(expected.mean(), rel=1e-12)


def test_adaptive_wing_is_flat_where_nothing_differs():
    target = torch.rand(2, 3, 5, 6, dtype=torch.float64)
    input = target.clone().requires_grad_()
    value = AdaptiveWingLoss()(input, target)
    value.backward()
    assert value == 0
    assert (input.grad == 0).all()


def test_an_exponent_that_is_not_smooth_at_a_joint_is_refused():
    with pytest.raises(FieldError, match=r"alpha must be greater than 2, got 2\.0"):
        AdaptiveWingLoss(alpha=2.0)
