"""Values of the cross entropies, likelihood, divergence and focal loss against their formulas in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from dltools.cfgutils import DataError, FieldError
from dltools.losses import BCELoss, CrossEntropyLoss, FocalLoss, KLLoss, NLLLoss

WEIGHTS = [0.5, 2.0, 1.0, 0.25]
VOID = 255


def batch(seed, channels=4, shape=(3, 5, 6)):
    """Logits (N, C, H, W), ids with some void, and labels in {0, 1}, in float64."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (shape[0], channels, *shape[1:]))
    ids = rng.integers(0, channels, shape)
    ids[rng.random(shape) < 0.2] = VOID
    return logits, ids, rng.integers(0, 2, logits.shape)


def log_softmax(logits):
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def of_truth(values, ids):
    """Take channel ids[n, h, w] at each place."""
    return np.take_along_axis(values, np.where(ids == VOID, 0, ids)[:, None], 1)[:, 0]


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def run(loss, logits, target):
    return loss(torch.from_numpy(logits), torch.from_numpy(target)).item()


@given(
    seed=st.integers(0, 10_000), smoothing=st.sampled_from([0.0, 0.1, 1.0]), weights=st.sampled_from([None, WEIGHTS])
)
def test_ce_is_its_formula(seed, smoothing, weights):
    logits, ids, _ = batch(seed)
    w = np.array(weights or [1.0] * 4)
    log_p = log_softmax(logits)
    w_y = w[np.where(ids == VOID, 0, ids)] * (ids != VOID)
    spread = -(log_p * w[:, None, None]).mean(1) * (ids != VOID)
    expected = ((1 - smoothing) * -of_truth(log_p, ids) * w_y + smoothing * spread).sum() / w_y.sum()
    loss = CrossEntropyLoss(ignore_index=VOID, class_weight=weights, label_smoothing=smoothing)
    assert run(loss, logits, ids) == pytest.approx(expected, rel=1e-12)


