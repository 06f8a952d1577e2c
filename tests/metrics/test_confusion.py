"""The confusion matrix against sklearn, and what all metrics of class ids share."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from dltools.cfgutils import DataError, FieldError
from dltools.metrics import Accuracy, ConfusionMatrix, DiceScore, F1Score, MeanIoU

CLASSES = 5
VOID = 255


def batch(seed, classes=CLASSES, shape=(3, 6, 7), void=VOID):
    """Predicted and true ids, some void."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, shape)
    pred = np.where(rng.random(shape) < 0.5, true, rng.integers(0, classes, shape))
    true[rng.random(shape) < 0.2] = void
    return torch.from_numpy(pred), torch.from_numpy(true)


def counted(*pairs, classes=CLASSES, ignore_index=VOID):
    matrix = ConfusionMatrix(classes, ignore_index)
    for pred, true in pairs:
        matrix.update(pred, true)
    return matrix.counts()


def logits_of(pred, classes=CLASSES):
    noise = torch.rand(pred.shape[0], classes, *pred.shape[1:])
    return noise.scatter_add(1, pred.unsqueeze(1), torch.ones_like(noise))


@given(seed=st.integers(0, 10_000), classes=st.sampled_from([2, 5, 200]))
def test_counts_are_those_of_sklearn(seed, classes):
    pred, true = batch(seed, classes, void=1000)
    valid = true != 1000
    expected = confusion_matrix(true[valid], pred[valid], labels=range(classes))
    assert np.array_equal(counted((pred, true), classes=classes, ignore_index=1000).numpy(), expected)


