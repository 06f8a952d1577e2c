"""From samples to a batch."""

from __future__ import annotations

from typing import Any

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
    return torch.stack([torch.as_tensor(value) for value in values])


def _indices(samples: list[Sample]) -> str:
    return f"samples {', '.join(str(sample.get('index', '?')) for sample in samples)}"
