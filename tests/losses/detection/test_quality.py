"""The parts of the generalized focal loss against their formulas in numpy."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import DataError, FieldError
from dltools.losses.detection import DistributionFocalLoss, QualityFocalLoss


def quality_focal(logits, target, beta):
    score = 1 / (1 + np.exp(-logits))
    return -(np.abs(target - score) ** beta) * ((1 - target) * np.log(1 - score) + target * np.log(score))


def distribution_focal(logits, target):
    share = np.exp(logits) / np.exp(logits).sum()
    left = min(int(target), len(share) - 2)
    return -((left + 1 - target) * np.log(share[left]) + (target - left) * np.log(share[left + 1]))


def scores(rows=6, classes=4, seed=0):
    """Logits, and qualities of about a third of them."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 1, (rows, classes)) * (rng.uniform(0, 1, (rows, classes)) < 0.3)
    return rng.normal(0, 2, (rows, classes)), target


def sides(count=5, bins=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (count, 4, bins + 1)), rng.uniform(0, bins, (count, 4))


def value_and_gradient(loss, input, target):
    input = input.detach().clone().requires_grad_()
    value = loss(input, target)
    value.backward()
    return value.detach(), input.grad


def tensors(*arrays, dtype=torch.float64):
    return tuple(torch.from_numpy(array).to(dtype) for array in arrays)


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), beta=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]))
def test_quality_focal_is_its_formula_over_the_number_of_positives(seed, beta):
    logits, target = scores(seed=seed)
    expected = quality_focal(logits, target, beta).sum() / max((target > 0).sum(), 1)
    assert QualityFocalLoss(beta=beta)(*tensors(logits, target)).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("normalizer", "count"), [("elements", 24), ("quality", None)])
def test_quality_focal_divides_by_what_it_is_told(normalizer, count):
    logits, target = scores()
    expected = quality_focal(logits, target, 2).sum() / (count or target.sum())
    assert QualityFocalLoss(normalizer=normalizer)(*tensors(logits, target)).item() == pytest.approx(expected)


def test_without_positives_quality_focal_is_divided_by_one():
    logits, target = scores()
    expected = quality_focal(logits, target * 0, 2).sum()
    for normalizer in ("positives", "quality"):
        loss = QualityFocalLoss(normalizer=normalizer)
        assert loss(*tensors(logits, target * 0)).item() == pytest.approx(expected)


def test_at_beta_zero_quality_focal_is_the_binary_cross_entropy():
    logits, target = tensors(*scores())
    expected = F.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(QualityFocalLoss(beta=0, normalizer="elements")(logits, target), expected)


def test_quality_focal_is_least_and_flat_where_the_score_is_the_quality():
    target = torch.tensor([[0.1, 0.5, 0.9]], dtype=torch.float64)
    for beta in (0.5, 1.0, 2.0):
        value, gradient = value_and_gradient(QualityFocalLoss(beta=beta), target.logit(), target)
        assert value == pytest.approx(0, abs=1e-7)
        assert gradient.isfinite().all()
        assert QualityFocalLoss(beta=beta)(target.logit() + 0.3, target) > value


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_gradient_of_quality_focal_is_that_of_its_value(beta):
    logits, target = tensors(*scores())
    assert torch.autograd.gradcheck(lambda x: QualityFocalLoss(beta=beta)(x, target), (logits.requires_grad_(),))


@pytest.mark.parametrize("beta", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_saturated_scores_have_finite_gradients(beta, dtype):
    logits = torch.tensor([[-1e4, -90, 0, 90, 1e4]], dtype=dtype)
    for target in (0.0, 0.5, 1.0):
        value, gradient = value_and_gradient(QualityFocalLoss(beta=beta), logits, torch.full((1, 5), target))
        assert value.isfinite()
        assert gradient.isfinite().all()


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), bins=st.integers(1, 20))
def test_distribution_focal_is_the_mean_of_its_formula(seed, bins):
    logits, target = sides(3, bins, seed)
    expected = [distribution_focal(*pair) for pair in zip(logits.reshape(12, -1), target.reshape(12), strict=True)]
    assert DistributionFocalLoss()(*tensors(logits, target)).item() == pytest.approx(np.mean(expected), rel=1e-9)


@pytest.mark.parametrize("target", [0.0, 3.0, 7.0])
def test_at_a_whole_number_distribution_focal_is_the_cross_entropy(target):
    logits = torch.randn(8, dtype=torch.float64)
    expected = F.cross_entropy(logits, torch.tensor(int(target)))
    torch.testing.assert_close(DistributionFocalLoss()(logits, torch.tensor(target)), expected)


