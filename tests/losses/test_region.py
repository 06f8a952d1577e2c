"""Values of region losses against sums in numpy, and what their options mean."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError, component
from dltools.losses import DiceLoss, RegionLoss

WEIGHTS = [0.5, 2.0, 1.0, 0.25]
VOID = 255


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def batch(seed, shape=(3, 5, 6)):
    """Logits (N, 4, H, W) and ids of which class 3 and some of the others are absent in some images, some void."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (shape[0], 4, *shape[1:]))
    ids = np.stack([rng.choice(rng.choice(4, 2, replace=False), shape[1:]) for _ in range(shape[0])])
    ids[rng.random(shape) < 0.2] = VOID
    return logits, ids


def dice_oracle(p, t, valid, *, pool, average, absent, smooth, weights, first):
    """Dice in loops: p, t (N, C, P) and valid (N, P) or (N, C, P)."""
    images, classes = p.shape[:2]
    valid = np.broadcast_to(valid[:, None] if valid.ndim == 2 else valid, p.shape)
    groups = [[n] for n in range(images)] if pool == "image" else [list(range(images))]
    channels = [[c] for c in range(first, classes)] if average == "macro" else [list(range(first, classes))]
    total = weight = 0.0
    for group, members in product(groups, channels):
        inner = intersection = predicted = true = 0.0
        for c in members:
            w = 1.0 if average == "macro" else weights[c]
            m = valid[group, c]
            intersection += w * (p[group, c] * t[group, c])[m].sum()
            predicted += w * p[group, c][m].sum()
            true += w * t[group, c][m].sum()
            inner += w * m.sum()
        if inner == 0 or (absent == "skip" and true == 0):
            continue
        value = 1 - (2 * intersection + smooth) / (predicted + true + smooth)
        if absent == "penalize" and true == 0:
            value = predicted / inner
        w = weights[members[0]] if average == "macro" else 1.0
        total, weight = total + w * value, weight + w
    return total / weight if weight else 0.0


options = st.fixed_dictionaries(
    {
        "pool": st.sampled_from(["image", "batch"]),
        "average": st.sampled_from(["macro", "micro"]),
        "absent": st.sampled_from(["skip", "penalize", "formula"]),
        "smooth": st.sampled_from([1e-6, 1.0]),
        "include_background": st.booleans(),
        "class_weight": st.sampled_from([None, WEIGHTS]),
    }
)


def expected_dice(p, t, valid, chosen):
    chosen = dict(chosen)
    weights = chosen.pop("class_weight") or [1.0] * p.shape[1]
    first = 0 if chosen.pop("include_background") else 1
    flat = (array.reshape(*array.shape[:2], -1) for array in (p, t))
    return dice_oracle(*flat, valid, weights=weights, first=first, **chosen)


@given(seed=st.integers(0, 10_000), chosen=options)
def test_multiclass_dice_is_its_formula_for_all_options(seed, chosen):
    logits, ids = batch(seed)
    t = np.moveaxis(np.eye(256)[ids][..., :4], -1, 1)
    expected = expected_dice(softmax(logits), t, (ids != VOID).reshape(3, -1), chosen)
    loss = DiceLoss(ignore_index=VOID, **chosen)
    assert loss(torch.from_numpy(logits), torch.from_numpy(ids)).item() == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 10_000), chosen=options)
def test_multilabel_dice_is_its_formula_for_all_options(seed, chosen):
    logits, _ = batch(seed)
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, VOID], logits.shape, p=[0.5, 0.3, 0.2])
    labels[0, 1] = 0
    labels[1, 2] = VOID
    p = 1 / (1 + np.exp(-logits))
    valid = (labels != VOID).reshape(3, 4, -1)
    expected = expected_dice(p, np.where(labels == 1, 1.0, 0.0), valid, chosen)
    loss = DiceLoss(mode="multilabel", ignore_index=VOID, **chosen)
    assert loss(torch.from_numpy(logits), torch.from_numpy(labels)).item() == pytest.approx(expected, rel=1e-9)


def test_binary_dice_is_multilabel_dice_of_one_channel():
    logits, labels = torch.randn(3, 1, 5, 6), torch.randint(0, 2, (3, 1, 5, 6))
    assert torch.equal(DiceLoss(mode="binary")(logits, labels), DiceLoss(mode="multilabel")(logits, labels))


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_costs_one():
    ids = torch.randint(0, 3, (2, 8, 8))
    right = 200 * torch.nn.functional.one_hot(ids, 3).movedim(-1, 1).float()
    assert DiceLoss()(right, ids).item() == pytest.approx(0, abs=1e-6)
    assert DiceLoss()(right.roll(1, 1), ids).item() == pytest.approx(1, abs=1e-6)


