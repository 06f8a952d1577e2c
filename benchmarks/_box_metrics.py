"""Rows of COCO's mean average precision of boxes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import torch
from _measure import Step
from _rows import Group, Row, component
from torch import Tensor

CLASSES, TRUE, FOUND = 80, 7, 100  # of COCO; boxes of an image, true and found
SIDE = 640  # of an image, in pixels
BATCH = 50

Images = list[dict[str, Tensor]]


def images(number: int, quick: bool) -> tuple[Images, Images]:
    """Return found and true boxes: most true ones are found, roughly, among many that are not there."""
    generator = torch.Generator().manual_seed(0)
    found, true = [], []
    for _ in range(8 if quick else number):
        corners = torch.rand(TRUE, 2, generator=generator, dtype=torch.float64) * SIDE
        sizes = torch.rand(TRUE, 2, generator=generator, dtype=torch.float64) ** 2 * SIDE / 2 + 4
        boxes = torch.cat([corners, corners + sizes], 1)
        labels = torch.randint(0, CLASSES, (TRUE,), generator=generator)
        picked = torch.randint(0, TRUE, (FOUND,), generator=generator)
        noise = torch.randn(FOUND, 4, generator=generator, dtype=torch.float64) * 0.15 * sizes[picked].repeat(1, 2)
        guessed = boxes[picked] + noise
        wild = torch.rand(FOUND, generator=generator) < 0.5
        guessed_labels = torch.randint(0, CLASSES, (FOUND,), generator=generator).where(wild, labels[picked])
        scores = torch.rand(FOUND, generator=generator, dtype=torch.float64)
        ordered = torch.cat([torch.minimum(*guessed.split(2, 1)), torch.maximum(*guessed.split(2, 1))], 1)
        found.append({"boxes": ordered, "scores": scores, "labels": guessed_labels})
        true.append({"boxes": boxes, "labels": labels})
    return found, true


def batched(metric: Any, data: tuple[Images, Images]) -> Step:
    """Return a step that updates a metric batch by batch and computes it."""
    found, true = data

    def step() -> Any:
        metric.reset()
        for start in range(0, len(found), BATCH):
            metric.update(found[start : start + BATCH], true[start : start + BATCH])
        return metric.compute()

    return step


def ours(backend: str) -> Callable[[Any], Step]:
    """Use our metric."""
    return lambda data: batched(component("map")(num_classes=CLASSES, backend=backend), data)


def torchmetrics_map(backend: str) -> Callable[[Any], Step]:
    """Use theirs."""

    def make(data: tuple[Images, Images]) -> Step:
        from torchmetrics.detection import mean_ap

        _give_box_convert()
        mean_ap._TORCHVISION_AVAILABLE = True
        metric = mean_ap.MeanAveragePrecision(backend=backend)
        metric.warn_on_many_detections = False
        return batched(metric, data)

    return make


def _give_box_convert() -> None:
    """Put the one function that torchmetrics takes from torchvision where torchvision is not installed."""
    try:
        import torchvision.ops  # noqa: F401
    except ImportError:
        stand_in, ops = ModuleType("torchvision"), ModuleType("torchvision.ops")
        ops.box_convert = _box_convert  # type: ignore[attr-defined]
        stand_in.ops = ops  # type: ignore[attr-defined]
        sys.modules.update({"torchvision": stand_in, "torchvision.ops": ops})


def _box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    assert (in_fmt, out_fmt) == ("xyxy", "xywh")
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


GROUPS = [
    Group(
        f"COCO mAP of {number} images, {CLASSES} classes, {FOUND} detections an image: updates and value",
        partial(images, number),
        [
            Row("torchmetrics with faster_coco_eval", "", torchmetrics_map("faster_coco_eval")),
            Row(
                "dltools with hotcoco",
                "",
                ours("hotcoco"),
                {"torchmetrics with faster_coco_eval ": 0.15, "torchmetrics with pycocotools ": 0.02},
            ),
            Row("dltools with pycocotools", "", ours("pycocotools")),
            Row("torchmetrics with pycocotools", "", torchmetrics_map("pycocotools")),
        ],
        rounds=rounds,
    )
    for number, rounds in ((500, 3), (2000, 2))
]
