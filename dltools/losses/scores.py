"""What losses over class scores share: read once, each statistic computed once, when a term first asks for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from dltools.losses.precision import raised
from dltools.mode import Mode

T = TypeVar("T")


class Reading(NamedTuple):
    """How a loss reads scores; terms that read alike share what is computed."""

    mode: Mode
    ignore_index: int | None
    from_logits: bool


class Sums(NamedTuple):
    """Sums over the places of each region, all of one shape: (N, C), or pooled."""

    overlap: Tensor
    """Of min(probability, target), which is the product where targets are 0 or 1."""
    predicted: Tensor
    """Of the probabilities."""
    true: Tensor
    """Of the targets."""
    places: Tensor
    """Number of valid places."""
    product: Tensor
    """Of probability * target; it and the sums of squares are right only if a loss needs squares."""
    predicted_squares: Tensor
    """Of the squared probabilities."""
    true_squares: Tensor
    """Of the squared targets."""


class once(Generic[T]):  # noqa: N801
    """Property of scores that is computed when it is first asked for; `functools.cached_property` stops dynamo."""

    def __init__(self, method: Callable[[Any], T]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __get__(self, scores: Scores, owner: type) -> T:
        """Return the value, computed once for each scores."""
        return scores.shared(self.method)


class Scores(ABC):
    """Scores and targets of one batch: N images, C channels.

    Args:
        logits: (N, C, *spatial).
        truth: (N, *spatial) class ids, or (N, C, *spatial) values in 0..1.
        valid: boolean, (N, *spatial) for classes and (N, C, *spatial) for labels; None where everything counts.
        squares: a loss needs sums of squares.
        distance_maps: signed distances (N, C, *spatial) to the border of each class, if the data pipeline made them.
    """

    def __init__(
        self,
        logits: Tensor,
        truth: Tensor,
        valid: Tensor | None,
        squares: bool = False,
        distance_maps: Tensor | None = None,
    ) -> None:
        self.logits = logits
        self.truth = truth
        self.valid = valid
        self._squares = squares
        self.distance_maps = distance_maps
        self._shared: dict[Any, Any] = {}

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.logits.shape[1]

    @property
    @abstractmethod
    def cross_entropy(self) -> Tensor:
        """Minus the log probability of the truth: (N, *spatial), or (N, C, *spatial) for labels; 0 if ignored."""

    @property
    @abstractmethod
    def probability(self) -> Tensor:
        """Softmax or sigmoid, (N, C, *spatial) in fp32 at least, 0 at ignored places."""

    @property
    @abstractmethod
    def labels(self) -> Tensor:
        """The truth as values in 0..1, (N, C, *spatial) in the dtype of the probability, 0 at ignored places."""

    @property
    @abstractmethod
    def sums(self) -> Sums:
        """Sums over the places of each image and class, (N, C)."""

    @abstractmethod
    def weight(self, of_class: Tensor | None) -> Tensor | None:
        """Return the weight of each value of `cross_entropy`, given one for each class (C,); None is 1 for each."""

    @once
    def masked_logits(self) -> Tensor:
        """Logits in fp32 at least, 0 at ignored places."""
        logits = raised(self.logits)
        return logits if self.counted is None else torch.where(self.counted, logits, 0)

    @once
    def counted(self) -> Tensor | None:
        """Boolean that broadcasts to (N, C, *spatial): where something counts; None where everything does."""
        return self.valid if self.valid is None or self.valid.dim() == self.logits.dim() else self.valid.unsqueeze(1)

    def shared(self, statistic: Callable[[Scores], T]) -> T:
        """Return a statistic of these scores, computed once for all terms that ask for the same function."""
        if statistic not in self._shared:
            self._shared[statistic] = statistic(self)
        return self._shared[statistic]


def over_channels(values: Tensor, like: Tensor) -> Tensor:
    """View (C,) values so that they broadcast over (N, C, *spatial)."""
    return values.view(-1, *[1] * (like.dim() - 2))


def flat(values: Tensor, leading: int) -> Tensor:
    """Make one dimension, of size 1 at least, of all after the leading ones."""
    return values.flatten(leading) if values.dim() > leading else values.unsqueeze(leading)
