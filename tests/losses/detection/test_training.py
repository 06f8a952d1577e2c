"""The default detector, trained for a short epoch with each loss."""

from __future__ import annotations

import math

import pytest

from dltools.cfgutils import ConfigError
from dltools.writers.jsonl import FILE, read_journal

pytestmark = pytest.mark.slow

SHORT = ["task=detection", "policy.epochs=1", "policy.limit_train=40", "policy.log_every=5st", "policy.test=false"]
FEW = ["policy.limit_val=1", "data.val_scenes=8"]
LOSSES = [
    "focal+iou",
    "focal+giou",
    "focal+diou",
    "focal+ciou",
    "focal+eiou",
    "focal+siou",
    "focal+alpha_iou",
    "focal+miou",
    "ap+giou",
    "quality_focal+giou",
    "quality_focal+giou+distribution_focal",
]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_finite_and_falls(loss, train):
    words = [f"loss={loss}", *(["model.bins=16"] if "distribution" in loss else [])]
    records = [record.metrics for record in read_journal(train(*SHORT, *FEW, *words).path / FILE)]
    # What quality_focal is told to reach rises with the boxes, and its value may with it.
    terms = [term for term in loss.split("+") if term != "quality_focal"]
    for name in ("train/loss", *(f"train/loss/{term}" for term in terms)):
        values = [record[name] for record in records if name in record]
        assert len(values) == 8
        assert all(math.isfinite(value) for value in values)
        assert sum(values[-2:]) < sum(values[:2])


def test_without_bins_a_run_with_distributions_says_what_to_set(train):
    with pytest.raises(ConfigError, match=r"model\.bins=16"):
        train(*SHORT, *FEW, "loss=focal+giou+distribution_focal")
