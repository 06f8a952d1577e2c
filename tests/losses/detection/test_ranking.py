"""The AP loss against loops over the ranking, and against the average precision of scikit-learn."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from dltools.cfgutils import DataError, FieldError
from dltools.losses.detection import APLoss


def by_loops(scores, positive, delta, interpolated):
    """The value and the error-driven gradient, one positive at a time, from the lowest score up."""

    def step(x):
        return np.clip(x / (2 * delta) + 0.5, 0, 1)

    hits, misses = np.flatnonzero(positive), np.flatnonzero(~positive)
    gradient, best, errors = np.zeros(len(scores)), 0.0, []
    for i in sorted(hits, key=lambda i: scores[i]):
        others = sum(step(scores[k] - scores[i]) for k in hits if k != i)
        above = step(scores[misses] - scores[i])
        precision = (1 + others) / (1 + others + above.sum())
        each = above / (1 + others + above.sum())
        best = max(best, precision) if interpolated else precision
        if precision < 1:
            each = each * (1 - best) / (1 - precision)
        errors.append(each.sum())
        gradient[misses] += each
        gradient[i] -= each.sum()
    count = max(len(hits), 1)
    return sum(errors) / count, gradient / count


def ranking(count=40, share=0.3, seed=0, spread=2.0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, spread, count), rng.uniform(0, 1, count) < share


def value_and_gradient(loss, scores, target):
    scores = scores.detach().clone().requires_grad_()
    value = loss(scores, target)
    value.backward()
    return value.detach(), scores.grad


def pair(scores, positive, dtype=torch.float64):
    """As logits and targets (M, 2)."""
    return torch.from_numpy(scores).to(dtype).view(-1, 2), torch.from_numpy(positive).to(dtype).view(-1, 2)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 30),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    spread=st.sampled_from([0.0, 0.3, 3.0, 100.0]),
    delta=st.sampled_from([0.1, 1.0, 5.0]),
    interpolated=st.booleans(),
)
def test_value_and_gradient_are_those_of_loops_over_the_ranking(seed, count, share, spread, delta, interpolated):
    scores, positive = ranking(2 * count, share, seed, spread)
    scores = np.where(seed % 2, scores, scores.round())  # half of the time with ties
    value, gradient = value_and_gradient(APLoss(delta=delta, interpolated=interpolated), *pair(scores, positive))
    expected, expected_gradient = by_loops(scores, positive, delta, interpolated)
    assert value.item() == pytest.approx(expected, abs=1e-12)
    assert gradient.flatten().numpy() == pytest.approx(expected_gradient, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_with_a_narrow_step_it_is_one_minus_the_average_precision(seed):
    scores, positive = ranking(200, 0.2, seed)
    value = APLoss(delta=1e-9, interpolated=False)(*pair(scores, positive))
    assert 1 - value.item() == pytest.approx(average_precision_score(positive, scores))


def test_many_scores_are_ranked_as_exactly_as_few():
    scores, positive = ranking(20_000, 0.003, spread=5.0)
    value, gradient = value_and_gradient(APLoss(), *pair(scores, positive))
    expected, expected_gradient = by_loops(scores, positive, 1.0, True)
    assert value.item() == pytest.approx(expected, rel=1e-10)
    assert gradient.flatten().numpy() == pytest.approx(expected_gradient, abs=1e-12)


def test_a_perfect_ranking_costs_nothing_and_a_reversed_one_much():
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    value, gradient = value_and_gradient(APLoss(), target * 20 - 10, target)
    assert value == 0
    assert not gradient.any()
    assert APLoss()(10 - target * 20, target) > 0.5


def test_following_the_gradient_puts_the_positives_first():
    scores, target = pair(*ranking(60, 0.2))
    for _ in range(300):
        _, gradient = value_and_gradient(APLoss(), scores, target)
        scores = scores - 2 * gradient
    assert scores[target > 0].min() > scores[target == 0].max()


def test_the_gradient_pushes_up_what_it_pulls_down():
    scores, target = pair(*ranking())
    _, gradient = value_and_gradient(APLoss(), scores, target)
    assert gradient.sum().item() == pytest.approx(0, abs=1e-12)
    assert (gradient[target > 0] <= 0).all()
    assert (gradient[target == 0] >= 0).all()


@given(seed=st.integers(0, 1000), shift=st.floats(-50, 50))
@settings(max_examples=25)
def test_neither_the_order_nor_a_common_shift_matter(seed, shift):
    scores, target = pair(*ranking(seed=seed))
    value, gradient = value_and_gradient(APLoss(), scores, target)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(scores)))
    same, permuted = value_and_gradient(APLoss(), scores[order] + shift, target[order])
    torch.testing.assert_close(same, value)
    torch.testing.assert_close(permuted, gradient[order], rtol=1e-6, atol=1e-12)


def test_parts_of_a_sum_are_scaled_by_what_comes_back():
    scores, target = pair(*ranking())
    _, gradient = value_and_gradient(APLoss(), scores, target)
    _, of_sum = value_and_gradient(lambda *pair: -3 * APLoss(reduction="sum")(*pair), scores, target)
    torch.testing.assert_close(of_sum, -3 * target.sum() * gradient)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_precision_of_the_scores_does_not_spoil_the_sums(dtype):
    scores, target = pair(*ranking(4000, 0.05), dtype=dtype)
    value, gradient = value_and_gradient(APLoss(), scores, target)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    assert value.item() == pytest.approx(APLoss()(scores.double(), target).item(), rel=1e-6)
    assert gradient.isfinite().all()
    assert gradient.any()


@pytest.mark.parametrize("scores", [[1e4, -1e4, 1e4, -1e4], [0.0, 0, 0, 0], [3e38, -3e38, 0, 1]])
@pytest.mark.parametrize("target", [[0.0, 0, 0, 0], [1.0, 1, 1, 1], [1.0, 0, 0, 1]])
def test_value_and_gradient_are_finite(scores, target):
    value, gradient = value_and_gradient(APLoss(), torch.tensor([scores]), torch.tensor([target]))
    assert 0 <= value <= 1
    assert gradient.isfinite().all()
    if sum(target) in (0, 4):
        assert value == 0
        assert not gradient.any()


@pytest.mark.parametrize("outlier", [3e38, -3e38, float("inf"), -float("inf")])
@pytest.mark.parametrize("at", [0, 1])
def test_a_score_out_of_all_proportion_does_not_blur_the_others(outlier, at):
    scores, positive = ranking()
    positive[:2] = True, False
    finite = np.where(np.arange(40) == at, np.sign(outlier) * 1e4, scores)
    expected, expected_gradient = by_loops(finite, positive, 1.0, True)
    scores[at] = outlier
    value, gradient = value_and_gradient(APLoss(), *pair(scores, positive))
    assert value.item() == pytest.approx(expected, abs=1e-9)
    assert gradient.flatten().numpy() == pytest.approx(expected_gradient, abs=1e-9)


def test_nothing_is_worth_zero():
    value, gradient = value_and_gradient(APLoss(), torch.zeros(0, 3), torch.zeros(0, 3))
    assert value == 0
    assert gradient.shape == (0, 3)


def test_a_batch_is_never_waited_for():
    scores = torch.zeros(5, 3, device="meta", requires_grad=True)
    APLoss()(scores, torch.zeros(5, 3, device="meta")).backward()
    assert scores.grad.shape == (5, 3)


def test_it_compiles_without_a_graph_break():
    torch._dynamo.reset()
    inputs = pair(*ranking(), dtype=torch.float32)
    compiled = torch.compile(APLoss(), fullgraph=True, backend="aot_eager")
    for actual, expected in zip(
        value_and_gradient(compiled, *inputs), value_and_gradient(APLoss(), *inputs), strict=True
    ):
        torch.testing.assert_close(actual, expected)


def test_it_survives_pickle_and_deepcopy_and_saves_nothing():
    loss, inputs = APLoss(delta=0.5), pair(*ranking())
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(twin(*inputs), loss(*inputs))
    assert loss.state_dict() == {}


def test_wrong_shapes_and_values_are_refused():
    with pytest.raises(ValueError, match=r"got input \(4, 3\) and target \(3, 4\)"):
        APLoss()(torch.zeros(4, 3), torch.zeros(3, 4))
    with pytest.raises(DataError, match=r"target must be in 0\.\.1 .*, got 2"):
        APLoss()(torch.zeros(4, 3), torch.full((4, 3), 2))
    with pytest.raises(FieldError, match=r"^delta must be"):
        APLoss(delta=0)
