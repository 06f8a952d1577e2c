"""Gradient clipping."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from dltools.cfgutils import PositiveFloat, component
from dltools.handlers.base import Handler


@component("handler", "clip")
class Clip(Handler):
    """Scale the gradients down to a largest total norm.

    Source: Pascanu et al., On the difficulty of training recurrent neural networks, 2013, algorithm 1.
    """

    rank: ClassVar[int] = 50

    norm: PositiveFloat = 1.0
    """Largest Euclidean norm of all gradients together."""

    def gradients(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Clip the gradients in place; the logged norm is the one before."""
        return {"grad_norm": nn.utils.clip_grad_norm_(model.parameters(), self.norm)}
