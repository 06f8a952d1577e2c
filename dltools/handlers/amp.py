"""Mixed precision."""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dltools.cfgutils import PositiveFloat, component
from dltools.handlers.base import Handler


class Precision(str, enum.Enum):
    """Number format of the forward pass."""

    bf16 = "bf16"
    fp16 = "fp16"


@component("handler", "amp")
class Amp(Handler):
    """Run model and losses in half precision; fp16 scales the loss so that small gradients survive.

    Source: Micikevicius et al., Mixed Precision Training, 2018.
    """

    rank: ClassVar[int] = 10

    precision: Precision = Precision.bf16
    """`bf16` needs no loss scaling; `fp16` runs on older GPUs."""
    init_scale: PositiveFloat = 65536.0
    """First scale of the loss under fp16."""

    def setup(self, device: torch.device, folder: Path) -> None:
        """Make the scaler for the device."""
        self.device_type = device.type
        self.dtype = torch.bfloat16 if self.precision is Precision.bf16 else torch.float16
        self.scaler = torch.amp.GradScaler(
            device.type, init_scale=self.init_scale, enabled=self.precision is Precision.fp16
        )

    def forward(self) -> AbstractContextManager[Any]:
        """Return the autocast context."""
        return torch.autocast(self.device_type, dtype=self.dtype)

    def scale(self, loss: Tensor) -> Tensor:
        """Scale the loss under fp16."""
        return self.scaler.scale(loss)

    def gradients(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Bring the gradients back to their own scale."""
        self.scaler.unscale_(optimizer)
        return {}

    def wrap_step(self, step: Callable[[], Any], optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
        """Leave a step out whose gradients overflowed, and adapt the scale."""

        def scaled_step() -> None:
            self.scaler.step(optimizer)
            self.scaler.update()

        return scaled_step

    def state_dict(self) -> dict[str, Any]:
        """Return the scaler's state."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the scaler's state back."""
        self.scaler.load_state_dict(state)
