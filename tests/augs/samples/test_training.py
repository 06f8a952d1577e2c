"""Short trainings with samples made of several, as typed on a command line."""

from __future__ import annotations

import csv
import math
from typing import Any

import pytest

from dltools.cfgutils import ConfigError

TASKS = {
    "mosaic": ("segmentation", "detection"),
    "mixup": ("classification", "segmentation", "detection"),
    "cutmix": ("classification", "segmentation", "detection"),
    "copy_paste": ("segmentation", "detection"),
}
SHORT = ("policy.epochs=1", "policy.limit_train=2", "policy.limit_val=1", "policy.test=false", "~visualizer")


def words(task: str, name: str) -> list[str]:
    """Return what is typed to train with a transform, applied to about half of the samples."""
    return [f"task={task}", f"+transform@augs.train.{name}={name}", *SHORT, "loader.batch_size=4"]


@pytest.mark.parametrize(("name", "task"), [(name, task) for name, tasks in TASKS.items() for task in tasks])
def test_a_model_trains_on_them(train: Any, name: str, task: str) -> None:
    folder = train(*words(task, name), "loader.eval_batch_size=8")
    with open(folder.path / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["train/loss"]) for row in rows if row.get("train/loss")]
    assert losses and all(math.isfinite(loss) and loss > 0 for loss in losses)


@pytest.mark.parametrize("loss", ["focal+dice", "poly1", "tversky+sq_dice+mcc+ce"])
def test_losses_read_mixed_masks_with_ignored_pixels(train: Any, loss: str) -> None:
    mosaic = ["+transform@augs.train.mosaic=mosaic", "augs.train.mosaic.p=1", "augs.train.mosaic.scale=[0.3,0.5]"]
    train("task=segmentation", *mosaic, *words("segmentation", "mixup"), f"loss={loss}", "loader.eval_batch_size=8")


@pytest.mark.parametrize(
    ("name", "task"),
    [("mosaic", "classification"), ("copy_paste", "classification"), *((n, "keypoints") for n in TASKS)],
)
def test_tasks_that_they_would_spoil_are_refused(train: Any, name: str, task: str) -> None:
    reason = {"classification": "has no one label", "keypoints": "each sample is a single object, cut out"}[task]
    with pytest.raises(ConfigError, match=rf"augs\.train\.{name}\.learns must be .*boxes, got .*{reason}"):
        train(*words(task, name))
