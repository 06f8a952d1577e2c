"""Running means on the device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dltools.distutils import sum_over_ranks, widest_float


class Meter:
    """Weighted means of named scalars, summed where they are and read once.

    A value is a scalar, which counts 1, or a pair of a total and its weight, such as a loss gives: a batch in which
    nothing counts then changes no mean.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, values: Mapping[str, Tensor | tuple[Tensor, Tensor]]) -> None:
        """Add the values of one batch."""
        for name, value in values.items():
            total, weight = value if isinstance(value, tuple) else (value, torch.ones_like(value))
            pair = torch.stack([total.detach(), weight.detach().to(total.dtype)]).to(widest_float(total.device))
            self._sums[name] = self._sums[name] + pair if name in self._sums else pair

    def compute(self) -> dict[str, float]:
        """Return the means over all ranks and start afresh: one collective, and one transfer from the device.

        Every rank must have added the same names. What weighs nothing has no mean and is left out.
        """
        if not self._sums:
            return {}
        pairs = sum_over_ranks(torch.stack(list(self._sums.values()))).tolist()
        sums = dict(zip(self._sums, pairs, strict=True))
        self._sums.clear()
        return {name: total / weight for name, (total, weight) in sums.items() if weight != 0}
