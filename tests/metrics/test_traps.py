"""Traps that other libraries of metrics fell into, those that no single metric owns.

1 and 3 to 7 stand in segmentation/, 2 and 16 to 18 in classification/, 8, 9, 13 to 15, 19 and 20 in detection/, each
with its number.
"""

from __future__ import annotations

import sys

import torch

from dltools.metrics import DiceScore, F1Score, MeanAveragePrecision, MeanIoU, MetricSet, Rows


def calls_of(function):
    """Count the calls of Python and C functions that a call makes."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def boxes_of(images, classes):
    corners = torch.rand(images, 5, 2) * 100
    boxes = torch.cat([corners, corners + 20], 2)
    labels = torch.randint(0, classes, (images, 5))
    found = [{"boxes": b, "labels": c, "scores": torch.rand(5)} for b, c in zip(boxes, labels, strict=True)]
    return found, [{"boxes": b, "labels": c} for b, c in zip(boxes, labels, strict=True)]


def test_10_the_work_of_mean_average_precision_grows_with_the_images_and_not_with_the_classes():
    def work(images, classes):
        metric = MeanAveragePrecision(num_classes=classes)
        metric.update(*boxes_of(images, classes))
        metric.compute()  # imports
        return calls_of(metric.compute)

    assert work(200, 4) < 2.5 * work(100, 4)
    assert work(100, 80) < 1.5 * work(100, 4) + 10 * 80


def test_11_metrics_that_agree_on_the_first_batch_are_not_taken_for_one():
    options = {"plain": {}, "void": {"ignore_index": 3}, "strict": {"mode": "multilabel", "threshold": 0.9}}
    together = MetricSet({name: F1Score(num_classes=4, **given) for name, given in options.items() if name != "strict"})
    labels = MetricSet(
        {"half": F1Score(num_classes=4, mode="multilabel"), "strict": F1Score(num_classes=4, **options["strict"])}
    )
    sure = torch.eye(4)[torch.tensor([0, 1, 2])] * 20 - 10
    together.update({"classes": (sure, torch.tensor([0, 1, 2]))})
    labels.update({"classes": (sure, torch.eye(4)[[0, 1, 2]].long())})
    for agreed in (together, labels):
        assert len(set(agreed.compute().scalars.values())) == 1
    together.update({"classes": (sure, torch.tensor([0, 1, 3]))})
    labels.update({"classes": (torch.full((1, 4), 0.5), torch.ones(1, 4, dtype=torch.int64))})
    for apart in (together, labels):
        assert len(set(apart.compute().scalars.values())) == 2


def test_12_a_count_takes_as_much_memory_after_a_hundred_batches_as_after_one():
    together = MetricSet(
        {"iou": MeanIoU(num_classes=4), "dice": DiceScore(num_classes=4), "f1": F1Score(num_classes=4)}
    )
    pair = torch.randint(0, 4, (2, 8, 8)), torch.randint(0, 4, (2, 8, 8))
    sizes = []
    for _ in range(100):
        together.update({"classes": pair})
        together.compute()
        assert not any(isinstance(module, Rows) for module in together.modules())
        sizes.append(sum(buffer.numel() for buffer in together.buffers()))
    assert len(set(sizes)) == 1
