"""The keypoints default, trained for a short while with each loss of keypoints."""

from __future__ import annotations

import csv
import math

import pytest

pytestmark = pytest.mark.slow

SHORT = ["policy.epochs=1", "policy.limit_train=60", "policy.limit_val=4", "policy.log_every=15st", "policy.test=false"]


@pytest.mark.parametrize(
    "words",
    [
        ["loss=heatmap_mse"],
        ["loss=heatmap_mse", "loss.heatmap_mse.hard_joints=2"],
        ["loss=adaptive_wing"],
        ["loss=focal_heatmap"],
        ["loss=wing"],
        ["loss=oks"],
        ["loss=oks", "loss.oks.form=log"],
        ["loss=rle"],
        ["loss=l1"],
        ["loss=heatmap_mse+0.01*oks"],
        ["loss=heatmap_mse+0.001*wing"],
    ],
    ids=" ".join,
)
def test_it_is_finite_and_falls(train, words):
    folder = train("task=keypoints", *words, *SHORT)
    with (folder.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    values = [float(row["train/loss"]) for row in rows if row["train/loss"]]
    assert len(values) == 4
    assert all(math.isfinite(value) for value in values)
    assert values[-1] < values[0]
