"""Values of region losses against sums in numpy, and what their options mean."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError, component
from dltools.losses import (
    DiceLoss,
    F1Loss,
    FocalTverskyLoss,
    GDiceLoss,
    JaccardLoss,
    RegionLoss,
    SqDiceLoss,
    SqJaccardLoss,
    TverskyLoss,
)
from dltools.losses.scores import Sums

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


FORMULAS = {
    DiceLoss: lambda r, s: 1 - (2 * r["pt"] + s) / (r["p"] + r["t"] + s),
    SqDiceLoss: lambda r, s: 1 - (2 * r["pt"] + s) / (r["pp"] + r["t"] + s),
    JaccardLoss: lambda r, s: 1 - (r["pt"] + s) / (r["p"] + r["t"] - r["pt"] + s),
    SqJaccardLoss: lambda r, s: 1 - (r["pt"] + s) / (r["pp"] + r["t"] - r["pt"] + s),
    TverskyLoss: lambda r, s: 1 - (r["pt"] + s) / (r["pt"] + 0.3 * r["fp"] + 0.7 * r["fn"] + s),
    FocalTverskyLoss: lambda r, s: max(FORMULAS[TverskyLoss](r, s), 0) ** 0.75,
    F1Loss: lambda r, s: 1 - (2 * r["pt"] + s) / (2 * r["pt"] + r["fn"] + r["fp"] + s),
}
every_formula = pytest.mark.parametrize("make", FORMULAS)


def oracle(make, p, t, valid, *, pool, average, absent, smooth, weights, first):
    """A region loss in loops over hard targets: p, t (N, C, P) and valid (N, P) or (N, C, P)."""
    images, classes = p.shape[:2]
    valid = np.broadcast_to(valid[:, None] if valid.ndim == 2 else valid, p.shape)
    groups = [[n] for n in range(images)] if pool == "image" else [list(range(images))]
    channels = [[c] for c in range(first, classes)] if average == "macro" else [list(range(first, classes))]
    total = weight = 0.0
    for group, members in product(groups, channels):
        region = dict.fromkeys(("pt", "p", "t", "pp", "fp", "fn", "n"), 0.0)
        for c in members:
            w = 1.0 if average == "macro" else weights[c]
            m = valid[group, c]
            prediction, truth = p[group, c][m], t[group, c][m]
            parts = {
                "pt": prediction * truth,
                "p": prediction,
                "t": truth,
                "pp": prediction**2,
                "fp": prediction * (1 - truth),
                "fn": (1 - prediction) * truth,
                "n": np.ones_like(truth),
            }
            region = {name: region[name] + w * part.sum() for name, part in parts.items()}
        if region["n"] == 0 or (absent == "skip" and region["t"] == 0):
            continue
        value = FORMULAS[make](region, smooth)
        if absent == "penalize" and region["t"] == 0:
            value = region["p"] / region["n"]
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


def expected(make, p, t, valid, chosen):
    chosen = dict(chosen)
    weights = chosen.pop("class_weight") or [1.0] * p.shape[1]
    first = 0 if chosen.pop("include_background") else 1
    flat = (array.reshape(*array.shape[:2], -1) for array in (p, t))
    return oracle(make, *flat, valid, weights=weights, first=first, **chosen)


@every_formula
@given(seed=st.integers(0, 10_000), chosen=options)
def test_over_softmax_a_loss_is_its_formula_for_all_options(make, seed, chosen):
    logits, ids = batch(seed)
    t = np.moveaxis(np.eye(256)[ids][..., :4], -1, 1)
    value = make(ignore_index=VOID, **chosen)(torch.from_numpy(logits), torch.from_numpy(ids)).item()
    assert value == pytest.approx(expected(make, softmax(logits), t, (ids != VOID).reshape(3, -1), chosen), rel=1e-9)


@every_formula
@given(seed=st.integers(0, 10_000), chosen=options)
def test_over_sigmoid_a_loss_is_its_formula_for_all_options(make, seed, chosen):
    logits, _ = batch(seed)
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, VOID], logits.shape, p=[0.5, 0.3, 0.2])
    labels[0, 1] = 0
    labels[1, 2] = VOID
    p = 1 / (1 + np.exp(-logits))
    truth, valid = np.where(labels == 1, 1.0, 0.0), (labels != VOID).reshape(3, 4, -1)
    loss = make(mode="multilabel", ignore_index=VOID, **chosen)
    value = loss(torch.from_numpy(logits), torch.from_numpy(labels)).item()
    assert value == pytest.approx(expected(make, p, truth, valid, chosen), rel=1e-9)


@given(
    seed=st.integers(0, 10_000),
    rarity=st.sampled_from(["square", "simple", "uniform"]),
    absent=st.sampled_from(["skip", "penalize"]),
    pool=st.sampled_from(["image", "batch"]),
    class_weight=st.sampled_from([None, WEIGHTS]),
)
def test_generalized_dice_is_one_ratio_over_the_classes(seed, rarity, absent, pool, class_weight):
    logits, ids = batch(seed)
    p, t = softmax(logits), np.moveaxis(np.eye(256)[ids][..., :4], -1, 1)
    valid = (ids != VOID)[:, None]
    sums = np.stack([(x * valid).sum((2, 3)) for x in (p * t, p, t)])
    if pool == "batch":
        sums = sums.sum(1, keepdims=True)
    values = []
    for overlap, predicted, true in zip(*sums, strict=True):
        powers = {"square": 2, "simple": 1, "uniform": 0}
        w = np.array([1 / x ** powers[rarity] if x else 0 for x in true])
        w[true == 0] = w.max() if absent == "penalize" else 0
        w *= class_weight or 1
        w /= w.sum()
        values.append(1 - (2 * (w * overlap).sum() + 1e-6) / ((w * (predicted + true)).sum() + 1e-6))
    loss = GDiceLoss(ignore_index=VOID, rarity=rarity, absent=absent, pool=pool, class_weight=class_weight)
    assert loss(torch.from_numpy(logits), torch.from_numpy(ids)).item() == pytest.approx(np.mean(values), rel=1e-9)


def test_generalized_dice_refuses_what_it_has_no_use_for():
    with pytest.raises(FieldError, match="average must be macro"):
        GDiceLoss(average="micro")
    with pytest.raises(FieldError, match="absent must be skip or penalize"):
        GDiceLoss(absent="formula")


def test_relatives_of_dice_meet_where_their_formulas_do():
    logits, ids = (torch.from_numpy(array) for array in batch(3))
    pairs = [
        (F1Loss(), DiceLoss()),
        (TverskyLoss(alpha=0.5, beta=0.5, smooth=0.5), DiceLoss(smooth=1.0)),
        (TverskyLoss(alpha=1.0, beta=1.0), JaccardLoss()),
        (FocalTverskyLoss(gamma=1.0), TverskyLoss()),
    ]
    for one, other in pairs:
        one.ignore_index = other.ignore_index = VOID
        torch.testing.assert_close(one(logits, ids), other(logits, ids))


def test_beta_weighs_recall():
    sums = {name: torch.zeros(1, 1) for name in Sums._fields}
    sums |= {"overlap": torch.full((1, 1), 3.0), "predicted": torch.full((1, 1), 4.0), "true": torch.full((1, 1), 10.0)}
    precision, recall = 3 / 4, 3 / 10
    expected = 1 - 5 * precision * recall / (4 * precision + recall)
    assert F1Loss(beta=2.0, smooth=0.0).formula(Sums(**sums)).item() == pytest.approx(expected)


def test_alpha_weighs_false_positives_and_beta_false_negatives():
    everywhere = torch.full((1, 1, 4, 4), 9.0)
    half = torch.zeros(1, 1, 4, 4)
    half[..., :2] = 1
    greedy = {"mode": "binary"}
    assert TverskyLoss(alpha=0.9, beta=0.1, **greedy)(everywhere, half) > TverskyLoss(**greedy)(everywhere, half)
    assert TverskyLoss(alpha=0.9, beta=0.1, **greedy)(-everywhere + 18 * half - 9, half) < 1


def test_binary_dice_is_multilabel_dice_of_one_channel():
    logits, labels = torch.randn(3, 1, 5, 6), torch.randint(0, 2, (3, 1, 5, 6))
    assert torch.equal(DiceLoss(mode="binary")(logits, labels), DiceLoss(mode="multilabel")(logits, labels))


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_costs_one():
    ids = torch.randint(0, 3, (2, 8, 8))
    right = 200 * torch.nn.functional.one_hot(ids, 3).movedim(-1, 1).float()
    assert DiceLoss()(right, ids).item() == pytest.approx(0, abs=1e-6)
    assert DiceLoss()(right.roll(1, 1), ids).item() == pytest.approx(1, abs=1e-6)


@every_formula
def test_soft_targets_are_met_best_by_themselves(make):
    t = torch.tensor([[[[0.2, 0.5], [0.9, 0.0]]]], dtype=torch.float64)
    at = {shift: make(mode="binary")((t + shift).clamp(1e-12, 1 - 1e-12).logit(), t).item() for shift in (-0.1, 0, 0.1)}
    assert at[0] == pytest.approx(0, abs=1e-9)
    assert min(at[-0.1], at[0.1]) > 0.009


@every_formula
@given(seed=st.integers(0, 1000))
def test_soft_labels_of_classes_are_met_best_by_themselves(make, seed):
    rng = np.random.default_rng(seed)
    t, other = (torch.from_numpy(softmax(rng.normal(0, 2, (2, 3, 5)))) for _ in range(2))
    loss = make(from_logits=False)
    assert loss(t, t).item() == pytest.approx(0, abs=1e-9)
    assert loss(other, t) > 1e-4


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
        def formula(self, sums):
            return 1 - sums.overlap / (sums.predicted + sums.true - sums.overlap)

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