def test_an_ignored_class_within_the_range_is_not_counted_either():
    pred, true = batch(0)
    true[true == VOID] = 2
    expected = confusion_matrix(true[true != 2], pred[true != 2], labels=range(CLASSES))
    assert np.array_equal(counted((pred, true), ignore_index=2).numpy(), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_the_integer_type_does_not_matter(dtype):
    pred, true = batch(1)
    assert torch.equal(counted((pred.to(dtype), true.to(dtype))), counted((pred, true)))


def test_8_bit_ids_do_not_wrap_around_to_the_ignore_index():
    true = torch.full((1, 4), 156, dtype=torch.uint8)  # 156 - 256 is -100
    with pytest.raises(DataError, match="got 156 in target"):
        counted((torch.zeros(1, 4, dtype=torch.uint8), true), ignore_index=-100)


@given(seed=st.integers(0, 1000), cut=st.integers(1, 2))
def test_neither_the_split_into_batches_nor_the_order_of_pixels_matters(seed, cut):
    pred, true = batch(seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(pred.numel()))
    shuffled = pred.flatten()[order], true.flatten()[order]
    whole = counted((pred, true))
    assert torch.equal(counted((pred[:cut], true[:cut]), (pred[cut:], true[cut:])), whole)
    assert torch.equal(counted(shuffled), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_logits_count_as_the_class_of_the_highest(dtype):
    pred, true = batch(2)
    assert torch.equal(counted((logits_of(pred).to(dtype), true)), counted((pred, true)))


def test_a_target_may_keep_its_channel():
    pred, true = batch(3)
    whole = counted((pred, true))
    assert torch.equal(counted((pred, true.unsqueeze(1))), whole)
    assert torch.equal(counted((logits_of(pred), true.unsqueeze(1))), whole)


def test_binary_logits_predict_class_one_where_they_are_positive():
    logits, true = torch.randn(3, 1, 6, 7), torch.randint(0, 2, (3, 6, 7))
    whole = counted(((logits[:, 0] > 0).long(), true), classes=2)
    assert torch.equal(counted((logits, true), classes=2), whole)
    assert torch.equal(counted((logits, true.unsqueeze(1)), classes=2), whole)
    assert torch.equal(counted((logits[:, 0], true), classes=2), whole)
    assert torch.equal(counted((torch.cat([-logits, logits], 1), true), classes=2), whole)


@pytest.mark.parametrize("wrong", [CLASSES, -1, 300, 70_000])
def test_an_id_out_of_range_is_named_and_not_counted(wrong):
    pred, true = batch(4)
    matrix = ConfusionMatrix(CLASSES, VOID)
    for where in ("preds", "target"):
        bad = {"preds": pred, "target": true}[where].clone()
        true[0, 0, 0], bad[0, 0, 0] = 0, wrong
        with pytest.raises(DataError, match=rf"0\.\.4 \(5 classes, ignore_index 255\), got {wrong} in {where}$"):
            matrix.update(*((bad, true) if where == "preds" else (pred, bad)))
    assert matrix.counts().sum() == 0


def test_ids_out_of_range_on_a_device_are_reported_with_the_counts():
    matrix = ConfusionMatrix(CLASSES)
    matrix.bins[-1] += 3
    with pytest.raises(DataError, match="got 3 others"):
        matrix.counts()


@pytest.mark.parametrize(
    ("preds", "target"),
    [
        (torch.rand(2, 4, 3, 3), torch.zeros(2, 3, 3, dtype=torch.int64)),
        (torch.rand(2, 5, 3, 3), torch.zeros(2, 3, 3)),
        (torch.rand(2, 5, 3, 3), torch.zeros(2, 3, 4, dtype=torch.int64)),
        (torch.zeros(2, 3, 3, dtype=torch.int64), torch.zeros(2, 4, dtype=torch.int64)),
        (torch.rand(2), torch.zeros(3, dtype=torch.int64)),
    ],
)
def test_shapes_and_types_that_do_not_fit_are_refused_with_both(preds, target):
    with pytest.raises(ValueError, match="preds must be logits") as caught:
        ConfusionMatrix(CLASSES).update(preds, target)
    assert f"preds {tuple(preds.shape)}" in str(caught.value)
    assert f"target {tuple(target.shape)}" in str(caught.value)


def test_a_batch_is_never_waited_for():
    """On the meta device nothing has a value, so that whatever asks for one fails."""
    matrix = ConfusionMatrix(CLASSES, VOID).to("meta")
    matrix.update(torch.rand(2, CLASSES, 3, 3, device="meta"), torch.zeros(2, 3, 3, dtype=torch.uint8, device="meta"))
    assert matrix.bins.shape == (CLASSES**2 + 2,)


@pytest.mark.parametrize("cells", [10, 5000])
def test_few_and_many_cells_are_counted_alike(cells):
    pred, true = (torch.randint(0, 20, (cells,)) for _ in range(2))
    expected = confusion_matrix(true, pred, labels=range(20))
    assert np.array_equal(counted((pred, true), classes=20, ignore_index=None).numpy(), expected)


@pytest.mark.parametrize("make", [Accuracy, F1Score, MeanIoU, DiceScore])
class TestEveryMetricOfIds:
    def test_it_is_undefined_before_anything_was_added_and_after_a_reset(self, make):
        metric = make(num_classes=CLASSES)
        assert metric.compute().isnan()
        metric.update(*batch(6, void=0))
        assert metric.compute().isfinite()
        metric.reset()
        assert metric.compute().isnan()

    def test_it_survives_pickle_and_deepcopy_and_saves_nothing(self, make):
        metric = make(num_classes=CLASSES)
        metric.update(*batch(7, void=0))
        for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
            assert torch.equal(twin.compute(), metric.compute())
        assert metric.state_dict() == {}

    def test_it_can_be_updated_in_inference_mode_and_outside(self, make):
        metric = make(num_classes=CLASSES)
        with torch.inference_mode():
            metric.update(*batch(8, void=0))
        metric.update(*batch(9, void=0))
        metric.reset()
        metric.update(*batch(8, void=0))
        assert metric.compute().isfinite()

    def test_it_needs_the_number_of_classes(self, make):
        with pytest.raises(FieldError, match="num_classes must be given"):
            make()
        with pytest.raises(FieldError, match="num_classes must be at least 2, got 1"):
            make(num_classes=1)

    def test_higher_is_better(self, make):
        assert make.higher_is_better
