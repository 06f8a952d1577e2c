"""The default segmentation and classification, trained for a short epoch with each loss of pixels and regions."""

from __future__ import annotations

import math

import pytest

from dltools.writers.jsonl import FILE, read_journal

pytestmark = pytest.mark.slow

SHORT = ["policy.epochs=1", "policy.limit_train=40", "policy.log_every=5st", "policy.limit_val=1", "policy.test=false"]
OF_PIXELS = ["ce", "focal", "kl", "poly1", "bce", "soft_margin", "multilabel_soft_margin", "asymmetric"]
OF_REGIONS = ["dice", "sq_dice", "gdice", "jaccard", "sq_jaccard", "tversky", "focal_tversky", "f1", "mcc", "lovasz"]
SIGMOID = ["loss.bce.mode=multilabel"]


def values(folder, name):
    return [record.metrics[name] for record in read_journal(folder.path / FILE) if name in record.metrics]


def finite_and_falling(series):
    return len(series) == 8 and all(map(math.isfinite, series)) and sum(series[-2:]) < sum(series[:2])


@pytest.mark.parametrize("loss", OF_PIXELS + OF_REGIONS)
def test_segmentation_learns_by_each_loss(loss, train):
    words = SIGMOID if loss == "bce" else []
    folder = train("task=segmentation", f"loss={loss}", *words, "data.val_scenes=8", *SHORT)
    assert finite_and_falling(values(folder, "train/loss"))


@pytest.mark.parametrize("loss", [*OF_PIXELS, "dice"])
def test_classification_learns_by_each_loss(loss, train):
    words = SIGMOID if loss == "bce" else []
    folder = train("task=classification", f"loss={loss}", *words, *SHORT)
    assert finite_and_falling(values(folder, "train/loss"))


def test_learned_variances_and_a_ramp_are_trained_and_kept(train):
    words = ["policy.balance=uncertainty", "loss.dice.ramp.shape=linear", "loss.dice.ramp.end=50%"]
    folder = train("task=segmentation", "loss=ce+dice", *words, "data.val_scenes=8", *SHORT)
    assert finite_and_falling(values(folder, "train/loss/ce"))
    raw, weighted = (values(folder, f"train/{name}/dice") for name in ("loss", "loss_weighted"))
    assert weighted[0] < 0.3 * raw[0]
    assert weighted[-1] > 0.9 * raw[-1]
