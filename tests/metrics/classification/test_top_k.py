"""Top-k accuracy against sklearn, ties and NaN."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from dltools.cfgutils import DataError
from dltools.metrics.classification import Accuracy, TopKAccuracy, TopKHits
from dltools.metrics.state import Reading


def value(metric, preds, target):
    metric.update(torch.as_tensor(preds), torch.as_tensor(target))
    found = metric.compute()
    return {key: part.item() for key, part in found.items()} if isinstance(found, dict) else found.item()


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 12), data=st.data())
def test_the_share_is_that_of_sklearn(seed, classes, data):
    k = data.draw(st.integers(1, classes - 1))
    rng = np.random.default_rng(seed)
    scores, true = rng.random((30, classes)), rng.integers(0, classes, 30)
    found = value(TopKAccuracy(num_classes=classes, k=k, per_class=True), scores, true)
    if classes > 2:
        expected = top_k_accuracy_score(true, scores, k=k, labels=range(classes))
        assert found.pop("top_k") == pytest.approx(expected, rel=1e-12)
    among = (np.argsort(-scores, 1)[:, :k] == true[:, None]).any(1)
    for index in range(classes):
        expected = among[true == index].mean() if (true == index).any() else np.nan
        assert found[f"top_k/{index}"] == pytest.approx(expected, rel=1e-12, nan_ok=True)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 4))
def test_the_first_guess_is_the_accuracy_also_where_scores_tie(seed, levels):
    rng = np.random.default_rng(seed)
    scores, true = torch.from_numpy(rng.integers(0, levels, (20, 5)).astype(float)), rng.integers(0, 5, 20)
    for average in ("micro", "macro"):
        options = {"num_classes": 5, "average": average}
        assert value(TopKAccuracy(k=1, **options), scores, true) == value(Accuracy(**options), scores, true)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_of_equal_scores_the_lower_ids_come_first(k):
    for true in range(4):
        assert value(TopKAccuracy(num_classes=4, k=k), [[0.25] * 4], [true]) == (true < k)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_ids_of_many_classes_are_told_apart_in_half_precision(dtype):
    scores = torch.zeros(1, 5000, dtype=dtype)
    assert value(TopKAccuracy(num_classes=5000, k=4097), scores, [4096]) == 1
    assert value(TopKAccuracy(num_classes=5000, k=4096), scores, [4096]) == 0


def test_a_score_that_is_nan_is_a_miss_and_beats_others_as_for_argmax():
    nan, inf = torch.nan, torch.inf
    assert value(TopKAccuracy(num_classes=3, k=2), [[nan, 0.0, 0.0]], [0]) == 0
    assert value(TopKAccuracy(num_classes=3, k=1), [[nan, 0.5, 0.0]], [1]) == 0
    assert value(TopKAccuracy(num_classes=3, k=2), [[nan, 0.5, 0.0]], [1]) == 1
    assert value(TopKAccuracy(num_classes=3, k=2), [[nan, nan, nan]], [1]) == 0
    assert value(TopKAccuracy(num_classes=3, k=1), [[0.0, inf, -inf]], [1]) == 1
    assert value(TopKAccuracy(num_classes=3, k=2), [[inf, inf, inf]], [2]) == 0


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), void=st.sampled_from([1, 255, -100]), cut=st.integers(1, 5))
def test_ignored_places_of_masks_do_not_count(seed, void, cut):
    rng = np.random.default_rng(seed)
    scores, true = rng.random((6, 4, 3, 5)), rng.integers(0, 4, (6, 3, 5))
    true[rng.random(true.shape) < 0.3] = void
    kept = true != void
    metric = TopKAccuracy(num_classes=4, k=2, ignore_index=void)
    metric.update(torch.from_numpy(scores[:cut]), torch.from_numpy(true[:cut, None]))
    found = value(metric, scores[cut:], true[cut:])
    flat = np.moveaxis(scores, 1, -1)[kept]
    assert found == value(TopKAccuracy(num_classes=4, k=2), flat, true[kept])


def test_nothing_is_undefined():
    assert list(TopKAccuracy(num_classes=9, per_class=True).compute()) == ["top_k", *(f"top_k/{i}" for i in range(9))]
    assert np.isnan(value(TopKAccuracy(num_classes=9), torch.rand(0, 9), torch.zeros(0, dtype=torch.int64)))
    assert np.isnan(value(TopKAccuracy(num_classes=9, ignore_index=255), torch.rand(2, 9), [255, 255]))


@pytest.mark.parametrize("wrong", [4, -1, 70_000])
def test_an_id_out_of_range_is_named(wrong):
    with pytest.raises(DataError, match=f"class ids must be in 0..3 .*, got {wrong} in target"):
        value(TopKAccuracy(num_classes=4, k=2), torch.rand(3, 4), [0, wrong, 1])
    metric = TopKAccuracy(num_classes=4, k=2)
    metric.state.bins[-1] += 2
    with pytest.raises(DataError, match="got 2 others"):
        metric.compute()


@pytest.mark.parametrize("preds", [torch.zeros(3, 4, dtype=torch.int64), torch.rand(3, 5), torch.rand(2, 4)])
def test_anything_but_scores_of_all_classes_is_refused(preds):
    with pytest.raises(ValueError, match=r"preds must be floating scores \(N, 4, \*spatial\).*got preds"):
        value(TopKAccuracy(num_classes=4, k=2), preds, [0, 1, 2])


def test_a_batch_is_never_waited_for_and_left_as_it_was():
    state = TopKHits(num_classes=4, k=2, ignore_index=255).to("meta")
    state.update(Reading(torch.rand(3, 4, 5, device="meta"), torch.zeros(3, 5, dtype=torch.uint8, device="meta")))
    scores = torch.rand(3, 4, requires_grad=True)
    before = scores.clone()
    value(TopKAccuracy(num_classes=4, k=2), scores, [0, 1, 2])
    assert torch.equal(scores, before)


def test_the_value_of_torchmetrics_is_the_same_without_ties():
    from torchmetrics.classification import MulticlassAccuracy

    scores, true = torch.rand(50, 20), torch.randint(0, 20, (50,))
    expected = MulticlassAccuracy(20, top_k=5, average="micro")(scores, true)
    assert value(TopKAccuracy(num_classes=20), scores, true) == pytest.approx(expected.item())