def test_soft_targets_are_met_best_by_themselves():
    t = torch.tensor([[[[0.2, 0.5], [0.9, 0.0]]]], dtype=torch.float64)
    at = {
        shift: DiceLoss(mode="binary")((t + shift).clamp(1e-12, 1 - 1e-12).logit(), t).item()
        for shift in (-0.1, 0, 0.1)
    }
    assert at[0] == pytest.approx(0, abs=1e-9)
    assert min(at[-0.1], at[0.1]) > 0.03


def test_pools_agree_for_one_image():
    logits, ids = (torch.from_numpy(array) for array in batch(5, (1, 6, 7)))
    image, pooled = (DiceLoss(ignore_index=VOID, pool=pool)(logits, ids) for pool in ("image", "batch"))
    torch.testing.assert_close(image, pooled)


def test_the_batch_pool_is_one_large_image():
    logits, ids = (torch.from_numpy(array) for array in batch(6))
    wide = logits.movedim(0, 1).flatten(1, 2).unsqueeze(0), ids.flatten(0, 1).unsqueeze(0)
    pooled = DiceLoss(ignore_index=VOID, pool="batch")(logits, ids)
    torch.testing.assert_close(pooled, DiceLoss(ignore_index=VOID)(*wide))


class TestAnAbsentClass:
    logits = torch.tensor([[[2.0, -1.0]], [[0.0, 3.0]]], dtype=torch.float64).unsqueeze(2)
    empty = torch.zeros(2, 1, 1, 2)

    def value_and_gradient(self, absent):
        logits = self.logits.clone().requires_grad_()
        value = DiceLoss(mode="binary", absent=absent)(logits, self.empty)
        value.backward()
        return value.item(), logits.grad

    def test_that_is_skipped_costs_nothing_and_has_no_gradient(self):
        value, gradient = self.value_and_gradient("skip")
        assert value == 0
        assert (gradient == 0).all()

    def test_that_is_penalized_costs_its_mean_probability_and_learns(self):
        value, gradient = self.value_and_gradient("penalize")
        assert value == pytest.approx(torch.sigmoid(self.logits).mean().item())
        assert (gradient > 1e-3).all()

    def test_under_the_formula_costs_nearly_one_and_hardly_learns(self):
        value, gradient = self.value_and_gradient("formula")
        assert value == pytest.approx(1, abs=1e-5)
        assert gradient.abs().max() < 1e-5


@pytest.mark.parametrize("absent", ["skip", "penalize", "formula"])
@pytest.mark.parametrize("smooth", [0.0, 1e-6, 1.0])
def test_values_and_gradients_are_finite_for_saturated_logits(absent, smooth):
    logits = torch.full((2, 1, 4, 4), -1e4, requires_grad=True)
    value = DiceLoss(mode="binary", absent=absent, smooth=smooth)(logits, torch.zeros(2, 1, 4, 4))
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


def test_sums_of_many_pixels_lose_none():
    """17 million pixels of a class: a running fp32 sum would stop growing at 2^24."""
    ids = torch.zeros(1, 4100, 4100, dtype=torch.uint8)
    logits = torch.zeros(1, 2, 1, 1).expand(1, 2, 4100, 4100)
    assert DiceLoss()(logits, ids).item() == pytest.approx(1 - 2 * 0.5 / 1.5, abs=1e-6)


def test_a_region_loss_is_its_formula():
    @component("loss", "test_jaccard")
    class Jaccard(RegionLoss):
        def formula(self, overlap, predicted, true):
            return 1 - overlap / (predicted + true - overlap)

    logits, labels = torch.randn(1, 1, 4, 4), torch.ones(1, 4, 4)
    p = torch.sigmoid(logits)
    torch.testing.assert_close(Jaccard(mode="binary")(logits, labels), 1 - p.sum() / 16)


def test_options_that_would_do_nothing_are_refused():
    with pytest.raises(FieldError, match="include_background must be True in mode binary"):
        DiceLoss(mode="binary", include_background=False)
    with pytest.raises(FieldError, match="smooth must be at least 0"):
        DiceLoss(smooth=-1.0)
    with pytest.raises(FieldError, match="absent must be one of skip, penalize, formula, got 'ignore'"):
        DiceLoss(absent="ignore")
