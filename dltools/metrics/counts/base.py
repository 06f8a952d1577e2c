"""What every count of classes tells."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dltools.metrics.state import State


class Totals(NamedTuple):
    """What was counted of each class, (C,) or, where images are told apart, (N, C)."""

    hits: Tensor
    """Places predicted and truly of the class."""
    predicted: Tensor
    """Places predicted to be of the class."""
    true: Tensor
    """Places truly of the class."""
    places: Tensor
    """All places that count."""

    @property
    def rejected(self) -> Tensor:
        """Places neither predicted nor truly of the class."""
        return self.places - self.predicted - self.true + self.hits

    def against_rest(self) -> Tensor:
        """Return the confusion matrix of each class and what is not it, (..., C, 2, 2): row the truth."""
        missed, invented = self.true - self.hits, self.predicted - self.hits
        return torch.stack([self.rejected, invented, missed, self.hits], -1).unflatten(-1, (2, 2))


@dataclass(kw_only=True, eq=False, repr=False)
class Counts(State):
    """Base of states that tell the totals of each class."""

    @abstractmethod
    def totals(self) -> Totals:
        """Return the totals of everything that was added.

        Raises:
            DataError: ids out of range were seen.
        """
