"""The residual log-likelihood and its flow against a change of variables in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.losses.keypoints import RLELoss
from dltools.losses.keypoints.flow import PlaneFlow


def bent(couplings=4, width=8, seed=0):
    """Return a loss in fp64 whose flow is far from the identity it starts from."""
    random = torch.Generator().manual_seed(seed)
    loss = RLELoss(couplings=couplings, width=width).double()
    for parameter in loss.parameters():
        parameter.data = 0.7 * torch.randn(parameter.shape, generator=random, dtype=torch.float64)
    return loss


def log_density(flow, point):
    """Density of one point: the steps of the flow in plain numpy, and the determinant of their numeric Jacobian."""

    def latent(x):
        kept, moved = x
        for coupling in flow.couplings:
            hidden = np.array([kept])
            for layer in (coupling[0], coupling[2], coupling[4]):
                hidden = layer.weight.detach().numpy() @ hidden + layer.bias.detach().numpy()
                if layer is not coupling[4]:
                    hidden = hidden / (1 + np.exp(-hidden))
            kept, moved = moved * np.exp(np.tanh(hidden[0])) + hidden[1], kept
        return np.array([kept, moved])

    step = 1e-6
    jacobian = [(latent(point + step * axis) - latent(point - step * axis)) / (2 * step) for axis in np.eye(2)]
    z = latent(point)
    return -(z @ z) / 2 - np.log(2 * np.pi) + np.log(abs(np.linalg.det(jacobian)))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_flow_is_a_change_of_variables(seed):
    flow = bent(seed=seed).flow
    points = np.random.default_rng(seed).normal(0, 1, (3, 2))
    expected = [log_density(flow, point) for point in points]
    np.testing.assert_allclose(flow.log_prob(torch.from_numpy(points)).detach(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_flow_is_a_density(seed):
    axis = torch.linspace(-60, 60, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        mass = bent(couplings=2, seed=seed).flow.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-3)


def test_the_flow_starts_as_the_standard_normal():
    points = torch.randn(5, 7, 2)
    expected = torch.distributions.Normal(0, 1).log_prob(points).sum(-1)
    torch.testing.assert_close(PlaneFlow().log_prob(points), expected)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_it_is_the_likelihood_of_both_factors(seed):
    loss, rng = bent(seed=seed), np.random.default_rng(seed)
    points, sigmas, target = rng.normal(0, 1, (2, 3, 2)), rng.uniform(0.5, 2, (2, 3, 2)), rng.normal(0, 1, (2, 3, 2))
    target[0, 1] = np.nan
    each = []
    for point, sigma, truth in zip(*(array.reshape(6, 2) for array in (points, sigmas, target)), strict=True):
        if not np.isnan(truth).any():
            error = (truth - point) / sigma
            laplace = np.prod(np.exp(-np.abs(error)) / (2 * sigma))
            each.append(-np.log(laplace) - log_density(loss.flow, error) + np.log(sigma).sum())
    value = loss(torch.from_numpy(np.concatenate([points, sigmas], 2)), torch.from_numpy(target))
    assert value.item() == pytest.approx(np.mean(each), rel=1e-5)


def test_the_gradient_reaches_the_flow_and_is_that_of_the_value():
    loss, input, target = bent(couplings=2, width=3), torch.rand(2, 3, 4).double() + 0.5, torch.rand(2, 3, 2).double()
    target[0, 1] = torch.nan
    names = [name for name, _ in loss.named_parameters()]

    def value(*parameters):
        return torch.func.functional_call(loss, dict(zip(names, parameters, strict=True)), (input, target))

    assert torch.autograd.gradcheck(
        value, tuple(parameter.detach().requires_grad_() for parameter in loss.parameters())
    )


def test_absent_joints_move_no_parameter_of_the_flow():
    loss = bent()
    loss(torch.full((2, 3, 4), torch.inf, dtype=torch.float64), torch.full((2, 3, 2), torch.nan)).backward()
    assert all((parameter.grad == 0).all() for parameter in loss.parameters())


def test_the_flow_learns_what_the_errors_are_like():
    random = torch.Generator().manual_seed(0)
    along = torch.randn(2000, generator=random)
    errors = torch.stack([along, along**2 + 0.3 * torch.randn(2000, generator=random)], dim=1)[:, None]
    input = torch.cat([torch.zeros(2000, 1, 2), torch.ones(2000, 1, 2)], 2)
    loss = RLELoss(width=16)
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-2)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(input, errors)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0] - 1


def test_a_sigma_of_zero_counts_as_the_least():
    input = torch.zeros(1, 1, 4, requires_grad=True)
    value = RLELoss(min_sigma=0.1)(input, torch.full((1, 1, 2), 0.05))
    value.backward()
    least = RLELoss(min_sigma=0.1)(torch.tensor([[[0, 0, 0.1, 0.1]]]), torch.full((1, 1, 2), 0.05))
    torch.testing.assert_close(value, least)
    assert input.grad.isfinite().all()


def test_the_state_holds_the_flow():
    first, second, tensors = RLELoss(), RLELoss(), (torch.rand(2, 3, 4), torch.rand(2, 3, 2))
    torch.nn.init.normal_(first.flow.couplings[0][4].bias)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(*tensors), second(*tensors))
