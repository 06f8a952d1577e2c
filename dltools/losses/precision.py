"""In which precision losses compute: fp32 at least."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def raised(input: Tensor) -> Tensor:
    """Return a floating tensor in fp32 at least.

    Raises:
        ValueError: the tensor is not floating.
    """
    check_floating(input)
    return input if input.dtype == torch.float64 else input.float()


def check_floating(input: Tensor) -> None:
    """Refuse what is not floating.

    Raises:
        ValueError: naming dtype and shape.
    """
    if not input.is_floating_point():
        raise ValueError(f"input must be floating, got {input.dtype} of shape {tuple(input.shape)}")


def full_precision(device: str) -> AbstractContextManager[Any]:
    """Keep autocast from lowering the precision of matrix products on a type of device."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
