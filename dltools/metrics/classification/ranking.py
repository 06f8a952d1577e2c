"""Areas under curves over all thresholds: how well scores rank what holds before what does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from dltools.cfgutils import component
from dltools.distutils import widest_float
from dltools.metrics.averages import Average, mean_of_classes
from dltools.metrics.base import PerClassMetric
from dltools.metrics.class_metric import ClassMetric
from dltools.metrics.classes import IGNORED, STRAY, scores_of
from dltools.metrics.ids import stray_error
from dltools.metrics.ratio import ratio
from dltools.metrics.state import Reading, Rows, State
from dltools.mode import Mode


class Ranked(NamedTuple):
    """Scores of places and whether each is positive, (n,)."""

    scores: Tensor
    positive: Tensor


class Curve(NamedTuple):
    """True and false positives when everything from a score on is taken, from the highest score down, int64."""

    true: Tensor
    false: Tensor


@dataclass(kw_only=True, eq=False, repr=False)
class RankedScores(State):
    """Scores and truth of every place, 8 (C + 1) bytes each, of labels 16 L."""

    mode: Mode
    """What the channels of the preds mean."""
    size: int
    """Number of classes C or labels L."""
    from_logits: bool
    """Preds are logits, not probabilities, where that matters: in mode multiclass."""
    ignore_index: int | None
    """Target value that is not counted."""

    def __post_init__(self) -> None:
        """Make the rows: scores, then the truth."""
        self.rows = Rows(self.size + (1 if self.mode is Mode.multiclass else self.size))

    def update(self, reading: Reading) -> None:
        """Add the places of a batch."""
        probable = self.from_logits and self.mode is Mode.multiclass
        scores, truth = scores_of(reading, self.mode, self.size, probable, self.ignore_index)
        columns = (part.transpose(1, 2).flatten(0, 1).to(widest_float(part.device)) for part in (scores, truth))
        self.rows.add(torch.cat(list(columns), 1))

    def of_classes(self) -> Iterator[Ranked]:
        """Yield for each class or label what is ranked against what.

        Raises:
            DataError: ids out of range were seen.
        """
        scores, truth = self.rows.read().tensor_split([self.size], 1)
        if self.mode is not Mode.multiclass:
            for of_label, held in zip(scores.T, truth.T, strict=True):
                counted = held != IGNORED
                yield Ranked(of_label[counted], held[counted] == 1)
            return
        ids = truth.flatten()
        if (strays := int((ids == STRAY).sum())) > 0:
            raise stray_error(f"{strays} others", self.size, self.ignore_index)
        counted = ids != IGNORED
        ids = ids[counted]
        for index, of_class in enumerate(scores.T):
            yield Ranked(of_class[counted], ids == index)


@dataclass(kw_only=True, eq=False, repr=False)
class RankMetric(ClassMetric, PerClassMetric):
    """Base of metrics of the order of scores: one class against the rest, or one label.

    Exact, ties included, whatever the order of places: every score is kept, and sorted when the value is read, which
    suits the classification of images more than of pixels. A score that is NaN counts as the worst for its place.

    mode multiclass: preds logits or probabilities (N, C, *spatial), target ids (N, *spatial). mode multilabel and
    binary: preds (N, L, *spatial), of which only the order counts, and target 0 or 1 in the same places.
    """

    average: Average = Average.macro
    """Over classes (macro), classes by their true places (weighted), or all classes' places as of one (micro)."""
    from_logits: bool = True
    """The preds of mode multiclass are logits, not probabilities."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning where only the order counts, and make the state."""
        if self.mode is not Mode.multiclass:
            self.refuse("from_logits", f"in mode {self.mode.value}, where only the order of the scores counts")
        super().__post_init__()

    def make_state(self) -> RankedScores:
        """Return the scores that this metric reads."""
        return RankedScores(
            mode=self.mode, size=self.size, from_logits=self.from_logits, ignore_index=self.ignore_index
        )

    def area(self, curve: Curve) -> Tensor:
        """Return the area under a curve, NaN where it has none."""
        raise NotImplementedError

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the average area; with `per_class` that of each class too."""
        areas, true, together, classes = [], [], [], self.classes()
        for index, ranked in enumerate(self.state.of_classes()):
            areas.append(self.area(curve_of(*ranked)))
            true.append(ranked.positive.sum())
            if self.average is Average.micro and index in classes:
                together.append(ranked)
        values = torch.stack(areas)
        if self.average is Average.micro:
            overall = self.area(curve_of(*(torch.cat(parts) for parts in zip(*together, strict=True))))
        else:
            overall = mean_of_classes(values[classes], torch.stack(true)[classes], self.average)
        return self.told(overall, values, classes)


@component("metric", "auroc")
class AUROC(RankMetric):
    """Area under the ROC curve: how likely a place of the class scores higher than one of another, ties counting half.

    Range 0..1, 0.5 is chance. A class without places of its own, or of others, is undefined and left out of the mean.
    Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve". Shapes: see `RankMetric`.
    """

    name: ClassVar[str] = "auroc"

    def area(self, curve: Curve) -> Tensor:
        """Return the area of trapezoids, counted in halves of pairs."""
        true, false = curve
        zero = true.new_zeros(1)
        pairs = false.diff(prepend=zero) * (2 * true - true.diff(prepend=zero))
        return ratio(pairs.sum(), 2 * true[-1] * false[-1])


@component("metric", "average_precision")
class AveragePrecision(RankMetric):
    """Average precision: the mean, over the places of a class, of the precision where each is found.

    sum_n (R_n - R_(n-1)) P_n over the distinct scores, as in scikit-learn; range 0..1, and the share of the class by
    chance. A class without places is undefined and left out of the mean. Shapes: see `RankMetric`.
    """

    name: ClassVar[str] = "average_precision"

    def area(self, curve: Curve) -> Tensor:
        """Return the area of steps."""
        true, false = curve
        found = true.diff(prepend=true.new_zeros(1))
        return ratio((found * ratio(true, true + false).nan_to_num()).sum(), true[-1])


def curve_of(scores: Tensor, positive: Tensor) -> Curve:
    """Return the counts at each distinct score; at least one, of zeros where nothing is ranked."""
    if len(scores) == 0:
        return Curve(*positive.new_zeros(2, 1, dtype=torch.int64))
    worst = torch.where(positive, -torch.inf, torch.inf).to(scores.dtype)
    scores, order = torch.where(scores.isnan(), worst, scores).sort(descending=True)
    last = torch.ones_like(positive)
    last[:-1] = scores[1:] != scores[:-1]
    true = positive[order].cumsum(0)
    taken = torch.arange(1, len(true) + 1, device=true.device)
    return Curve(true[last], (taken - true)[last])