def test_distances_out_of_reach_count_as_the_furthest():
    logits, _ = tensors(*sides(1, 7))
    loss = DistributionFocalLoss()
    for beyond, end in ((-3.0, 0.0), (99.0, 7.0)):
        torch.testing.assert_close(
            loss(logits, torch.full((1, 4), beyond)), loss(logits, torch.full((1, 4), end)), rtol=0, atol=0
        )


def test_the_gradient_of_distribution_focal_is_that_of_its_value():
    logits, target = tensors(*sides(2))
    assert torch.autograd.gradcheck(lambda x: DistributionFocalLoss()(x, target), (logits.requires_grad_(),))


def test_distribution_focal_is_least_for_the_two_neighbours():
    best = torch.full((1, 8), -40.0)
    best[0, 2], best[0, 3] = np.log(0.75), np.log(0.25)
    _, gradient = value_and_gradient(DistributionFocalLoss(), best, torch.tensor([2.25]))
    assert gradient.abs().max() < 1e-6


BOTH = {
    "quality": (QualityFocalLoss(), tensors(*scores(), dtype=torch.float32)),
    "quality beta 0.5": (QualityFocalLoss(beta=0.5, normalizer="quality"), tensors(*scores(), dtype=torch.float32)),
    "distribution": (DistributionFocalLoss(), tensors(*sides(), dtype=torch.float32)),
}
every_loss = pytest.mark.parametrize("name", BOTH)


@every_loss
def test_half_precision_is_summed_in_full_precision(name):
    loss, (input, target) = BOTH[name]
    input = input.repeat(3000, *[1] * (input.dim() - 1)).half()
    target = target.repeat(3000, *[1] * (target.dim() - 1))
    value, gradient = value_and_gradient(loss, input, target)
    assert value.item() == pytest.approx(loss(input.double(), target.double()).item(), rel=1e-3)
    assert gradient.isfinite().all()


@every_loss
def test_the_order_of_the_rows_does_not_matter(name):
    loss, (input, target) = BOTH[name]
    torch.testing.assert_close(loss(input.flip(0), target.flip(0)), loss(input, target))


@every_loss
def test_nothing_is_worth_zero(name):
    loss, (input, target) = BOTH[name]
    value, gradient = value_and_gradient(loss, input[:0], target[:0])
    assert value == 0
    assert value.shape == ()
    assert gradient.shape == input[:0].shape


@every_loss
def test_a_batch_is_never_waited_for(name):
    loss, (input, target) = BOTH[name]
    input = input.to("meta").requires_grad_()
    loss(input, target.to("meta")).backward()
    assert input.grad.shape == input.shape


@every_loss
def test_it_compiles_without_a_graph_break(name):
    torch._dynamo.reset()
    loss, pair = BOTH[name]
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for actual, expected in zip(value_and_gradient(compiled, *pair), value_and_gradient(loss, *pair), strict=True):
        torch.testing.assert_close(actual, expected)


@every_loss
def test_it_survives_pickle_and_deepcopy_and_saves_nothing(name):
    loss, pair = BOTH[name]
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(twin(*pair), loss(*pair))
    assert loss.state_dict() == {}


@every_loss
def test_a_target_of_another_shape_is_refused_with_both_shapes(name):
    loss, (input, target) = BOTH[name]
    with pytest.raises(ValueError, match=rf"got input \({input.shape[0]}, .* and target \(2, "):
        loss(input, target[:2])


def test_a_distribution_over_one_number_is_refused():
    with pytest.raises(ValueError, match=r"n > 0 .*; got input \(3, 1\) and target \(3,\)"):
        DistributionFocalLoss()(torch.zeros(3, 1), torch.zeros(3))


@pytest.mark.parametrize("wrong", [-0.5, 1.5, float("nan")])
def test_a_quality_outside_of_its_range_is_named(wrong):
    with pytest.raises(DataError, match=rf"target must be in 0\.\.1 .*, got {wrong}"):
        QualityFocalLoss()(torch.zeros(2, 3), torch.full((2, 3), wrong))


def test_impossible_options_are_refused():
    with pytest.raises(FieldError, match=r"^beta must be"):
        QualityFocalLoss(beta=-1)
    with pytest.raises(FieldError, match=r"^normalizer must be one of elements, positives, quality"):
        QualityFocalLoss(normalizer="pixels")
