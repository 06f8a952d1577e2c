"""The interface of handlers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Handler:
    """One concern around the step. Every method does nothing by default; a subclass overrides what it needs."""

    rank: ClassVar[int] = 50
    """Where it stands in the chain, whatever order the user wrote: lower ones see the gradients first."""

    def setup(self, device: torch.device, folder: Path) -> None:
        """Get ready for a device and a run folder; called once, before the first step."""

    def forward(self) -> AbstractContextManager[Any]:
        """Return a context around the model and the losses."""
        return nullcontext()

    def scale(self, loss: Tensor) -> Tensor:
        """Return what `backward` is called on."""
        return loss

    def gradients(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Change the gradients before the step and return values worth logging."""
        return {}

    def wrap_step(self, step: Callable[[], Any], optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
        """Return a step to be taken instead of `step`."""
        return step

    def close(self) -> None:
        """Let go of what `setup` took, however the run ended."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
