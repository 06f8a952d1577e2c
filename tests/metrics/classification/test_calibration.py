"""Calibration error against its formula written plainly, and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.cfgutils import DataError, FieldError
from dltools.metrics.classification import CalibrationError, ConfidenceBins
from dltools.metrics.state import Reading
from dltools.mode import Mode

NORMS = ["l1", "l2", "max"]


def value(metric, preds, target):
    metric.update(torch.as_tensor(preds), torch.as_tensor(target))
    found = metric.compute()
    assert found.dtype is torch.float64
    assert found.shape == ()
    return found.item()


def plain(confidence, success, bins, norm):
    """Equations 3 to 5 of Guo et al., a bin at a time."""
    confidence, gaps, shares = np.asarray(confidence, np.float64), [], []
    for low in range(bins):
        inside = (confidence * bins > low) & (confidence * bins <= low + 1) | ((confidence == 0) & (low == 0))
        if inside.any():
            gaps.append(abs(np.mean(success[inside]) - confidence[inside].mean()))
            shares.append(inside.mean())
    gaps, shares = np.array(gaps), np.array(shares)
    return {"l1": (shares * gaps).sum(), "l2": np.sqrt((shares * gaps**2).sum()), "max": gaps.max()}[norm]


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), bins=st.integers(1, 20), classes=st.integers(2, 6))
def test_of_classes_it_is_that_of_the_likeliest(norm, seed, bins, classes):
    rng = np.random.default_rng(seed)
    scores, true = rng.dirichlet(np.ones(classes), 40), rng.integers(0, classes, 40)
    found = value(CalibrationError(num_classes=classes, bins=bins, norm=norm, from_logits=False), scores, true)
    expected = plain(scores.max(1), scores.argmax(1) == true, bins, norm)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), bins=st.integers(1, 20), exact=st.booleans())
def test_of_labels_it_is_that_of_the_probability_that_each_holds(norm, seed, bins, exact):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, bins + 1, (40, 3)) / bins if exact else rng.random((40, 3))
    true = rng.integers(0, 2, (40, 3))
    expected = [plain(scores[:, label], true[:, label], bins, norm) for label in range(3)]
    options = {"bins": bins, "norm": norm, "from_logits": False}
    found = value(CalibrationError(mode="multilabel", num_classes=3, **options), scores, true)
    assert found == pytest.approx(np.mean(expected), abs=1e-9)
    found = value(CalibrationError(mode="binary", **options), scores[:, 0], true[:, 0])
    assert found == pytest.approx(expected[0], abs=1e-9)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 39), norm=st.sampled_from(NORMS))
def test_neither_split_nor_order_changes_a_bit(seed, cut, norm):
    rng = np.random.default_rng(seed)
    logits, true = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 4, 40)
    order = rng.permutation(40)
    parts = CalibrationError(num_classes=4, norm=norm)
    for part in (order[:cut], order[cut:]):
        parts.update(torch.from_numpy(logits[part]), torch.from_numpy(true[part]))
    assert parts.compute().item() == value(CalibrationError(num_classes=4, norm=norm), logits, true)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("bins", [10, 15])
def test_away_from_the_edges_of_bins_it_is_that_of_torchmetrics(norm, bins, digits):
    from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

    scores, true = (torch.from_numpy(part) for part in digits)
    scores = scores.double() * 0.999 + 1e-5
    expected = MulticlassCalibrationError(10, n_bins=bins, norm=norm)(scores, true).item()
    found = value(CalibrationError(num_classes=10, bins=bins, norm=norm, from_logits=False), scores, true)
    assert 0.001 < found == pytest.approx(expected, rel=1e-5)
    expected = BinaryCalibrationError(n_bins=bins, norm=norm)(scores[:, 3], (true == 3).long()).item()
    found = value(CalibrationError(mode="binary", bins=bins, norm=norm, from_logits=False), scores[:, 3], true == 3)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mode", ["multiclass", "multilabel"])
def test_logits_are_made_probabilities(mode):
    logits, shape = torch.randn(30, 4), (30,) if mode == "multiclass" else (30, 4)
    true = torch.randint(0, 4 if mode == "multiclass" else 2, shape)
    made = logits.softmax(1) if mode == "multiclass" else logits.sigmoid()
    found = value(CalibrationError(mode=mode, num_classes=4), logits, true)
    assert found == value(CalibrationError(mode=mode, num_classes=4, from_logits=False), made, true)


def test_sure_and_right_is_no_error_and_sure_and_wrong_the_largest():
    for norm in NORMS:
        for mode, preds, right, wrong in (("multiclass", [[1.0, 0]], [0], [1]), ("binary", [1.0, 0.0], [1, 0], [0, 1])):
            options = {"mode": mode, "num_classes": 2, "norm": norm, "from_logits": False}
            assert value(CalibrationError(**options), preds, right) == 0
            assert value(CalibrationError(**options), preds, wrong) == 1


def test_a_score_that_is_nan_is_sure_of_what_is_wrong():
    nan = torch.nan
    assert value(CalibrationError(num_classes=2), [[nan, 0.0]], [0]) == 1
    assert value(CalibrationError(num_classes=2), [[nan, nan]], [1]) == 1
    for true in (0, 1):
        assert value(CalibrationError(mode="binary"), [nan], [true]) == 1


@pytest.mark.parametrize("norm", NORMS)
def test_nothing_is_undefined(norm):
    assert CalibrationError(num_classes=3, norm=norm).compute().isnan()
    assert np.isnan(value(CalibrationError(num_classes=3, norm=norm, ignore_index=9), torch.rand(2, 3), [9, 9]))
    nothing = torch.rand(0, 3), torch.zeros(0, dtype=torch.int64)
    assert np.isnan(value(CalibrationError(num_classes=3, norm=norm), *nothing))
    half = torch.tensor([[1, 9], [0, 9]])
    found = value(
        CalibrationError(mode="multilabel", num_classes=2, norm=norm, ignore_index=9), torch.zeros(2, 2), half
    )
    assert found == 0


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), void=st.sampled_from([1, 255]))
def test_ignored_places_of_masks_are_as_if_they_were_cut_away(seed, void):
    rng = np.random.default_rng(seed)
    logits, true = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    true[rng.random(true.shape) < 0.3] = void
    kept = true != void
    found = value(CalibrationError(num_classes=3, ignore_index=void), logits, true)
    expected = value(CalibrationError(num_classes=3), np.moveaxis(logits, 1, -1)[kept], true[kept])
    assert found == pytest.approx(expected, nan_ok=True, abs=1e-9)


def test_logits_that_are_taken_for_probabilities_are_refused():
    for preds in ([[0.5, 1.5]], [[-0.5, 0.5]]):
        with pytest.raises(DataError, match=r"must be in 0\.\.1; logits need from_logits=true"):
            value(CalibrationError(num_classes=2, from_logits=False), preds, [1])


def test_ids_out_of_range_are_named_on_a_cpu_and_counted_elsewhere():
    with pytest.raises(DataError, match="got 7 in target"):
        value(CalibrationError(num_classes=3), torch.rand(2, 3), [0, 7])
    metric = CalibrationError(num_classes=3)
    metric.state.strays += 2
    with pytest.raises(DataError, match="got 2 others"):
        metric.compute()


def test_decisions_have_no_confidence():
    with pytest.raises(ValueError, match="floating scores"):
        value(CalibrationError(mode="binary"), torch.tensor([0, 1]), [0, 1])
    with pytest.raises(FieldError, match="bins must be at least 1, got 0"):
        CalibrationError(num_classes=3, bins=0)


@pytest.mark.parametrize("mode", [Mode.multiclass, Mode.multilabel])
def test_a_batch_is_never_waited_for_and_the_state_does_not_grow(mode):
    state = ConfidenceBins(mode=mode, size=3, bins=15, from_logits=True, ignore_index=255).to("meta")
    target = torch.zeros((4, 3)[: 1 if mode is Mode.multiclass else 2], dtype=torch.int64, device="meta")
    before = {name: buffer.shape for name, buffer in state.named_buffers()}
    state.update(Reading(torch.rand(4, 3, device="meta"), target))
    assert {name: buffer.shape for name, buffer in state.named_buffers()} == before
