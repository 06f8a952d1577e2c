"""Shares of counts: exact while they are counted, divided when they are asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole of counts, NaN for 0 / 0; fp64 where the device has it."""
    dtype = torch.float32 if part.device.type == "mps" else torch.float64
    return part.to(dtype) / whole.to(dtype)


class Share(nn.Module):
    """A state of two int64 counts, of which one is a part of the other."""

    part: Tensor
    whole: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("part", torch.zeros((), dtype=torch.int64), persistent=False)
        self.register_buffer("whole", torch.zeros((), dtype=torch.int64), persistent=False)

    def add(self, part: Tensor, whole: Tensor) -> None:
        """Add the true elements of two boolean tensors."""
        self.part += part.sum()
        self.whole += whole.sum()

    def value(self) -> Tensor:
        """Return the share, NaN where nothing was counted."""
        return ratio(self.part, self.whole)
