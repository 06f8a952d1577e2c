"""From a loss to a step of the optimizer, through the handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dltools.handlers.base import Handler


class Chain:
    """Handlers in the order in which they can work.

    Args:
        handlers: by their names in the config.
        device: where the model is.
        folder: the run's.
    """

    def __init__(self, handlers: dict[str, Handler], device: torch.device, folder: Path) -> None:
        self.handlers = dict(sorted(handlers.items(), key=lambda item: item[1].rank))
        for handler in self.handlers.values():
            handler.setup(device, folder)

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Surround the model and the losses, in training and evaluation alike."""
        with ExitStack() as stack:
            for handler in self.handlers.values():
                stack.enter_context(handler.forward())
            yield

    def update(self, loss: Tensor, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Go from the loss to changed parameters.

        Returns:
            Scalars worth logging, such as `grad_norm`, still on the device.
        """
        optimizer.zero_grad(set_to_none=True)
        for handler in self.handlers.values():
            loss = handler.scale(loss)
        loss.backward()
        values: dict[str, Tensor] = {}
        for handler in self.handlers.values():
            values.update(handler.gradients(model, optimizer))
        step: Callable[[], Any] = optimizer.step
        for handler in self.handlers.values():
            step = handler.wrap_step(step, optimizer)
        step()
        return values

    def close(self) -> None:
        """Let the handlers go, however the run ended."""
        for handler in self.handlers.values():
            handler.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the handlers by name."""
        return {name: handler.state_dict() for name, handler in self.handlers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave; a handler that the state does not know starts afresh."""
        for name, handler in self.handlers.items():
            if name in state:
                handler.load_state_dict(state[name])
