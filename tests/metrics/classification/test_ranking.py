"""Areas under the ROC and the precision-recall curve against sklearn, and pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from dltools.cfgutils import DataError
from dltools.metrics.classification import AUROC, AveragePrecision, RankedScores
from dltools.metrics.state import Reading
from dltools.mode import Mode

AVERAGES = ["micro", "macro", "weighted"]
PAIRS = [(AUROC, roc_auc_score), (AveragePrecision, average_precision_score)]


def probabilities(seed, classes=4, places=30, levels=6):
    """Probabilities, many of which tie, and ids, each of which occurs."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(1, levels, (places, classes)).astype(float)
    true = rng.integers(0, classes, places)
    true[:classes] = range(classes)
    return scores / scores.sum(1, keepdims=True), true


def value(metric, preds, target):
    metric.update(torch.as_tensor(preds), torch.as_tensor(target))
    found = metric.compute()
    values = found.values() if isinstance(found, dict) else [found]
    assert all(one.dtype is torch.float64 and one.shape == () for one in values)
    return {key: part.item() for key, part in found.items()} if isinstance(found, dict) else found.item()


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize(("metric", "of_sklearn"), PAIRS)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_classes_against_the_rest_are_those_of_sklearn(metric, of_sklearn, average, seed):
    scores, true = probabilities(seed)
    found = value(metric(num_classes=4, average=average, from_logits=False, per_class=True), scores, true)
    one_hot = np.eye(4, dtype=int)[true]
    assert found.pop(metric.name) == pytest.approx(of_sklearn(one_hot, scores, average=average), rel=1e-12)
    assert list(found.values()) == pytest.approx(list(of_sklearn(one_hot, scores, average=None)), rel=1e-12)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize(("metric", "of_sklearn"), PAIRS)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_labels_are_those_of_sklearn(metric, of_sklearn, average, seed):
    rng = np.random.default_rng(seed)
    scores, true = rng.integers(-3, 4, (20, 3)).astype(float), rng.integers(0, 2, (20, 3))
    true[:2] = [[0], [1]]
    found = value(metric(mode="multilabel", num_classes=3, average=average), scores, true)
    assert found == pytest.approx(of_sklearn(true, scores, average=average), rel=1e-12)
    if average == "macro":
        found = value(metric(mode="binary"), scores[:, 0], true[:, 0])
        assert found == pytest.approx(of_sklearn(true[:, 0], scores[:, 0]), rel=1e-12)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 9), places=st.integers(2, 12))
def test_auroc_is_the_share_of_pairs_in_order_to_the_last_bit(seed, levels, places):
    rng = np.random.default_rng(seed)
    scores, true = rng.integers(0, levels, places).astype(float), rng.integers(0, 2, places)
    true[:2] = [0, 1]
    own, other = scores[true == 1][:, None], scores[true == 0][None]
    halves = 2 * (own > other).sum() + (own == other).sum()
    assert value(AUROC(mode="binary"), scores, true) == halves / (2 * own.size * other.size)


@pytest.mark.parametrize(("metric", "of_sklearn"), PAIRS)
def test_the_probabilities_of_digits_give_what_sklearn_gives(metric, of_sklearn, digits):
    scores, true = digits
    one_hot = np.eye(10, dtype=int)[true]
    for average in AVERAGES:
        found = value(metric(num_classes=10, average=average, from_logits=False), scores, true)
        assert 0.3 < found < 0.999
        assert found == pytest.approx(of_sklearn(one_hot, scores, average=average), rel=1e-12)
    logits = np.log(scores) + np.arange(len(true), dtype=np.float32)[:, None] % 7
    found = value(metric(num_classes=10), logits, true)
    assert found == pytest.approx(of_sklearn(one_hot, scores, average="macro"), rel=1e-5)


@pytest.mark.parametrize("metric", [AUROC, AveragePrecision])
@settings(max_examples=20)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 29))
def test_neither_split_nor_order_changes_a_bit(metric, seed, cut):
    scores, true = probabilities(seed)
    order = np.random.default_rng(seed).permutation(30)
    parts = metric(num_classes=4, average="weighted")
    for part in (order[:cut], order[cut:]):
        parts.update(torch.from_numpy(scores[part]), torch.from_numpy(true[part]))
    assert parts.compute().item() == value(metric(num_classes=4, average="weighted"), scores, true)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_only_the_order_counts(seed):
    rng = np.random.default_rng(seed)
    scores, true = rng.normal(size=20), rng.integers(0, 2, 20)
    for metric in (AUROC, AveragePrecision):
        plain, bent = (value(metric(mode="binary"), given, true) for given in (scores, 100 * scores**3))
        assert plain == bent or np.isnan([plain, bent]).all()


