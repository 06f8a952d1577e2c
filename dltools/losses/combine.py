"""The weighted sum of losses that a policy trains on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from dltools.cfgutils import ConfigError
from dltools.losses.base import Loss


class LossSum(nn.Module):
    """Sum of named losses, each times its `weight`.

    Args:
        losses: the terms under their names in the config.

    Raises:
        ConfigError: there is no term.
    """

    def __init__(self, losses: Mapping[str, Loss]) -> None:
        super().__init__()
        if not losses:
            raise ConfigError("loss must have at least one term")
        self._names = tuple(losses)
        self._terms = nn.ModuleList(losses.values())

    @property
    def losses(self) -> dict[str, Loss]:
        """The terms under their names."""
        return dict(zip(self._names, cast("Iterable[Loss]", self._terms), strict=True))

    def forward(self, outputs: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum, and each term's value before its weight, detached, all scalars on the device.

        Args:
            outputs: what the policy offers, `(input, target)` under each kind.

        Raises:
            ConfigError: a loss reads a kind that the policy does not offer.
        """
        values = {name: self._value(name, loss, outputs) for name, loss in self.losses.items()}
        weighted = [loss.weight * values[name] for name, loss in self.losses.items()]
        return torch.stack(weighted).sum(), {name: value.detach() for name, value in values.items()}

    def _value(self, name: str, loss: Loss, outputs: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
        if loss.kind not in outputs:
            offered = ", ".join(outputs) or "nothing"
            raise ConfigError(f"loss.{name} reads {loss.kind!r}, which this policy does not offer; it offers {offered}")
        try:
            value: Tensor = loss(*outputs[loss.kind])
        except Exception as error:
            if sys.version_info >= (3, 11):
                error.add_note(f"in loss.{name}")
            raise
        return value
