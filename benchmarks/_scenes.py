"""Inputs of the benchmarks: scenes like those of VOC, and the logits of a model that knows them by half."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES, VOID = 21, 255


def inputs(images: int, size: int, device: str, dtype: torch.dtype) -> dict[str, tuple[Tensor, ...]]:
    """Return what the candidates read, on scenes with all classes and the logits of a half-trained model."""
    generator = torch.Generator().manual_seed(0)
    target = scenes(images, size, generator)
    edge = target[:, None].float()
    edge = (F.max_pool2d(edge, 3, 1, 1) != -F.max_pool2d(-edge, 3, 1, 1))[:, 0]
    thing = (target > 0)[:, None].float()
    logits = guesses(torch.zeros(images, CLASSES, size, size).scatter_(1, target[:, None], 1), generator)
    binary = guesses(thing - 0.5, generator)
    maps = torch.randn(logits.shape, generator=generator)  # the time does not depend on the distances

    def parameter(values: Tensor) -> Tensor:
        return values.to(device, dtype).requires_grad_()

    logits, binary = parameter(logits), parameter(binary)
    return {
        "ids": (logits, target.to(device)),
        "void": (logits, target.masked_fill(edge, VOID).to(device)),
        "maps": (logits, target.to(device), maps.to(device)),
        "binary": (binary, thing.to(device)),
    }


def scenes(images: int, size: int, generator: torch.Generator) -> Tensor:
    """Return class ids of ellipses on background, as in VOC a few classes to an image and all in the batch."""
    target = torch.zeros(images, size, size, dtype=torch.long)
    rows, columns = torch.meshgrid(*[torch.linspace(0, 1, size)] * 2, indexing="ij")
    things = max(4, math.ceil(2 * (CLASSES - 1) / images))
    for position in range(images * things):
        y, x, height, width = torch.rand(4, generator=generator).tolist()
        inside = ((rows - y) / (0.05 + 0.2 * height)) ** 2 + ((columns - x) / (0.05 + 0.2 * width)) ** 2 < 1
        target[position // things][inside] = 1 + position % (CLASSES - 1)
    return target


def guesses(truth: Tensor, generator: torch.Generator) -> Tensor:
    """Return logits that know some of the truth: smooth mistakes and a little noise."""
    images, channels, size, _ = truth.shape
    coarse = torch.randn(images, channels, size // 8, size // 8, generator=generator)
    noise = torch.randn(truth.shape, generator=generator)
    return 3 * truth + 2 * F.interpolate(coarse, size=(size, size), mode="bilinear") + 0.3 * noise
