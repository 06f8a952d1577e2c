"""Rows of metrics of class ids: counted from ids, from the logits of pixels, and from those of images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from _measure import Step
from _rows import Group, Row, ours
from _scenes import CLASSES, guesses, scenes
from torch import Tensor

Pair = tuple[Tensor, Tensor]
VOID = 255
SET = "accuracy+precision+recall+f1+iou"
THEIRS = ("Accuracy", "Precision", "Recall", "F1Score", "JaccardIndex")


def pixel_logits(quick: bool) -> Pair:
    """Return the logits of a half-trained model, [8, 21, 256, 256], and true ids."""
    images, size = (2, 64) if quick else (8, 256)
    generator = torch.Generator().manual_seed(0)
    true = scenes(images, size, generator)
    return guesses(torch.zeros(images, CLASSES, size, size).scatter_(1, true[:, None], 1), generator), true


def pixel_ids(quick: bool) -> Pair:
    """Return predicted and true ids, [8, 256, 256]."""
    logits, true = pixel_logits(quick)
    return logits.argmax(1), true


def image_logits(quick: bool) -> Pair:
    """Return logits [64, 1000] and true ids."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 1000, generator=generator), torch.randint(0, 1000, (64,), generator=generator)


def bincount(pair: Pair) -> Step:
    """Count cells that are there already."""
    pred, true = pair
    return partial(torch.bincount, (true * CLASSES + pred).flatten(), minlength=CLASSES**2)


def argmax(pair: Pair) -> Step:
    """Take the classes of the highest logits."""
    return partial(torch.argmax, pair[0], 1)


def collection(classes: int, *names: str, top: int | None = None, **options: Any) -> Callable[[Pair], Step]:
    """Update a MetricCollection, which has found its groups of metrics with equal states before."""

    def make(pair: Pair) -> Step:
        import torchmetrics.classification as there
        from torchmetrics import MetricCollection

        metrics = {name: getattr(there, f"Multiclass{name}")(classes, **options) for name in names}
        if top is not None:
            metrics["top"] = there.MulticlassAccuracy(classes, top_k=top, average="micro", **options)
        return partial(MetricCollection(metrics).update, *pair)

    return make


def sklearn_matrix(pair: Pair) -> Step:
    """Count one confusion matrix."""
    from sklearn.metrics import confusion_matrix

    pred, true = (ids.flatten().numpy() for ids in pair)
    return partial(confusion_matrix, true, pred, labels=range(CLASSES))


def monai_matrix(pair: Pair) -> Step:
    """Count what MONAI calls a confusion matrix of one-hot masks, which are there already."""
    from monai.metrics import get_confusion_matrix
    from torch.nn.functional import one_hot

    pred, true = (one_hot(ids, CLASSES).movedim(-1, 1) for ids in pair)
    return partial(get_confusion_matrix, pred, true)


GROUPS = [
    Group(
        "accuracy, precision, recall, F1 and mIoU of ids [8, 256, 256], 21 classes",
        pixel_ids,
        [
            Row("torch", "one bincount", bincount),
            Row(
                "dltools",
                "five metrics",
                ours(SET, num_classes=CLASSES),
                {"torch one bincount": 1.5, "torchmetrics five metrics": 0.1},
            ),
            Row("dltools", "five metrics, ignore_index", ours(SET, num_classes=CLASSES, ignore_index=VOID)),
            Row("torchmetrics", "five metrics", collection(CLASSES, *THEIRS)),
            Row("torchmetrics", "five metrics, validate_args=False", collection(CLASSES, *THEIRS, validate_args=False)),
            Row("scikit-learn", "confusion_matrix", sklearn_matrix),
            Row("MONAI", "get_confusion_matrix of one-hot masks", monai_matrix),
        ],
    ),
    Group(
        "the same of logits [8, 21, 256, 256]",
        pixel_logits,
        [
            Row("torch", "argmax", argmax),
            Row("dltools", "five metrics", ours(SET, num_classes=CLASSES), {"torchmetrics five metrics": 0.5}),
            Row("torchmetrics", "five metrics", collection(CLASSES, *THEIRS)),
        ],
    ),
    Group(
        "accuracy, F1 and top-5 accuracy of logits [64, 1000]",
        image_logits,
        [
            Row("torch", "argmax", argmax),
            Row(
                "dltools",
                "three metrics",
                ours("accuracy+f1+top_k", num_classes=1000),
                {"torchmetrics three metrics": 0.3},
            ),
            Row("torchmetrics", "three metrics", collection(1000, "Accuracy", "F1Score", top=5)),
        ],
        rounds=60,
    ),
]
