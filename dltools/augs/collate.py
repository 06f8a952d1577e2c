"""From samples to a batch."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from dltools.augs.base import PER_OBJECT, Sample
from dltools.cfgutils import DataError

LISTED = ("boxes", *PER_OBJECT)
"""Keys whose length differs from image to image."""


def collate(samples: list[Sample]) -> dict[str, Any]:
    """Return a batch.

    `boxes` and all else of objects become lists with one tensor an image. Other tensors, arrays and numbers are
    stacked, so that `image` is (B, C, H, W), `mask` (B, H, W) and `label` and `index` (B,). The rest becomes lists.

    Raises:
        DataError: the images differ in shape, or the samples in keys.
    """
    batch: dict[str, Any] = {}
    for name in samples[0]:
        if any(name not in sample for sample in samples):
            raise DataError(
                f"Some samples have {name!r} and some have not: {_indices(samples)}. All must have the same keys."
            )
        values = [sample[name] for sample in samples]
        batch[name] = values if name in LISTED else _stacked(name, values, samples)
    return batch


def _stacked(name: str, values: list[Any], samples: list[Sample]) -> Any:
    if isinstance(values[0], (int, float, np.number)):
        return torch.tensor(values)
    if not isinstance(values[0], (torch.Tensor, np.ndarray)):
        return values
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) > 1:
        raise DataError(
            f"{name!r} differs in shape within a batch: {', '.join(map(str, sorted(shapes)))} in {_indices(samples)}. "
            "End the augs with a transform that gives all images one size, such as resize or random_crop."
        )
    tensors = [torch.as_tensor(value) for value in values]
    return _planes(tensors) if name == "image" else torch.stack(tensors)


def _planes(images: list[torch.Tensor]) -> torch.Tensor:
    """Return images (C, H, W) as one (B, C, H, W); OpenCV takes pixels apart eight times as fast as torch."""
    kind, pixels = images[0].dtype, [image.permute(1, 2, 0) for image in images]
    apart = kind in (torch.uint8, torch.uint16) and len(images[0]) > 1
    if not apart or not all(each.is_contiguous() and each.dtype == kind for each in pixels):
        return torch.stack(images)
    batch = torch.empty((len(images), *images[0].shape), dtype=kind)
    for planes, each in zip(batch.numpy(), pixels, strict=True):
        cv2.split(each.numpy(), list(planes))
    return batch


def _indices(samples: list[Sample]) -> str:
    return f"samples {', '.join(str(sample.get('index', '?')) for sample in samples)}"
