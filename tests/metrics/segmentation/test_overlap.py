"""IoU, Dice and pixel accuracy of masks against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from dltools.cfgutils import FieldError
from dltools.metrics import MetricSet
from dltools.metrics.segmentation import DiceScore, FrequencyWeightedIoU, MeanIoU, PixelAccuracy

VOID = 255
ORACLES = {MeanIoU: jaccard_score, DiceScore: f1_score}
ALL = [MeanIoU, DiceScore, FrequencyWeightedIoU, PixelAccuracy]
both = pytest.mark.parametrize("make", ORACLES)
every = pytest.mark.parametrize("make", ALL)


def batch(seed):
    """Masks (2, 8, 9) of 5 classes, of which class 4 never occurs."""
    rng = np.random.default_rng(seed)
    true, pred = rng.integers(0, 4, (2, 8, 9)), rng.integers(0, 4, (2, 8, 9))
    true[rng.random(true.shape) < 0.2] = VOID
    return true, pred


def measured(metric, pred, true):
    metric.update(torch.as_tensor(pred), torch.as_tensor(true))
    return metric.compute()


@both
@given(seed=st.integers(0, 10_000), background=st.booleans())
def test_it_is_that_of_sklearn_over_all_pixels_and_the_classes_that_occur(make, seed, background):
    true, pred = batch(seed)
    labels = range(0 if background else 1, 4)
    valid = true != VOID
    expected = ORACLES[make](true[valid], pred[valid], labels=labels, average=None)
    metric = make(num_classes=5, ignore_index=VOID, include_background=background, per_class=True)
    for p, t in zip(pred, true, strict=True):
        metric.update(torch.from_numpy(p[None]), torch.from_numpy(t[None]).to(torch.uint8))
    values = metric.compute()
    assert values[make.name].item() == pytest.approx(expected.mean(), rel=1e-12)
    for label, value in zip(labels, expected, strict=True):
        assert values[f"{make.name}/{label}"].item() == pytest.approx(value, rel=1e-12)
    assert values[f"{make.name}/4"].isnan()
    assert (f"{make.name}/0" in values) == background


@given(seed=st.integers(0, 10_000))
def test_frequency_weighted_iou_is_the_formula_of_long_et_al(seed):
    true, pred = batch(seed)
    n = confusion_matrix(true[true != VOID], pred[true != VOID], labels=range(5)).astype(float)
    t = n.sum(1)
    expected = sum(t[i] * n[i, i] / (t[i] + n[:, i].sum() - n[i, i]) for i in range(4)) / t.sum()
    found = measured(FrequencyWeightedIoU(num_classes=5, ignore_index=VOID), pred, true)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    assert found.item() == pytest.approx(
        jaccard_score(true[true != VOID], pred[true != VOID], average="weighted"), rel=1e-12
    )


@given(seed=st.integers(0, 10_000), background=st.booleans())
def test_pixel_accuracy_is_the_share_of_pixels_that_are_right(seed, background):
    true, pred = batch(seed)
    counted = (true != VOID) & ((true > 0) | background)
    options = {"num_classes": 5, "ignore_index": VOID, "include_background": background, "per_class": True}
    values = measured(PixelAccuracy(**options), pred, true)
    assert values["pixel_accuracy"].item() == pytest.approx(accuracy_score(true[counted], pred[counted]), rel=1e-12)
    found = {label: (pred[true == label] == label).mean() for label in range(0 if background else 1, 4)}
    for label, share in found.items():
        assert values[f"pixel_accuracy/{label}"].item() == pytest.approx(share, rel=1e-12)
    mean = measured(PixelAccuracy(**options, average="macro"), pred, true)["pixel_accuracy"]
    assert mean.item() == pytest.approx(np.mean(list(found.values())), rel=1e-12)


@pytest.mark.parametrize("per_image", [False, True])
def test_pixel_accuracy_of_labels_counts_rightly_rejected_ones_too(per_image):
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 2, (3, 2, 5, 6)), rng.integers(0, 2, (3, 2, 5, 6))
    true[rng.random(true.shape) < 0.2] = VOID
    valid = true != VOID
    images = [((t == p) & v).sum() / v.sum() for t, p, v in zip(true, pred, valid, strict=True)]
    expected = np.mean(images) if per_image else (true == pred)[valid].mean()
    metric = PixelAccuracy(mode="multilabel", num_classes=2, ignore_index=VOID, per_image=per_image)
    assert measured(metric, pred, true).item() == pytest.approx(expected, rel=1e-12)
    binary = PixelAccuracy(mode="binary", ignore_index=VOID)
    right = (true[:, 0] == pred[:, 0])[valid[:, 0]].mean()
    assert measured(binary, pred[:, 0], true[:, 0]).item() == pytest.approx(right, rel=1e-12)


@every
@given(seed=st.integers(0, 10_000))
def test_per_image_is_the_mean_over_images_of_what_each_has_alone(make, seed):
    true, pred = batch(seed)
    true[0][true[0] == 1] = 2  # one image without class 1
    pred[0][pred[0] == 1] = 2
    options = {"num_classes": 5, "ignore_index": VOID, "per_class": True}
    values = measured(make(**options, per_image=True), pred, true)
    alone = [measured(make(**options), p[None], t[None]) for p, t in zip(pred, true, strict=True)]
    for key, value in values.items():
        defined = [one[key].item() for one in alone if not one[key].isnan()]
        assert value.item() == pytest.approx(np.mean(defined) if defined else np.nan, rel=1e-12, nan_ok=True)


@both
def test_01_it_belongs_to_the_data_set_and_is_no_mean_of_images(make):
    metrics = MetricSet(
        {
            "whole": make(num_classes=2, include_background=False),
            "image": make(num_classes=2, include_background=False, per_image=True),
        }
    )
    metrics.update({"classes": (torch.tensor([[1, 1, 1, 1]]), torch.tensor([[1, 1, 1, 1]]))})
    metrics.update({"classes": (torch.tensor([[0, 0, 0, 0]]), torch.tensor([[1, 0, 0, 0]]))})
    values = metrics.compute().scalars
    assert values["whole"] == pytest.approx({MeanIoU: 4 / 5, DiceScore: 8 / 9}[make])
    assert values["image"] == 1 / 2


@both
@pytest.mark.parametrize("per_image", [False, True])
def test_04_a_class_that_is_only_predicted_counts_zero(make, per_image):
    invented = measured(make(num_classes=3, per_image=per_image), [[0, 2]], [[0, 0]])
    assert invented == pytest.approx(({MeanIoU: 1 / 2, DiceScore: 2 / 3}[make] + 0) / 2)
    only = make(num_classes=2, include_background=False, per_image=per_image)
    assert measured(only, [[0, 1]], [[0, 0]]) == 0


def test_a_class_that_is_only_predicted_weighs_nothing_but_costs_the_others():
    assert measured(FrequencyWeightedIoU(num_classes=3), [[0, 2, 2, 0]], [[0, 0, 0, 0]]) == 1 / 2
    assert measured(PixelAccuracy(num_classes=3), [[0, 2, 2, 0]], [[0, 0, 0, 0]]) == 1 / 2


@every
@pytest.mark.parametrize("per_image", [False, True])
def test_where_all_is_ignored_nothing_is_defined(make, per_image):
    values = measured(
        make(num_classes=3, ignore_index=VOID, per_image=per_image, per_class=True), [[0, 1]], [[VOID, VOID]]
    )
    assert len(values) == 4
    assert all(value.isnan() for value in values.values())


@every
def test_an_ignored_class_within_the_range_counts_nowhere(make):
    true, pred = batch(3)
    values = measured(make(num_classes=5, ignore_index=2, per_class=True), pred % 4, true % 4)
    assert f"{make.name}/2" not in values
    assert values[make.name].isfinite()


@every
def test_a_perfect_mask_has_one_and_one_all_wrong_has_zero(make):
    true, _ = batch(0)
    options = {"num_classes": 5, "ignore_index": VOID}
    right, wrong = np.where(true == VOID, 0, true), np.where(true == VOID, 0, (true + 1) % 4)
    assert measured(make(**options), right, true) == 1
    assert measured(make(**options), wrong, true) == 0


@every
def test_volumes_are_counted_as_images_are(make):
    true, pred = batch(5)
    options = {"num_classes": 5, "ignore_index": VOID}
    flat = measured(make(**options), pred.reshape(2, -1), true.reshape(2, -1))
    assert torch.equal(measured(make(**options), pred.reshape(2, 2, 4, 9), true.reshape(2, 2, 4, 9)), flat)


def test_all_that_run_over_the_same_pixels_share_one_count():
    metrics = MetricSet({make.name: make(num_classes=5) for make in ALL})
    assert len({metric.state for metric in metrics.metrics.values()}) == 1


@every
def test_the_only_label_of_mode_binary_is_no_background(make):
    with pytest.raises(FieldError, match="include_background must be True in mode binary"):
        make(mode="binary", include_background=False)


@every
def test_classes_can_be_named(make):
    metric = make(num_classes=2, per_class=True, class_names=["ground", "cell"])
    metric.update(torch.tensor([[0, 1]]), torch.tensor([[0, 1]]))
    assert list(metric.compute()) == [make.name, f"{make.name}/ground", f"{make.name}/cell"]
    with pytest.raises(FieldError, match="class_names must be num_classes = 2, got 1"):
        make(num_classes=2, class_names=["cell"])
