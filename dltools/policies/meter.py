"""Running means on the device."""

from __future__ import annotations

import torch
from torch import Tensor


class Meter:
    """Weighted means of named scalars, summed where they are and read once."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, float] = {}

    def add(self, values: dict[str, Tensor], weight: float = 1.0) -> None:
        """Add scalars of one batch, each counted `weight` times."""
        for name, value in values.items():
            total = value.detach().double() * weight if value.device.type != "mps" else value.detach() * weight
            self._sums[name] = self._sums[name] + total if name in self._sums else total
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def compute(self) -> dict[str, float]:
        """Return the means, in one transfer from the device, and start afresh."""
        if not self._sums:
            return {}
        sums = torch.stack(list(self._sums.values())).tolist()
        means = {name: total / self._weights[name] for (name, total) in zip(self._sums, sums, strict=True)}
        self._sums.clear()
        self._weights.clear()
        return means