def test_sure_logits_are_still_told_apart():
    """The fp32 sigmoid of 30 and of 40 is 1."""
    assert value(AUROC(mode="binary"), torch.tensor([40.0, 30.0, 50.0]), [1, 0, 1]) == 1


def test_auroc_of_a_class_without_others_of_its_kind_or_another_is_undefined_and_left_out():
    scores = [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.6, 0.3, 0.1]]
    found = value(AUROC(num_classes=3, from_logits=False, per_class=True), scores, [0, 1, 1])
    assert np.isnan(found.pop("auroc/2"))
    assert found == {"auroc": 1, "auroc/0": 1, "auroc/1": 1}
    assert np.isnan(value(AUROC(num_classes=3, from_logits=False), scores, [1, 1, 1]))
    assert np.isnan(value(AUROC(mode="binary"), [0.1, 0.2], [1, 1]))
    assert np.isnan(value(AUROC(mode="binary"), [0.1, 0.2], [0, 0]))


def test_average_precision_of_a_class_without_places_is_undefined_and_left_out():
    scores = [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.6, 0.3, 0.1]]
    for average in ("macro", "weighted"):
        metric = AveragePrecision(num_classes=3, from_logits=False, per_class=True, average=average)
        found = value(metric, scores, [0, 0, 0])
        assert found["average_precision"] == found["average_precision/0"] == 1
        assert np.isnan([found["average_precision/1"], found["average_precision/2"]]).all()
    assert np.isnan(value(AveragePrecision(mode="binary"), [0.1, 0.2], [0, 0]))
    assert value(AveragePrecision(mode="binary"), [0.1, 0.2], [1, 1]) == 1


@pytest.mark.parametrize("metric", [AUROC, AveragePrecision])
@pytest.mark.parametrize("average", AVERAGES)
class TestIgnored:
    @settings(max_examples=20)
    @given(seed=st.integers(0, 1000), void=st.sampled_from([255, -100, -1, -2]))
    def test_places_of_classes_are_as_if_they_were_cut_away(self, metric, average, seed, void):
        scores, true = probabilities(seed)
        marked = np.where(np.arange(30) % 3 == 2, void, true)
        kept = marked != void
        options = {"num_classes": 4, "average": average, "from_logits": False}
        found = value(metric(ignore_index=void, **options), scores, marked)
        assert found == pytest.approx(value(metric(**options), scores[kept], true[kept]), nan_ok=True, rel=1e-15)

    @settings(max_examples=20)
    @given(seed=st.integers(0, 1000), void=st.sampled_from([255, -100]))
    def test_labels_are_as_if_they_were_cut_away(self, metric, average, seed, void):
        rng = np.random.default_rng(seed)
        scores, true = rng.integers(0, 5, (20, 2)).astype(float), rng.integers(0, 2, (20, 2))
        true[:2] = [[0], [1]]
        marked = true.copy()
        marked[5:9, 0] = void
        found = value(
            metric(mode="multilabel", num_classes=2, ignore_index=void, per_class=True, average=average), scores, marked
        )
        first = np.delete(scores[:, 0], range(5, 9)), np.delete(true[:, 0], range(5, 9))
        ours = [value(metric(mode="binary"), *first), value(metric(mode="binary"), scores[:, 1], true[:, 1])]
        assert list(found.values())[1:] == ours
        if average == "micro":
            together = np.concatenate([first[0], scores[:, 1]]), np.concatenate([first[1], true[:, 1]])
            assert found[metric.name] == value(metric(mode="binary"), *together)

    def test_a_class_is_left_out_of_the_mean(self, metric, average):
        scores, true = probabilities(3)
        options = {"num_classes": 4, "from_logits": False, "average": average}
        found = value(metric(ignore_index=2, per_class=True, **options), scores, true)
        assert list(found) == [metric.name, *(f"{metric.name}/{index}" for index in (0, 1, 3))]
        kept = true != 2
        values = [value(metric(mode="binary"), scores[kept, index], true[kept] == index) for index in (0, 1, 3)]
        assert list(found.values())[1:] == values
        weights = [(true == index).sum() for index in (0, 1, 3)]
        expected = {"macro": np.mean(values), "weighted": np.average(values, weights=weights)}
        pooled = (
            np.concatenate([scores[kept, i] for i in (0, 1, 3)]),
            np.concatenate([true[kept] == i for i in (0, 1, 3)]),
        )
        expected["micro"] = value(metric(mode="binary"), *pooled)
        assert found[metric.name] == pytest.approx(expected[average], rel=1e-12)


