"""The Lovasz losses against the definition in numpy, and the binned form against the sorted one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.losses import LovaszLoss

VOID = 255
WEIGHTS = [0.5, 2.0, 1.0, 0.25]


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def jaccard_loss(wrong, truth):
    """1 - IoU of a prediction that is wrong at some places: (false positives and negatives) / union."""
    union = (wrong | truth).sum()
    return wrong.sum() / union if union else 0.0


def extension(error, truth):
    """Lovasz extension of the Jaccard loss by its definition."""
    order = np.argsort(-error, kind="stable")
    hit = truth[order]
    loss = 1 - (truth.sum() - hit.cumsum()) / (truth.sum() + (~hit).cumsum())
    return (error[order] * np.diff(loss, prepend=0)).sum()


def regions(logits, target, mode):
    """The error, truth and validity of each place, (N, C, P)."""
    classes = logits.shape[1]
    if mode == "multiclass":
        p = softmax(logits)
        truth = target[:, None] == np.arange(classes)[:, None]
        valid = np.broadcast_to(target[:, None] != VOID, truth.shape)
        return np.where(truth, 1 - p, p), truth, valid, p
    truth, valid = target == 1, target != VOID
    return np.maximum(0, 1 - logits * np.where(truth, 1, -1)), truth, valid, 1 / (1 + np.exp(-logits))


def oracle(logits, target, mode, *, pool="image", absent="skip", weights=None, first=0):
    error, truth, valid, p = regions(logits, target, mode)
    images, classes = logits.shape[:2]
    groups = [[n] for n in range(images)] if pool == "image" else [list(range(images))]
    total = weight = 0.0
    for group, c in product(groups, range(first, classes)):
        m = valid[group, c]
        e, t = error[group, c][m], truth[group, c][m]
        if m.sum() == 0 or (absent == "skip" and not t.any()):
            continue
        of_absent = p[group, c][m].mean() if absent == "penalize" else e.max()
        value = extension(e, t) if t.any() else of_absent
        w = 1.0 if weights is None else weights[c]
        total, weight = total + w * value, weight + w
    return total / weight if weight else 0.0


def batch(mode, seed=0, places=40):
    """Logits (3, C, P) and a target in which classes are absent and places void."""
    rng = np.random.default_rng(seed)
    classes = 1 if mode == "binary" else 4
    logits = rng.normal(0, 2, (3, classes, places))
    if mode == "multiclass":
        target = np.stack([rng.choice(rng.choice(4, 2, replace=False), places) for _ in range(3)])
    else:
        target = (rng.random(logits.shape) < 0.3).astype(np.int64)
        target[0, -1] = 0
    target[rng.random(target.shape) < 0.2] = VOID
    return logits, target


def gradient_of(loss, logits, target):
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    value.backward()
    return value.detach(), logits.grad


modes = pytest.mark.parametrize("mode", ["multiclass", "binary", "multilabel"])
FORMS = {"sorted for so few": (40, {}), "sorted": (17000, {"exact": True}), "binned": (17000, {})}
every_form = pytest.mark.parametrize("form", FORMS)


@modes
@every_form
@pytest.mark.parametrize("pool", ["image", "batch"])
@pytest.mark.parametrize("absent", ["skip", "penalize", "formula"])
def test_the_value_is_the_definition_of_the_extension(mode, form, pool, absent):
    places, options = FORMS[form]
    logits, target = batch(mode, places=places)
    expected = oracle(logits, target, mode, pool=pool, absent=absent)
    loss = LovaszLoss(mode=mode, ignore_index=VOID, pool=pool, absent=absent, **options)
    value = loss(torch.from_numpy(logits), torch.from_numpy(target))
    assert value.item() == pytest.approx(expected, rel=1e-6 if form == "binned" else 1e-12)


@every_form
@pytest.mark.parametrize("mode", ["multiclass", "multilabel"])
def test_classes_are_weighted_and_the_background_may_be_left_out(mode, form):
    places, options = FORMS[form]
    logits, target = batch(mode, places=places)
    expected = oracle(logits, target, mode, weights=WEIGHTS, first=1)
    loss = LovaszLoss(mode=mode, ignore_index=VOID, class_weight=WEIGHTS, include_background=False, **options)
    value = loss(torch.from_numpy(logits), torch.from_numpy(target))
    assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("repeats", [1, 2048], ids=["sorted", "binned"])
def test_at_hard_predictions_the_value_is_the_jaccard_loss_itself(repeats):
    """The extension equals the set function at the vertices of the cube; all 2^8 predictions of 8 pixels."""
    truth = torch.tensor([1, 0, 0, 1, 1, 0, 0, 0])
    loss = LovaszLoss(include_background=False, reduction="none")
    guesses = torch.tensor(list(product([0, 1], repeat=8)))
    logits = torch.stack([1 - guesses, guesses], 1).repeat(1, 1, repeats) * 1e3
    values = loss(logits, truth.repeat(repeats).expand(len(guesses), -1))[:, 0]
    expected = [jaccard_loss((guess != truth).numpy(), truth.numpy() == 1) for guess in guesses]
    assert values.tolist() == pytest.approx(expected, abs=1e-6)


DISTRIBUTIONS = {
    "first steps": (0.3, 0.3),
    "random": (1.0, 0.0),
    "early": (1.0, 1.0),
    "learning": (1.5, 3.0),
    "confident": (1.5, 6.0),
    "confident and wrong": (4.0, 1.0),
}


@pytest.mark.parametrize("pool", ["image", "batch"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_bins_give_the_value_to_a_millionth_and_the_gradient_to_two_thousandths(name, pool):
    spread, boost = DISTRIBUTIONS[name]
    generator = torch.Generator().manual_seed(0)
    ids = torch.randn(2, 8, 6, 6, generator=generator)
    ids = torch.nn.functional.interpolate(ids, size=(128, 128), mode="bilinear").argmax(1)
    logits = torch.randn(2, 8, 128, 128, generator=generator) * spread
    logits.scatter_add_(1, ids.unsqueeze(1), torch.full((2, 1, 128, 128), boost))
    value, gradient = gradient_of(LovaszLoss(pool=pool), logits, ids)
    exact, exact_gradient = gradient_of(LovaszLoss(pool=pool, exact=True), logits.double(), ids)
    assert value.item() == pytest.approx(exact.item(), abs=1e-6)
    assert (gradient - exact_gradient).norm() < 2e-3 * exact_gradient.norm()


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_bins_give_the_value_and_gradient_of_the_hinge_too(name):
    spread, boost = DISTRIBUTIONS[name]
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(4, 1, 128, 128, generator=generator) < 0.3).float()
    logits = torch.randn(4, 1, 128, 128, generator=generator) * spread + boost * (labels - 0.5)
    value, gradient = gradient_of(LovaszLoss(mode="binary", pool="batch"), logits, labels)
    exact, exact_gradient = gradient_of(LovaszLoss(mode="binary", pool="batch", exact=True), logits.double(), labels)
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)
    assert (gradient - exact_gradient).norm() < 2e-3 * exact_gradient.norm()


@modes
def test_bins_give_the_value_of_ties(mode):
    """Where all logits are the same all errors of a kind are, and any order has the same value."""
    logits, target = (torch.from_numpy(part) for part in batch(mode, places=17000))
    for pool in ("image", "batch"):
        options = {"mode": mode, "ignore_index": VOID, "pool": pool}
        sorted_value = LovaszLoss(**options, exact=True)(logits * 0, target)
        torch.testing.assert_close(LovaszLoss(**options)(logits * 0, target), sorted_value)


@modes
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_in_bins_ignored_places_are_cut_out_whatever_their_logits(mode, poison):
    logits, target = (torch.from_numpy(part) for part in batch(mode, places=34000))
    target[..., 17000:] = VOID
    loss = LovaszLoss(mode=mode, ignore_index=VOID)
    value, gradient = gradient_of(loss, logits, target)
    logits[..., 17000:] = poison
    same, same_gradient = gradient_of(loss, logits, target)
    cut, cut_gradient = gradient_of(loss, logits[..., :17000], target[..., :17000])
    assert torch.equal(value, same)
    assert torch.equal(gradient, same_gradient)
    assert (gradient[..., 17000:] == 0).all()
    torch.testing.assert_close(value, cut, rtol=1e-6, atol=0)
    assert (gradient[..., :17000] - cut_gradient).norm() < 1e-2 * cut_gradient.norm()


@modes
def test_in_bins_order_and_memory_format_do_not_matter(mode):
    logits, target = (torch.from_numpy(part).unflatten(-1, (170, 100)) for part in batch(mode, places=17000))
    loss = LovaszLoss(mode=mode, ignore_index=VOID)
    value, gradient = gradient_of(loss, logits, target)
    strided, strided_gradient = gradient_of(loss, logits.contiguous(memory_format=torch.channels_last), target)
    turned, turned_gradient = gradient_of(loss, logits.transpose(-1, -2), target.transpose(-1, -2))
    for other, other_gradient in ((strided, strided_gradient), (turned, turned_gradient.transpose(-1, -2))):
        torch.testing.assert_close(other, value)
        torch.testing.assert_close(other_gradient, gradient)


@modes
def test_in_bins_it_compiles_without_a_graph_break_and_never_waits_for_a_batch(mode):
    logits, target = (torch.from_numpy(part) for part in batch(mode, places=17000))
    loss = LovaszLoss(mode=mode, ignore_index=VOID)
    expected, expected_gradient = gradient_of(loss, logits, target)
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    value, gradient = gradient_of(compiled, logits, target)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)
    loss(logits.to("meta").requires_grad_(), target.to("meta")).backward()


@modes
def test_the_gradient_of_the_sorted_form_is_that_of_its_value(mode):
    logits, target = batch(mode, places=8)
    loss = LovaszLoss(mode=mode, ignore_index=VOID)
    assert torch.autograd.gradcheck(
        lambda x: loss(x, torch.from_numpy(target)), torch.from_numpy(logits).requires_grad_()
    )


@given(seed=st.integers(0, 1000))
def test_the_order_of_the_classes_does_not_matter(seed):
    logits, target = (torch.from_numpy(part) for part in batch("multiclass", seed))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(4))
    renamed = torch.where(target == VOID, VOID, torch.argsort(order)[target.clamp(max=3)])
    loss = LovaszLoss(ignore_index=VOID)
    torch.testing.assert_close(loss(logits[:, order], renamed), loss(logits, target))


@modes
@pytest.mark.parametrize("label", [0, 1, VOID])
@pytest.mark.parametrize("places", [(1, 1), (8, 8), (136, 136)], ids=["one pixel", "sorted", "binned"])
def test_empty_full_and_single_pixel_targets_have_finite_values_and_gradients(mode, label, places):
    for absent in ("skip", "penalize", "formula"):
        loss = LovaszLoss(mode=mode, ignore_index=VOID, absent=absent)
        logits = torch.randn(2, 1 if mode == "binary" else 3, *places) * 50
        target = torch.full((2, *places) if mode != "multilabel" else (2, 3, *places), label)
        value, gradient = gradient_of(loss, logits, target)
        assert value.shape == ()
        assert value.isfinite()
        assert gradient.isfinite().all()


@modes
def test_with_one_image_pooling_does_not_matter(mode):
    logits, target = (torch.from_numpy(part[:1]) for part in batch(mode, places=17000))
    values = [
        LovaszLoss(mode=mode, ignore_index=VOID, pool=pool)(logits, target) for pool in ("image", "batch", "global")
    ]
    for value in values[1:]:
        torch.testing.assert_close(value, values[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [4, 80], ids=["sorted", "binned"])
def test_a_model_that_gives_nan_gets_nan(size):
    logits = torch.randn(2, 3, size, size)
    logits[0, 0, 0, 0] = float("nan")
    assert LovaszLoss()(logits, torch.randint(0, 3, (2, size, size))).isnan()


def test_the_gradient_can_be_asked_for_twice():
    logits = torch.randn(2, 3, 80, 80, requires_grad=True)
    value = LovaszLoss()(logits, torch.randint(0, 3, (2, 80, 80)))
    first, second = (torch.autograd.grad(value, logits, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_a_label_above_one_half_is_foreground():
    logits, hard = (torch.from_numpy(part) for part in batch("multilabel"))
    hard = torch.where(hard == VOID, 0, hard)
    loss = LovaszLoss(mode="multilabel")
    assert torch.equal(loss(logits, hard * 0.2 + 0.4), loss(logits, hard))


def test_class_probabilities_are_refused():
    with pytest.raises(ValueError, match=r"lovasz needs class ids, got class probabilities of shape \(2, 3, 4\)"):
        LovaszLoss()(torch.randn(2, 3, 4), torch.rand(2, 3, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exact": True, "pool": "global"}, "exact must be False with pool global"),
        ({"absent": "formula", "pool": "global"}, "absent must be skip or penalize with pool global"),
        ({"mode": "binary", "include_background": False}, "include_background must be True in mode binary"),
        ({"mode": "binary", "class_weight": [2.0]}, "class_weight must be None in mode binary"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(FieldError, match=message):
        LovaszLoss(**options)
