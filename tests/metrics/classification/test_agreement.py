"""Matthews correlation, Cohen's kappa and the table against sklearn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix, matthews_corrcoef

from dltools.metrics.classification import CohenKappa, ConfusionTable, MatthewsCorrelation

WEIGHTS = {"none": None, "linear": "linear", "quadratic": "quadratic"}


def batch(seed, classes=5, places=40):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, places)
    return true, np.where(rng.random(places) < 0.5, true, rng.integers(0, classes, places))


def value(metric, true, pred):
    metric.update(torch.as_tensor(np.asarray(pred)), torch.as_tensor(np.asarray(true)))
    found = metric.compute()
    return {key: part.numpy() for key, part in found.items()} if isinstance(found, dict) else found.numpy()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 12), weights=st.sampled_from(sorted(WEIGHTS)))
def test_mcc_and_kappa_are_those_of_sklearn(seed, classes, weights):
    true, pred = batch(seed, classes)
    found = value(MatthewsCorrelation(num_classes=classes), true, pred)
    assert found == pytest.approx(matthews_corrcoef(true, pred), rel=1e-12, abs=1e-15)
    found = value(CohenKappa(num_classes=classes, weights=weights), true, pred)
    expected = cohen_kappa_score(true, pred, labels=range(classes), weights=WEIGHTS[weights])
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("metric", "of_sklearn"), [(MatthewsCorrelation, matthews_corrcoef), (CohenKappa, cohen_kappa_score)]
)
@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_a_label_is_one_class_and_labels_are_averaged(metric, of_sklearn, seed):
    true, pred = (np.stack(parts, 1) for parts in zip(*(batch(seed + label, 2) for label in range(3)), strict=True))
    expected = [of_sklearn(true[:, label], pred[:, label]) for label in range(3)]
    found = value(metric(mode="multilabel", num_classes=3, per_class=True), true, pred)
    assert list(found.values()) == pytest.approx([np.mean(expected), *expected], rel=1e-12, abs=1e-15)
    assert value(metric(mode="binary"), true[:, 0], pred[:, 0]) == pytest.approx(expected[0], rel=1e-12, abs=1e-15)
    assert value(metric(num_classes=2), true[:, 0], pred[:, 0]) == pytest.approx(expected[0], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("metric", "of_sklearn"), [(MatthewsCorrelation, matthews_corrcoef), (CohenKappa, cohen_kappa_score)]
)
def test_the_value_of_a_class_is_that_of_it_against_the_rest(metric, of_sklearn):
    true, pred = batch(3)
    found = value(metric(num_classes=5, per_class=True), true, pred)
    assert found.pop(metric.name) == pytest.approx(of_sklearn(true, pred), rel=1e-12)
    for index, one in enumerate(found.values()):
        assert one == pytest.approx(of_sklearn(true == index, pred == index), rel=1e-12)


@pytest.mark.parametrize("metric", [MatthewsCorrelation, CohenKappa])
def test_all_right_is_one_and_the_opposite_is_minus_one(metric):
    assert value(metric(num_classes=4), [0, 1, 2, 3], [0, 1, 2, 3]) == 1
    assert value(metric(mode="binary"), [0, 1, 0, 1], [1, 0, 1, 0]) == -1


@pytest.mark.parametrize("metric", [MatthewsCorrelation, CohenKappa])
def test_one_class_alone_has_no_correlation(metric):
    assert np.isnan(value(metric(num_classes=3), [1, 1, 1], [1, 1, 1]))
    assert np.isnan(value(metric(num_classes=3, ignore_index=9), [9, 9], [1, 2]))
    assert np.isnan(metric(num_classes=3).compute().item())
    found = value(metric(mode="multilabel", num_classes=2, per_class=True), [[0, 1], [1, 1]], [[0, 1], [1, 1]])
    assert found[metric.name] == 1
    assert np.isnan(found[f"{metric.name}/1"])


def test_to_predict_one_class_always_is_chance_to_kappa_and_undefined_to_mcc():
    assert value(CohenKappa(num_classes=3), [0, 1, 2], [1, 1, 1]) == 0
    assert np.isnan(value(MatthewsCorrelation(num_classes=3), [0, 1, 2], [1, 1, 1]))


def test_ten_thousand_million_places_are_no_more_than_a_few():
    """Products of four such numbers are beyond int64 and beyond what fp64 tells apart."""
    metric, few = MatthewsCorrelation(num_classes=2), [[3, 2], [1, 4]]
    metric.state.bins[:4] = 10**10 * torch.tensor(few).flatten()
    true, pred = np.repeat([0, 0, 1, 1], np.ravel(few)), np.repeat([0, 1, 0, 1], np.ravel(few))
    assert metric.compute().item() == pytest.approx(matthews_corrcoef(true, pred), rel=1e-14)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), normalize=st.sampled_from(["none", "true", "pred", "all"]))
def test_the_table_is_that_of_sklearn(seed, normalize):
    true, pred = batch(seed)
    true[true == 3], pred[pred == 1] = 0, 2
    found = value(ConfusionTable(num_classes=5, normalize=normalize), true, pred)
    expected = confusion_matrix(true, pred, labels=range(5), normalize=None if normalize == "none" else normalize)
    assert found.dtype == (np.int64 if normalize == "none" else np.float64)
    empty = np.zeros((5, 5), bool)
    if normalize == "true":
        empty[3] = True
    if normalize == "pred":
        empty[:, 1] = True
    assert np.array_equal(np.isnan(found), empty)
    np.testing.assert_allclose(np.nan_to_num(found), expected, rtol=1e-12)


def test_the_table_of_labels_is_one_for_each():
    true, pred = np.array([[0, 1], [1, 1], [1, 0]]), np.array([[0, 1], [0, 1], [1, 1]])
    found = value(ConfusionTable(mode="multilabel", num_classes=2, class_names=["a", "b"]), true, pred)
    assert list(found) == ["confusion_matrix/a", "confusion_matrix/b"]
    for label, table in enumerate(found.values()):
        assert np.array_equal(table, confusion_matrix(true[:, label], pred[:, label], labels=[0, 1]))
    alone = value(ConfusionTable(mode="binary", normalize="true"), true[:, 0], pred[:, 0])
    assert np.array_equal(alone, [[1, 0], [0.5, 0.5]])


def test_an_empty_table_has_counts_but_no_shares():
    assert (ConfusionTable(num_classes=3).compute() == 0).all()
    assert ConfusionTable(num_classes=3, normalize="all").compute().isnan().all()


@pytest.mark.parametrize("weights", sorted(WEIGHTS))
def test_values_are_those_of_torchmetrics(weights):
    from torchmetrics.classification import MulticlassCohenKappa, MulticlassMatthewsCorrCoef

    true, pred = batch(7)
    pair = torch.from_numpy(pred), torch.from_numpy(true)
    expected = MulticlassCohenKappa(5, weights=WEIGHTS[weights])(*pair).item()
    assert value(CohenKappa(num_classes=5, weights=weights), true, pred) == pytest.approx(expected, rel=1e-6)
    expected = MulticlassMatthewsCorrCoef(5)(*pair).item()
    assert value(MatthewsCorrelation(num_classes=5), true, pred) == pytest.approx(expected, rel=1e-6)


def test_values_of_digits_are_those_of_sklearn(digits):
    probabilities, true = digits
    pred = probabilities.argmax(1)
    assert value(MatthewsCorrelation(num_classes=10), true, pred) == pytest.approx(matthews_corrcoef(true, pred))
    assert value(CohenKappa(num_classes=10), true, pred) == pytest.approx(cohen_kappa_score(true, pred))
    assert math.isclose(value(ConfusionTable(num_classes=10), true, pred).trace(), (true == pred).sum())
