"""IoU and Dice of masks against sklearn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score

from dltools.cfgutils import FieldError
from dltools.metrics import DiceScore, MeanIoU

VOID = 255
ORACLES = {MeanIoU: jaccard_score, DiceScore: f1_score}
both = pytest.mark.parametrize("make", ORACLES)


def batch(seed):
    """Masks (2, 8, 9) of 5 classes, of which class 4 never occurs."""
    rng = np.random.default_rng(seed)
    true, pred = rng.integers(0, 4, (2, 8, 9)), rng.integers(0, 4, (2, 8, 9))
    true[rng.random(true.shape) < 0.2] = VOID
    return true, pred


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


@both
def test_it_belongs_to_the_data_set_and_is_no_mean_of_images(make):
    metric = make(num_classes=2, include_background=False)
    metric.update(torch.tensor([[1, 1, 1, 1]]), torch.tensor([[1, 1, 1, 1]]))
    metric.update(torch.tensor([[0, 0, 0, 0]]), torch.tensor([[1, 0, 0, 0]]))
    assert metric.compute() == pytest.approx({MeanIoU: 4 / 5, DiceScore: 8 / 9}[make])


@both
def test_a_class_that_is_only_predicted_counts_zero(make):
    metric = make(num_classes=3)
    metric.update(torch.tensor([[0, 2]]), torch.tensor([[0, 0]]))
    assert metric.compute() == pytest.approx(({MeanIoU: 1 / 2, DiceScore: 2 / 3}[make] + 0) / 2)


@both
def test_classes_can_be_named(make):
    metric = make(num_classes=2, per_class=True, class_names=["ground", "cell"])
    metric.update(torch.tensor([[0, 1]]), torch.tensor([[0, 1]]))
    assert list(metric.compute()) == [make.name, f"{make.name}/ground", f"{make.name}/cell"]
    with pytest.raises(FieldError, match="class_names must be 2 names, got 1"):
        make(num_classes=2, class_names=["cell"])
