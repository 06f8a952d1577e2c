"""Losses of image classification against their formulas in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses import (
    AsymmetricLoss,
    BCELoss,
    CrossEntropyLoss,
    MultilabelSoftMarginLoss,
    Poly1Loss,
    SoftMarginLoss,
)

WEIGHTS = [0.5, 2.0, 1.0, 0.25]


def scores(seed=0, images=5):
    """Logits, hard labels and soft labels (N, 4), class ids (N)."""
    rng = np.random.default_rng(seed)
    logits, soft = rng.normal(0, 2, (images, 4)), rng.random((images, 4))
    return logits, (soft < 0.4).astype(float), soft, rng.integers(0, 4, images)


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def one_hot(ids):
    return np.eye(4)[ids]


def value_of(loss, logits, target):
    return loss(torch.as_tensor(logits), torch.as_tensor(target)).item()


def cross_entropy(p, t):
    return -(t * np.log(p) + (1 - t) * np.log1p(-p))


def asymmetric(p, t, gamma_pos, gamma_neg, clip):
    shifted = np.maximum(p - clip, 0)
    return -t * (1 - p) ** gamma_pos * np.log(p) - (1 - t) * shifted**gamma_neg * np.log1p(-shifted)


class TestSoftMargin:
    @given(seed=st.integers(0, 1000))
    def test_the_value_is_that_of_labels_of_minus_one_and_one(self, seed):
        logits, hard, soft, _ = scores(seed)
        expected = np.log1p(np.exp(-(2 * hard - 1) * logits)).mean()
        assert value_of(SoftMarginLoss(), logits, hard) == pytest.approx(expected)
        torches = F.soft_margin_loss(torch.as_tensor(logits), torch.as_tensor(2 * hard - 1)).item()
        assert value_of(SoftMarginLoss(), logits, hard) == pytest.approx(torches)
        mixed = soft * np.log1p(np.exp(-logits)) + (1 - soft) * np.log1p(np.exp(logits))
        assert value_of(SoftMarginLoss(), logits, soft) == pytest.approx(mixed.mean())

    @pytest.mark.parametrize(("dtype", "logit"), [(torch.float32, -1e4), (torch.float16, -6e4), (torch.float64, -1e6)])
    def test_it_does_not_overflow(self, dtype, logit):
        logits = torch.full((1, 1), logit, dtype=dtype, requires_grad=True)
        value = SoftMarginLoss()(logits, torch.ones(1, 1))
        value.backward()
        assert value.item() == pytest.approx(-logits.item())
        assert logits.grad.item() == -1


class TestMultilabelSoftMargin:
    def test_without_weights_the_value_is_that_of_torch(self):
        logits, hard, soft, _ = scores()
        for target in (hard, soft):
            expected = F.multilabel_soft_margin_loss(torch.as_tensor(logits), torch.as_tensor(target)).item()
            assert value_of(MultilabelSoftMarginLoss(), logits, target) == pytest.approx(expected)

    @pytest.mark.parametrize("scale", [1, 10])
    def test_each_sample_counts_alike_however_many_of_its_labels_are_known(self, scale):
        logits, hard, _, _ = scores()
        hard[0] = hard[1, :3] = hard[2, 2] = 255
        p, weights = 1 / (1 + np.exp(-logits)), [scale * weight for weight in WEIGHTS]
        expected = []
        for n in range(1, 5):
            known = hard[n] != 255
            expected.append(np.average(cross_entropy(p[n], hard[n])[known], weights=np.array(weights)[known]))
        loss = MultilabelSoftMarginLoss(class_weight=weights, ignore_index=255)
        assert value_of(loss, logits, hard) == pytest.approx(np.mean(expected))


class TestPoly1:
    @pytest.mark.parametrize("epsilon", [-1.0, 0.0, 1.0, 2.5])
    @pytest.mark.parametrize("weights", [None, WEIGHTS])
    def test_the_value_is_cross_entropy_and_epsilon_times_what_is_missing(self, epsilon, weights):
        logits, _, soft, ids = scores()
        p, w = softmax(logits), np.ones(4) if weights is None else np.array(weights)
        loss = Poly1Loss(epsilon=epsilon, class_weight=weights)
        for target, t in ((ids, one_hot(ids)), (soft / soft.sum(1, keepdims=True),) * 2):
            expected = (w * t * (-np.log(p) + epsilon * (1 - p))).sum() / (w * t).sum()
            assert value_of(loss, logits, target) == pytest.approx(expected)

    def test_at_epsilon_0_it_is_cross_entropy(self):
        logits, _, _, ids = scores()
        assert value_of(Poly1Loss(epsilon=0.0), logits, ids) == value_of(CrossEntropyLoss(), logits, ids)

    def test_an_epsilon_that_makes_losses_negative_is_refused(self):
        with pytest.raises(FieldError, match="epsilon"):
            Poly1Loss(epsilon=-1.5)


class TestAsymmetric:
    @pytest.mark.parametrize(
        "options", [(0, 4, 0.05), (1, 4, 0.05), (0.5, 0.5, 0.0), (2, 3, 0.3), (0, 0, 0.0)], ids=str
    )
    @pytest.mark.parametrize("weights", [None, WEIGHTS])
    def test_the_value_is_the_formula(self, options, weights):
        logits, hard, soft, ids = scores()
        p, w = 1 / (1 + np.exp(-logits)), np.broadcast_to(np.ones(4) if weights is None else weights, logits.shape)
        names = dict(zip(("gamma_pos", "gamma_neg", "clip"), options, strict=True))
        loss = AsymmetricLoss(**names, class_weight=weights)
        for target, t in ((hard, hard), (soft, soft), (ids, one_hot(ids))):
            expected = (w * asymmetric(p, t, *options)).sum() / w.sum()
            assert value_of(loss, logits, target) == pytest.approx(expected)

    def test_without_focus_and_clip_it_is_binary_cross_entropy(self):
        logits, _, soft, _ = scores()
        loss = AsymmetricLoss(gamma_pos=0.0, gamma_neg=0.0, clip=0.0)
        assert value_of(loss, logits, soft) == pytest.approx(value_of(BCELoss(mode="multilabel"), logits, soft))

    def test_a_detached_focus_has_the_same_value_and_the_gradient_of_constant_factors(self):
        logits, hard, _, _ = (torch.as_tensor(part) for part in scores())
        p = torch.sigmoid(logits)
        factor = torch.where(hard == 1, 1 - p, (p - 0.05).clamp(min=0) ** 4)
        x = logits.clone().requires_grad_()
        shifted = (torch.sigmoid(x) - 0.05).clamp(min=0)
        expected = -(factor * torch.where(hard == 1, torch.sigmoid(x).log(), torch.log1p(-shifted))).mean()
        (gradient,) = torch.autograd.grad(expected, x)
        value = AsymmetricLoss(gamma_pos=1.0, detach=True)(x, hard)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(torch.autograd.grad(value, x)[0], gradient)

    @pytest.mark.parametrize("logit", [1e4, -1e4, 100.0, -100.0])
    @pytest.mark.parametrize("clip", [0.0, 0.05, 1.0])
    @pytest.mark.parametrize("gamma", [0.0, 0.5, 4.0])
    def test_saturated_logits_have_finite_values_and_gradients(self, logit, clip, gamma):
        logits = torch.full((1, 2), logit, requires_grad=True)
        value = AsymmetricLoss(gamma_pos=gamma, gamma_neg=gamma, clip=clip)(logits, torch.tensor([[0, 1]]))
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", [CrossEntropyLoss(), Poly1Loss()], ids=["ce", "poly1"])
def test_the_loss_of_mixed_classes_is_the_mixture_of_their_losses(loss):
    """Mixup: the loss of lam * a + (1 - lam) * b is lam * loss(a) + (1 - lam) * loss(b)."""
    logits, _, _, ids = scores()
    others, lam = np.roll(ids, 1), 0.3
    mixed = lam * one_hot(ids) + (1 - lam) * one_hot(others)
    expected = lam * value_of(loss, logits, ids) + (1 - lam) * value_of(loss, logits, others)
    assert value_of(loss, logits, mixed) == pytest.approx(expected)


@pytest.mark.parametrize(
    "loss",
    [BCELoss(mode="multilabel"), SoftMarginLoss(), MultilabelSoftMarginLoss(), AsymmetricLoss()],
    ids=lambda loss: type(loss).__name__,
)
def test_the_loss_of_mixed_labels_is_the_mixture_of_their_losses(loss):
    logits, hard, _, ids = scores()
    others, lam = np.roll(hard, 1, axis=0), 0.3
    expected = lam * value_of(loss, logits, hard) + (1 - lam) * value_of(loss, logits, others)
    assert value_of(loss, logits, lam * hard + (1 - lam) * others) == pytest.approx(expected)
    assert value_of(loss, logits, ids) == pytest.approx(value_of(loss, logits, one_hot(ids)))
