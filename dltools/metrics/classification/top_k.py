"""Whether the true class is among the k likeliest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dltools.cfgutils import FieldError, PositiveInt, component
from dltools.metrics.averages import Average, averaged
from dltools.metrics.base import PerClassMetric
from dltools.metrics.class_metric import ClassMetric
from dltools.metrics.classes import scored_ids_of
from dltools.metrics.counts.cells import count_into
from dltools.metrics.ids import lie_within, stray_error
from dltools.metrics.ratio import ratio
from dltools.metrics.state import Reading, State
from dltools.mode import Mode


@dataclass(kw_only=True, eq=False, repr=False)
class TopKHits(State):
    """How often each class is true, and is then among the k of the highest scores."""

    num_classes: int
    """Number of classes C."""
    k: int
    """Number of scores that count as highest."""
    ignore_index: int | None = None
    """Target id that is not counted."""

    def __post_init__(self) -> None:
        """Make the bins, (2 * C + 2,): missed and hit of each class, of the ignored places, and of the strays."""
        self.add_sum("bins", 2 * self.num_classes + 2)

    def update(self, reading: Reading) -> None:
        """Count a batch: scores (N, C, *spatial) and ids (N, *spatial)."""
        scores, true = scored_ids_of(reading, self.num_classes)
        truth = true.long().clamp(0, self.num_classes - 1)
        outcome = 2 * truth + (_beaten_by(scores, truth) < self.k)
        if not lie_within(true, 0, self.num_classes - 1):
            outcome = torch.where(true == truth, outcome, 2 * self.num_classes + 1)
        if self.ignore_index is not None:
            outcome = torch.where(true == self.ignore_index, 2 * self.num_classes, outcome)
        if outcome.device.type == "cpu" and (strays := outcome == 2 * self.num_classes + 1).any():
            raise stray_error(f"{true[strays][0]} in target", self.num_classes, self.ignore_index)
        count_into(self.bins, outcome.flatten())

    def hits_and_true(self) -> tuple[Tensor, Tensor]:
        """Return hits and true places of each class, (C,).

        Raises:
            DataError: ids out of range were seen.
        """
        if self.bins[-1] > 0:
            raise stray_error(f"{self.bins[-1].item()} others", self.num_classes, self.ignore_index)
        missed, hits = self.bins[:-2].view(-1, 2).T
        return hits, hits + missed


@component("metric", "top_k")
class TopKAccuracy(ClassMetric, PerClassMetric):
    """Share of the places whose class has one of the k highest scores.

    Range 0..1. Of equal scores that of the lower id counts as the higher, so that k = 1 is `accuracy`. A true class
    whose score is NaN is a miss. The value of a class is the share of its true places.

    Reads logits or probabilities (N, C, *spatial), and ids (N, *spatial).
    """

    name: ClassVar[str] = "top_k"
    modes: ClassVar[tuple[Mode, ...]] = (Mode.multiclass,)

    k: PositiveInt = 5
    """How many classes may be named; less than there are."""
    average: Average = Average.micro
    """Over places (micro) or classes (macro); weighted equals micro."""

    def __post_init__(self) -> None:
        """Make the state and check k."""
        super().__post_init__()
        if self.k >= self.size:
            raise FieldError("k", f"must be less than num_classes = {self.size}, got {self.k}")

    def make_state(self) -> TopKHits:
        """Return the hits that this metric reads."""
        return TopKHits(num_classes=self.size, k=self.k, ignore_index=self.ignore_index)

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the share of hits; with `per_class` that of each class too."""
        hits, true = self.state.hits_and_true()
        classes = self.classes()
        overall = averaged(hits[classes], true[classes], true[classes], self.average)
        return self.told(overall, ratio(hits, true), classes)


def _beaten_by(scores: Tensor, truth: Tensor) -> Tensor:
    """Return how many scores come before that of the true class, (N, C, places) and (N, places) to (N, places)."""
    scores = scores.detach().to(torch.promote_types(scores.dtype, torch.float32))
    truth = truth.unsqueeze(1)
    own = scores.gather(1, truth)
    ids = torch.arange(scores.shape[1], dtype=scores.dtype, device=scores.device).view(1, -1, 1)
    # Into floats: torch takes several times as long to compare into booleans, and to sum these.
    not_above, ties, before = (torch.empty_like(scores) for _ in range(3))
    torch.le(scores, own, out=not_above)  # what is NaN is above, as for argmax
    torch.eq(scores, own, out=ties)
    torch.lt(ids, truth, out=before)
    return scores.shape[1] - not_above.sub_(ties.mul_(before)).sum(1)
