"""Batches on their way from the loader to the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Batch = dict[str, Any]


def on_device(value: Any, device: torch.device) -> Any:
    """Return what a batch holds, with its tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, list):
        return [on_device(each, device) for each in value]
    if isinstance(value, dict):
        return {name: on_device(each, device) for name, each in value.items()}
    return value


def words_of(batch: Batch, stage: str) -> str:
    """Return which samples an error is about."""
    samples = batch["index"].tolist()
    shown = ", ".join(map(str, samples[:8]))
    return f"in the {stage} batch of samples {shown}" + (f" and {len(samples) - 8} more" if len(samples) > 8 else "")