def test_ce_of_a_classification_is_the_log_loss_of_sklearn():
    logits, _, _ = batch(0, shape=(50,))
    labels = np.arange(50) % 4
    expected = log_loss(labels, np.exp(log_softmax(logits)))
    assert run(CrossEntropyLoss(), logits, labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ce_of_certain_class_probabilities_is_the_ce_of_the_ids(smoothing):
    logits, ids, _ = batch(1)
    ids[ids == VOID] = 0
    certain = np.moveaxis(np.eye(4)[ids], -1, 1).copy()
    loss = CrossEntropyLoss(class_weight=WEIGHTS, label_smoothing=smoothing)
    assert run(loss, logits, certain) == pytest.approx(run(loss, logits, ids), rel=1e-12)


def test_ce_of_mixed_class_probabilities_is_the_mix_of_the_losses():
    logits, _, _ = batch(2, shape=(8,))
    one, other = np.arange(8) % 4, np.arange(8)[::-1] % 4
    mixed = 0.3 * np.eye(4)[one] + 0.7 * np.eye(4)[other]
    expected = 0.3 * run(CrossEntropyLoss(), logits, one) + 0.7 * run(CrossEntropyLoss(), logits, other)
    assert run(CrossEntropyLoss(), logits, mixed) == pytest.approx(expected, rel=1e-12)


def test_class_probabilities_above_one_are_refused():
    with pytest.raises(DataError, match=r"class probabilities must be in 0\.\.1 \(ignore_index None\), got 1.5"):
        CrossEntropyLoss()(torch.randn(2, 3), torch.full((2, 3), 1.5))


@given(seed=st.integers(0, 10_000), soft=st.booleans(), pos_weight=st.sampled_from([None, WEIGHTS]))
def test_bce_is_its_formula(seed, soft, pos_weight):
    logits, _, labels = batch(seed)
    target = np.random.default_rng(seed).random(labels.shape) if soft else labels
    p, w = sigmoid(logits), np.array(WEIGHTS)[:, None, None]
    factor = 1.0 if pos_weight is None else np.array(pos_weight)[:, None, None]
    each = -factor * target * np.log(p) - (1 - target) * np.log(1 - p)
    expected = (w * each).sum() / (w * np.ones_like(each)).sum()
    loss = BCELoss(mode="multilabel", class_weight=WEIGHTS, pos_weight=pos_weight)
    assert run(loss, logits, target) == pytest.approx(expected, rel=1e-10)


@given(seed=st.integers(0, 10_000), weights=st.sampled_from([None, WEIGHTS]))
def test_nll_takes_log_probabilities_and_is_minus_that_of_the_truth(seed, weights):
    logits, ids, _ = batch(seed)
    w = np.array(weights or [1.0] * 4)[np.where(ids == VOID, 0, ids)] * (ids != VOID)
    loss = NLLLoss(ignore_index=VOID, class_weight=weights)
    assert run(loss, log_softmax(logits), ids) == pytest.approx(
        (-of_truth(log_softmax(logits), ids) * w).sum() / w.sum()
    )


def test_nll_of_class_probabilities_is_the_mix():
    log_p, (one, other) = torch.randn(3, 4).log_softmax(1), torch.randint(0, 4, (2, 3))
    mixed = 0.3 * F.one_hot(one, 4) + 0.7 * F.one_hot(other, 4)
    torch.testing.assert_close(NLLLoss()(log_p, mixed), 0.3 * NLLLoss()(log_p, one) + 0.7 * NLLLoss()(log_p, other))


@given(seed=st.integers(0, 10_000), temperature=st.sampled_from([0.5, 1.0, 4.0]))
def test_kl_is_its_formula(seed, temperature):
    rng = np.random.default_rng(seed)
    logits, others = rng.normal(0, 3, (2, 3, 4, 5))
    t = np.exp(log_softmax(others))
    t[0, 0], t[0, 1] = 0, t[0, 1] + t[0, 0]
    log_p = log_softmax(logits / temperature)
    gap = np.where(t > 0, t * (np.log(np.where(t > 0, t, 1)) - log_p), 0).sum(1)
    assert run(KLLoss(temperature=temperature), logits, t) == pytest.approx(temperature**2 * gap.mean(), rel=1e-9)


def test_kl_is_least_where_the_prediction_is_the_target_and_ce_is_of_ids():
    t = torch.randn(2, 4, 6, dtype=torch.float64).softmax(1)
    logits = t.log().requires_grad_()
    value = KLLoss()(logits, t)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert logits.grad.abs().max() < 1e-12
    ids = torch.randint(0, 4, (2, 6))
    torch.testing.assert_close(KLLoss()(logits, ids), CrossEntropyLoss()(logits, ids))


@pytest.mark.parametrize("make", [CrossEntropyLoss, BCELoss])
def test_soft_labels_are_met_best_by_themselves(make):
    t = torch.rand(3, 4, dtype=torch.float64)
    multiclass = make is CrossEntropyLoss
    t = t / t.sum(1, keepdim=True) if multiclass else t
    logits = (t.log() if multiclass else t.logit()).requires_grad_()
    (make() if multiclass else make(mode="multilabel"))(logits, t).backward()
    assert logits.grad.abs().max() < 1e-12


def test_smoothed_labels_of_bce_are_nearer_to_one_half():
    logits, labels = torch.randn(3, 4), torch.randint(0, 2, (3, 4))
    smoothed = BCELoss(mode="multilabel", label_smoothing=0.2)(logits, labels)
    torch.testing.assert_close(smoothed, BCELoss(mode="multilabel")(logits, 0.8 * labels + 0.1))


@given(seed=st.integers(0, 10_000), gamma=st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]))
def test_softmax_focal_is_its_formula(seed, gamma):
    logits, ids, _ = batch(seed)
    log_p = of_truth(log_softmax(logits), ids)
    w = np.array(WEIGHTS)[np.where(ids == VOID, 0, ids)] * (ids != VOID)
    each = (1 - np.exp(log_p)) ** gamma * -log_p
    loss = FocalLoss(gamma=gamma, ignore_index=VOID, class_weight=WEIGHTS)
    assert run(loss, logits, ids) == pytest.approx((w * each).sum() / w.sum(), rel=1e-9)
    by_positives = FocalLoss(gamma=gamma, ignore_index=VOID, normalizer="positives")
    positives = ((ids != VOID) & (ids != 0)).sum()
    assert run(by_positives, logits, ids) == pytest.approx((each * (ids != VOID)).sum() / positives, rel=1e-9)


