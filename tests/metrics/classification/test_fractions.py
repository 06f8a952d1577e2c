"""Accuracy, precision, recall and their like against sklearn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    fbeta_score,
    multilabel_confusion_matrix,
    precision_score,
    recall_score,
)

from dltools.metrics.classification import (
    Accuracy,
    BalancedAccuracy,
    F1Score,
    FBetaScore,
    Precision,
    Recall,
    Specificity,
)
from dltools.metrics.segmentation import DiceScore, MeanIoU

# The numbers in names are those of traps that other libraries of metrics fell into; the others are in test_traps.py.
FRACTIONS = [Accuracy, Precision, Recall, Specificity, F1Score, FBetaScore]
AVERAGES = ["micro", "macro", "weighted"]
SKLEARN = {Precision: precision_score, Recall: recall_score, F1Score: f1_score}


def batch(seed):
    """True and predicted ids of 6 classes, of which class 5 never occurs and class 4 is only predicted."""
    rng = np.random.default_rng(seed)
    true, pred = rng.integers(0, 4, 40), rng.integers(0, 5, 40)
    true[:4] = range(4)
    pred[:5] = range(5)
    return true, pred


def labels(seed, count=3):
    """True and predicted labels, both of which hold and are predicted at least once, and fail to."""
    rng = np.random.default_rng(seed)
    true, pred = rng.integers(0, 2, (20, count)), rng.integers(0, 2, (20, count))
    true[:2], pred[:2] = [[0], [1]], [[0], [1]]
    return true, pred


def value(metric, true, pred):
    metric.update(torch.from_numpy(np.asarray(pred)), torch.from_numpy(np.asarray(true)))
    found = metric.compute()
    values = found.values() if isinstance(found, dict) else [found]
    assert all(one.dtype is torch.float64 and one.shape == () for one in values)
    return {key: one.item() for key, one in found.items()} if isinstance(found, dict) else found.item()


def expected_of(metric, true, pred, average, defined):
    """The value of sklearn, of the classes where it is defined: its own is 0 where nothing is."""
    if metric in SKLEARN:
        return SKLEARN[metric](true, pred, labels=defined, average=average)
    if metric is FBetaScore:
        return fbeta_score(true, pred, beta=2, labels=defined, average=average)
    if metric is Accuracy:
        return recall_score(true, pred, labels=defined, average=average)
    tables = multilabel_confusion_matrix(true, pred, labels=defined)
    if average == "micro":
        return tables[:, 0, 0].sum() / tables[:, 0].sum()
    weights = tables[:, 1].sum(1) if average == "weighted" else None
    return np.average(tables[:, 0, 0] / tables[:, 0].sum(1), weights=weights)


DEFINED = {
    Precision: [0, 1, 2, 3, 4],
    Recall: [0, 1, 2, 3],
    Accuracy: [0, 1, 2, 3],
    F1Score: [0, 1, 2, 3, 4],
    FBetaScore: [0, 1, 2, 3, 4],
    Specificity: [0, 1, 2, 3, 4, 5],
}


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("metric", FRACTIONS)
@settings(max_examples=12)
@given(seed=st.integers(0, 10_000))
def test_classes_are_averaged_as_by_sklearn_over_those_where_the_value_is_defined(metric, average, seed):
    true, pred = batch(seed)
    found = value(metric(num_classes=6, average=average, per_class=True), true, pred)
    defined = DEFINED[metric]
    assert found.pop(metric.name) == pytest.approx(expected_of(metric, true, pred, average, defined), rel=1e-12)
    assert list(found) == [f"{metric.name}/{index}" for index in range(6)]
    assert [index for index, one in enumerate(found.values()) if not np.isnan(one)] == defined
    for index in defined:
        expected = expected_of(metric, true, pred, "macro", [index])
        assert found[f"{metric.name}/{index}"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("metric", [*SKLEARN, FBetaScore])
@settings(max_examples=12)
@given(seed=st.integers(0, 10_000))
def test_labels_are_averaged_as_by_sklearn(metric, average, seed):
    true, pred = labels(seed)
    found = value(metric(mode="multilabel", num_classes=3, average=average), true, pred)
    assert found == pytest.approx(expected_of(metric, true, pred, average, None), rel=1e-12)


@pytest.mark.parametrize("metric", [*SKLEARN, FBetaScore])
@settings(max_examples=12)
@given(seed=st.integers(0, 10_000))
def test_one_label_has_the_value_of_sklearns_positive_class(metric, seed):
    true, pred = (part[:, 0] for part in labels(seed, 1))
    found = value(metric(mode="binary"), true, pred)
    assert found == pytest.approx(expected_of(metric, true, pred, "binary", None), rel=1e-12)


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000))
def test_accuracy_is_that_of_sklearn_in_each_mode(seed):
    true, pred = batch(seed)
    assert value(Accuracy(num_classes=6), true, pred) == accuracy_score(true, pred)
    true, pred = labels(seed)
    per_label = [accuracy_score(true[:, label], pred[:, label]) for label in range(3)]
    found = value(Accuracy(mode="multilabel", num_classes=3, per_class=True), true, pred)
    assert list(found.values()) == pytest.approx([np.mean(per_label), *per_label], rel=1e-12)
    assert value(Accuracy(mode="binary"), true[:, 0], pred[:, 0]) == per_label[0]


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000))
def test_balanced_accuracy_is_that_of_sklearn_in_each_mode(seed):
    true, pred = batch(seed)
    known = np.where(pred == 4, 0, pred)  # sklearn warns of classes that are only predicted
    expected = pytest.approx(balanced_accuracy_score(true, known), rel=1e-12)
    assert value(BalancedAccuracy(num_classes=6), true, known) == expected
    assert value(Accuracy(num_classes=6, average="macro"), true, known) == expected
    true, pred = labels(seed)
    per_label = [balanced_accuracy_score(true[:, label], pred[:, label]) for label in range(3)]
    found = value(BalancedAccuracy(mode="multilabel", num_classes=3, per_class=True), true, pred)
    assert list(found.values()) == pytest.approx([np.mean(per_label), *per_label], rel=1e-12)
    assert value(BalancedAccuracy(mode="binary"), true[:, 0], pred[:, 0]) == pytest.approx(per_label[0], rel=1e-12)


def test_a_class_that_is_never_predicted_has_no_weight_in_the_mean_of_precisions():
    assert value(Precision(num_classes=3, average="weighted"), [0, 0, 1, 2], [0, 0, 0, 2]) == pytest.approx(7 / 9)


def test_balanced_accuracy_of_one_answer_alone_is_its_recall():
    assert value(BalancedAccuracy(mode="binary"), [1, 1, 1, 1], [1, 1, 1, 0]) == 0.75
    assert value(BalancedAccuracy(mode="binary"), [0, 0], [1, 0]) == 0.5


def test_the_values_of_digits_are_those_of_sklearn(digits):
    probabilities, true = digits
    logits, pred = np.log(probabilities), probabilities.argmax(1)
    assert 0.3 < (pred == true).mean() < 0.99
    for metric in SKLEARN:
        for average in AVERAGES:
            found = value(metric(num_classes=10, average=average), true, logits)
            assert found == pytest.approx(SKLEARN[metric](true, pred, average=average), rel=1e-12)
    assert value(BalancedAccuracy(num_classes=10), true, logits) == pytest.approx(balanced_accuracy_score(true, pred))


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("metric", [Accuracy, Precision, Recall, Specificity, F1Score])
@settings(max_examples=12)
@given(seed=st.integers(0, 1000))
def test_where_every_class_occurs_the_value_is_that_of_torchmetrics(metric, average, seed):
    from torchmetrics import classification as theirs

    true, pred = (torch.from_numpy(part).flatten() % 3 for part in labels(seed, 6))
    true[:3] = pred[:3] = torch.arange(3)
    reference = getattr(theirs, f"Multiclass{metric.__name__}")(num_classes=3, average=average)
    assert value(metric(num_classes=3, average=average), true.numpy(), pred.numpy()) == pytest.approx(
        reference(pred, true).item(), rel=1e-6
    )


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize("metric", [Accuracy, Precision, Recall, F1Score, FBetaScore, MeanIoU, DiceScore])
def test_02_a_class_neither_predicted_nor_true_is_undefined_in_every_metric_alike_and_left_out(metric, average):
    found = value(metric(num_classes=4, average=average, per_class=True), [0, 0, 1], [0, 1, 1])
    *kept, first, second = found.values()
    assert np.isnan([first, second]).all()
    assert kept == list(value(metric(num_classes=2, average=average, per_class=True), [0, 0, 1], [0, 1, 1]).values())


@pytest.mark.parametrize("metric", [Accuracy, BalancedAccuracy, Precision, Recall, F1Score, FBetaScore])
def test_16_a_perfect_answer_is_worth_one_also_where_a_class_is_ignored(metric):
    true, pred = [0, 1, 2, 2, 3], [0, 1, 0, 2, 3]
    for average in AVERAGES:
        given = {} if metric is BalancedAccuracy else {"average": average}
        if metric is Precision or metric in (F1Score, FBetaScore):
            pred = [0, 1, 2, 2, 3]  # a place that is not counted is predicted of no class either
        assert value(metric(num_classes=4, ignore_index=2, **given), true, pred) == 1


@pytest.mark.parametrize("metric", FRACTIONS)
@pytest.mark.parametrize("average", AVERAGES)
@settings(max_examples=12)
@given(seed=st.integers(0, 1000))
def test_16_ignored_places_are_as_if_they_were_cut_away(metric, average, seed):
    true, pred = batch(seed)
    pred = pred % 4
    for void in (2, 255):
        marked = np.where(np.arange(40) % 3 == 0, void, true)
        kept = marked != void
        defined = [index for index in range(4) if index != void]
        found = value(metric(num_classes=4, ignore_index=void, average=average), marked, pred)
        if metric is Accuracy and average == "micro":
            assert found == pytest.approx(accuracy_score(true[kept], pred[kept]), rel=1e-12)
            continue
        occurring = [
            index for index in defined if index in true[kept] or (index in pred[kept] and metric is not Recall)
        ]
        occurring = occurring if metric is not Accuracy else [index for index in defined if index in true[kept]]
        if metric is Precision:
            occurring = [index for index in defined if index in pred[kept]]
        if metric is Specificity:
            occurring = defined
        expected = expected_of(metric, true[kept], pred[kept], average, occurring)
        assert found == pytest.approx(expected, rel=1e-12)


def test_16_an_ignored_class_is_no_class_of_the_mean():
    metric = F1Score(num_classes=3, ignore_index=0)
    assert value(metric, [1, 1, 2, 0], [0, 1, 2, 2]) == pytest.approx((2 / 3 + 1) / 2)


def test_16_ignored_labels_are_not_counted():
    metric = F1Score(mode="multilabel", num_classes=2, ignore_index=-1, per_class=True)
    found = value(metric, [[1, -1], [1, 0], [-1, 1]], [[1, 1], [0, 0], [1, 1]])
    assert found == {"f1": pytest.approx(5 / 6), "f1/0": pytest.approx(2 / 3), "f1/1": 1}


def test_17_the_value_of_an_epoch_is_not_the_mean_of_its_batches():
    batches = [([1, 1, 1, 0], [1, 1, 1, 0]), ([0, 0, 0, 1], [0, 0, 1, 0])]
    whole, alone = F1Score(mode="binary"), []
    for true, pred in batches:
        whole.update(torch.tensor(pred), torch.tensor(true))
        alone.append(value(F1Score(mode="binary"), true, pred))
    expected = f1_score(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))
    assert whole.compute() == pytest.approx(expected, rel=1e-12)
    assert abs(np.mean(alone) - expected) > 0.2


def test_18_a_batch_of_masks_is_counted_without_a_one_hot_form():
    """What is alive at once is less than the ids, of 8 bytes each, take twice."""
    ids = torch.randint(0, 21, (4, 128, 128))
    metric = F1Score(num_classes=21)
    with torch.profiler.profile(profile_memory=True) as profile:
        metric.update(ids, ids)
    alive, peak = 0, 0
    for event in sorted(profile.events(), key=lambda event: event.time_range.start):
        if event.name == "[memory]":
            alive += event.cpu_memory_usage
            peak = max(peak, alive)
    assert 0 < peak < 2 * 8 * ids.numel()


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@settings(max_examples=12)
@given(seed=st.integers(0, 1000))
def test_fbeta_weighs_recall_by_beta(beta, seed):
    true, pred = labels(seed, 1)
    found = value(FBetaScore(mode="binary", beta=beta), true, pred)
    assert found == pytest.approx(fbeta_score(true[:, 0], pred[:, 0], beta=beta), rel=1e-12)
    if beta == 1:
        assert found == pytest.approx(value(F1Score(mode="binary"), true, pred), rel=1e-15)


@pytest.mark.parametrize("metric", [*FRACTIONS, BalancedAccuracy])
class TestEveryFraction:
    def test_it_is_undefined_of_nothing_and_of_what_is_ignored(self, metric):
        assert metric(num_classes=4).compute().isnan()
        assert metric(mode="binary").compute().isnan()
        found = value(metric(num_classes=4, ignore_index=9, per_class=True), [9, 9], [1, 2])
        assert np.isnan(list(found.values())).all()

    @settings(max_examples=12)
    @given(seed=st.integers(0, 1000), cut=st.integers(1, 39))
    def test_neither_split_nor_order_changes_a_bit(self, metric, seed, cut):
        true, pred = batch(seed)
        order = np.random.default_rng(seed).permutation(40)
        whole, parts = metric(num_classes=6), metric(num_classes=6)
        for part in (order[:cut], order[cut:]):
            parts.update(torch.from_numpy(pred[part]), torch.from_numpy(true[part]))
        assert value(whole, true, pred) == parts.compute().item()

    def test_one_place_is_enough(self, metric):
        good, bad = (value(metric(mode="binary"), [1], [pred]) for pred in (1, 0))
        assert good == 1 or metric is Specificity
        assert bad == 0 or metric in (Precision, Specificity)
