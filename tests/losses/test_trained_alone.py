"""Losses that a model can be trained on with no other beside them."""

from __future__ import annotations

import numpy as np
import pytest

from dltools.writers.jsonl import read_journal

ALONE = {
    "segmentation": ["lovasz", "mcc"],
    "classification": ["soft_margin", "multilabel_soft_margin", "poly1", "asymmetric"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("task", "loss"), [(task, loss) for task, losses in ALONE.items() for loss in losses])
def test_the_loss_of_a_training_is_finite_and_falls(task, loss, train):
    shortened = ["policy.epochs=1", "policy.limit_train=60", "policy.limit_val=1", "policy.limit_test=1"]
    folder = train(f"task={task}", f"loss={loss}", *shortened, "policy.log_every=10st", "~visualizer.predictions")
    rows = [record.metrics for record in read_journal(folder.path / "metrics.jsonl")]
    losses = [row["train/loss"] for row in rows if "train/loss" in row]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
