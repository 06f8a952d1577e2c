"""The Matthews correlation loss against its formula in confusion counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.losses import MCCLoss

VOID = 255


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def correlation(p, t):
    """Soft MCC of probabilities and hard labels, Abhishek and Hamarneh 2021."""
    tp, tn, fp, fn = (p * t).sum(), ((1 - p) * (1 - t)).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
    return (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def binary(p, t, **options):
    """The loss of probabilities given as such, and its gradient with respect to their logits."""
    logits = torch.logit(torch.as_tensor(p, dtype=torch.float64)).requires_grad_()
    value = MCCLoss(mode="binary", **options)(logits[None, None], torch.as_tensor(t)[None, None])
    value.backward()
    return value.item(), logits.grad


@given(seed=st.integers(0, 1000))
def test_the_value_is_one_minus_the_correlation_in_confusion_counts(seed):
    rng = np.random.default_rng(seed)
    logits, ids = rng.normal(0, 2, (2, 3, 30)), rng.integers(0, 3, (2, 30))
    ids[:, ::4] = VOID
    p, losses = softmax(logits), []
    for n in range(2):
        valid = ids[n] != VOID
        losses += [1 - correlation(p[n, c, valid], ids[n, valid] == c) for c in range(3) if (ids[n] == c).any()]
    value = MCCLoss(ignore_index=VOID)(torch.from_numpy(logits), torch.from_numpy(ids))
    assert value.item() == pytest.approx(np.mean(losses), rel=1e-6)


@given(seed=st.integers(0, 1000))
def test_a_class_and_its_complement_have_the_same_loss(seed):
    rng = np.random.default_rng(seed)
    p, t = rng.random(20), np.append(rng.random(18) < 0.4, [True, False])
    assert binary(p, t)[0] == pytest.approx(binary(1 - p, ~t)[0], rel=1e-6)


@pytest.mark.parametrize(
    ("given", "expected"), [("perfect", 0), ("inverted", 2), ("constant", 1)], ids=lambda value: str(value)
)
def test_a_perfect_prediction_costs_0_a_constant_1_and_an_inverted_2(given, expected):
    t = np.array([1, 0, 0, 1, 0, 0, 0, 0])
    p = {"perfect": np.clip(t, 1e-9, 1 - 1e-9), "inverted": np.clip(1 - t, 1e-9, 1 - 1e-9), "constant": 0 * t + 0.3}
    assert binary(p[given], t)[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("label", [0, 1])
def test_an_absent_and_a_full_class_count_what_absent_says(label):
    p, t = np.array([0.2, 0.4, 0.9, 0.5]), np.full(4, label)
    wrongly = abs(p - label).mean()
    for absent, expected in {"skip": 0, "penalize": wrongly, "formula": 1}.items():
        value, gradient = binary(p, t, absent=absent)
        assert value == pytest.approx(expected)
        assert gradient.isfinite().all()
        assert (gradient != 0).any() == (absent == "penalize")


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_with_soft_labels_the_loss_is_least_at_the_labels(average):
    labels = torch.rand(2, 3, 10, dtype=torch.float64)
    loss = MCCLoss(mode="multilabel", average=average)
    at_labels = loss(torch.logit(labels), labels)
    assert at_labels.item() == pytest.approx(0, abs=1e-6)
    for _ in range(20):
        assert loss(torch.logit(labels) + 0.1 * torch.randn_like(labels), labels) > at_labels


@pytest.mark.parametrize("scale", [1, 100, 1e4])
@pytest.mark.parametrize("foreground", [0, 1, 65535, 65536])
@pytest.mark.parametrize("sign", [1, -1], ids=["right", "wrong"])
def test_large_regions_have_finite_values_and_gradients(scale, foreground, sign):
    target = (torch.arange(65536) < foreground).view(1, 1, 256, 256)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for absent in ("skip", "penalize", "formula"):
            logits = (sign * scale * (target.float() - 0.5)).to(dtype).requires_grad_()
            value = MCCLoss(mode="binary", absent=absent)(logits, target)
            value.backward()
            assert -1e-3 < value.item() < 2 + 1e-3
            assert logits.grad.isfinite().all()


def test_one_missed_pixel_of_many_is_not_taken_for_a_perfect_prediction():
    target = (torch.arange(65536) < 1).view(1, 1, 256, 256)
    value = MCCLoss(mode="binary")(torch.full((1, 1, 256, 256), -30.0), target)
    assert value.item() == pytest.approx(1, abs=1e-3)
