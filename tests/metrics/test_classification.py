"""Accuracy and F1 against sklearn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from dltools.metrics import Accuracy, F1Score

AVERAGES = ("micro", "macro", "weighted", "none")


def batch(seed):
    """True and predicted ids of 6 classes, of which class 5 never occurs and class 4 is only predicted."""
    rng = np.random.default_rng(seed)
    true, pred = rng.integers(0, 4, 40), rng.integers(0, 5, 40)
    true[:4] = range(4)
    pred[:5] = range(5)
    return true, pred


def value(metric, true, pred):
    metric.update(torch.from_numpy(pred), torch.from_numpy(true))
    return metric.compute().numpy()


@given(seed=st.integers(0, 10_000), average=st.sampled_from(AVERAGES))
def test_f1_is_that_of_sklearn_over_the_classes_that_occur(seed, average):
    true, pred = batch(seed)
    found = value(F1Score(num_classes=6, average=average), true, pred)
    expected = f1_score(true, pred, average=None if average == "none" else average)
    if average == "none":
        assert np.isnan(found[5])
        found = found[:5]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(seed=st.integers(0, 10_000), average=st.sampled_from(AVERAGES))
def test_accuracy_is_the_recall_of_sklearn_over_the_classes_that_are_true(seed, average):
    true, pred = batch(seed)
    found = value(Accuracy(num_classes=6, average=average), true, pred)
    expected = recall_score(true, pred, labels=range(4), average=None if average == "none" else average)
    if average == "none":
        assert np.isnan(found[4:]).all()
        found = found[:4]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_plain_accuracy_is_the_default():
    true, pred = batch(0)
    assert value(Accuracy(num_classes=6), true, pred) == pytest.approx(accuracy_score(true, pred), rel=1e-12)


@pytest.mark.parametrize("make", [Accuracy, F1Score])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_a_perfect_answer_is_worth_one_also_where_a_class_is_ignored(make, average):
    true = torch.tensor([0, 1, 2, 2, 3])
    metric = make(num_classes=4, ignore_index=2, average=average)
    metric.update(torch.tensor([0, 1, 0, 2, 3]), true)
    assert metric.compute() == 1


def test_an_ignored_class_is_no_class_of_the_mean():
    metric = F1Score(num_classes=3, ignore_index=0)
    metric.update(torch.tensor([0, 1, 2, 2]), torch.tensor([1, 1, 2, 0]))
    assert metric.compute() == pytest.approx((2 / 3 + 1) / 2)