@pytest.mark.parametrize("metric", [AUROC, AveragePrecision])
class TestEdges:
    def test_nothing_is_undefined_under_all_its_keys(self, metric):
        for average in AVERAGES:
            found = metric(num_classes=3, per_class=True, average=average).compute()
            assert list(found) == [metric.name, *(f"{metric.name}/{index}" for index in range(3))]
            assert all(one.isnan() for one in found.values())
        nothing = torch.rand(0, 3), torch.zeros(0, dtype=torch.int64)
        assert np.isnan(value(metric(num_classes=3), *nothing))
        assert np.isnan(value(metric(num_classes=3, ignore_index=7), torch.rand(2, 3), [7, 7]))

    def test_a_score_that_is_nan_is_the_worst_for_its_place(self, metric):
        nan = np.nan
        scores, true = np.array([nan, 0.2, 0.8, nan]), [1, 0, 1, 0]
        worst = np.array([-9, 0.2, 0.8, 9])
        assert value(metric(mode="binary"), scores, true) == value(metric(mode="binary"), worst, true)
        assert value(AUROC(mode="binary"), [nan] * 4, true) == 0

    def test_infinite_scores_are_only_high_and_low(self, metric):
        found = value(metric(mode="binary"), np.array([np.inf, -np.inf, 1, np.inf]), [1, 0, 0, 0])
        assert found == value(metric(mode="binary"), np.array([3.0, 0, 1, 3]), [1, 0, 0, 0])

    @pytest.mark.parametrize("wrong", [4, -1, -2, 300])
    def test_an_id_out_of_range_is_named(self, metric, wrong):
        with pytest.raises(DataError, match=f"class ids must be in 0..3 .*, got {wrong} in target"):
            value(metric(num_classes=4), torch.rand(3, 4), [0, wrong, 1])

    def test_ids_out_of_range_on_a_device_are_told_when_the_value_is_read(self, metric):
        made = metric(num_classes=2)
        made.state.rows.add(torch.tensor([[0.5, 0.5, -2.0], [0.5, 0.5, 1.0]], dtype=torch.float64))
        with pytest.raises(DataError, match="got 1 others"):
            made.compute()

    def test_ids_have_no_order(self, metric):
        for options in ({"num_classes": 3}, {"num_classes": 3, "mode": "multilabel"}):
            with pytest.raises(ValueError, match="floating scores"):
                value(metric(**options), torch.zeros(4, 3, dtype=torch.int64), torch.zeros(4, 3, dtype=torch.int64))

    def test_masks_are_so_many_places(self, metric):
        logits, true = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
        flat = logits.movedim(1, -1).reshape(-1, 3), true.flatten()
        assert value(metric(num_classes=3), logits, true) == value(metric(num_classes=3), *flat)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_made_probabilities_in_single(self, metric, dtype):
        logits, true = torch.randn(40, 3).to(dtype), torch.randint(0, 3, (40,))
        assert value(metric(num_classes=3), logits, true) == value(metric(num_classes=3), logits.float(), true)


@pytest.mark.parametrize("mode", [Mode.multiclass, Mode.multilabel])
def test_a_batch_is_never_waited_for(mode):
    state = RankedScores(mode=mode, size=3, from_logits=True, ignore_index=255).to("meta")
    target = torch.zeros((4, 3)[: 1 if mode is Mode.multiclass else 2], dtype=torch.int64, device="meta")
    state.update(Reading(torch.rand(4, 3, device="meta"), target))
    assert len(state.rows) == 4


@pytest.mark.parametrize("name", ["AUROC", "AveragePrecision"])
def test_where_every_class_occurs_the_value_is_that_of_torchmetrics(name):
    from torchmetrics import classification as theirs

    scores, true = probabilities(5)
    for average in ("macro", "weighted"):
        expected = getattr(theirs, f"Multiclass{name}")(num_classes=4, average=average)(
            torch.from_numpy(scores), torch.from_numpy(true)
        )
        ours = {"AUROC": AUROC, "AveragePrecision": AveragePrecision}[name]
        found = value(ours(num_classes=4, average=average, from_logits=False), scores, true)
        assert found == pytest.approx(expected.item(), rel=1e-6)