@given(seed=st.integers(0, 10_000), gamma=st.sampled_from([0.0, 0.5, 2.0]), alpha=st.sampled_from([None, 0.25, 1.0]))
def test_sigmoid_focal_is_its_formula(seed, gamma, alpha):
    logits, _, labels = batch(seed)
    p_t = np.where(labels == 1, sigmoid(logits), 1 - sigmoid(logits))
    factor = 1.0 if alpha is None else np.where(labels == 1, alpha, 1 - alpha)
    each = -factor * (1 - p_t) ** gamma * np.log(p_t)
    options = {"mode": "multilabel", "gamma": gamma, "alpha": alpha}
    assert run(FocalLoss(**options), logits, labels) == pytest.approx(each.mean(), rel=1e-9)
    by_positives = FocalLoss(**options, normalizer="positives")
    assert run(by_positives, logits, labels) == pytest.approx(each.sum() / labels.sum(), rel=1e-9)


def test_focal_at_gamma_zero_is_exactly_ce_and_bce():
    logits, ids, labels = (torch.from_numpy(array) for array in batch(3))
    weights = {"ignore_index": VOID, "class_weight": WEIGHTS}
    assert torch.equal(FocalLoss(gamma=0, **weights)(logits, ids), CrossEntropyLoss(**weights)(logits, ids))
    weights |= {"mode": "multilabel"}
    assert torch.equal(FocalLoss(gamma=0, **weights)(logits, labels), BCELoss(**weights)(logits, labels))


@pytest.mark.parametrize("gamma", [0.01, 0.5, 0.99, 2.0])
@pytest.mark.parametrize("size", [20.0, 200.0, 1e4])
def test_focal_has_a_finite_gradient_where_the_answer_is_certain(gamma, size):
    logits = torch.tensor([[size, -size], [-size, size]], requires_grad=True)
    FocalLoss(gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()
    logits.grad = None
    FocalLoss(gamma=gamma, mode="multilabel")(logits, torch.tensor([[1, 0], [1, 1]])).backward()
    assert logits.grad.isfinite().all()


def test_focal_without_positives_divides_by_one():
    logits = torch.randn(10, 3)
    labels = torch.zeros(10, 3)
    focal = FocalLoss(mode="multilabel", normalizer="positives", alpha=0.25)
    expected = 30 * FocalLoss(mode="multilabel", alpha=0.25)(logits, labels)
    torch.testing.assert_close(focal(logits, labels), expected)


def test_mean_over_valid_pixels_is_the_torch_mean():
    logits, ids, _ = (torch.from_numpy(array) for array in batch(4))
    torch.testing.assert_close(
        CrossEntropyLoss(ignore_index=VOID)(logits, ids), F.cross_entropy(logits, ids, ignore_index=VOID)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BCELoss(mode="multiclass"), "mode must be binary or multilabel, got multiclass"),
        (lambda: BCELoss(mode="multi"), "mode must be one of binary, multiclass, multilabel"),
        (lambda: BCELoss(pos_weight=[-1.0]), "pos_weight must be finite"),
        (lambda: BCELoss(pos_weight=[1.0, 2.0])(torch.zeros(2, 1), torch.zeros(2)), "pos_weight must have 1 values"),
        (lambda: FocalLoss(gamma=-1.0), "gamma must be at least 0"),
        (lambda: FocalLoss(alpha=0.25), "alpha must be None in mode multiclass, got 0.25; use class_weight"),
        (lambda: FocalLoss(mode="binary", alpha=1.5), "alpha must be at most 1"),
        (lambda: CrossEntropyLoss(label_smoothing=2.0), "label_smoothing must be at most 1"),
    ],
)
def test_options_that_cannot_be_are_refused(make, message):
    with pytest.raises(FieldError, match=message):
        make()
