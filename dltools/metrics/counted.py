"""The bases of metrics of what is counted of each class, and of those that are a fraction of such counts."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dltools.cfgutils import Probability
from dltools.metrics.averages import Average, averaged
from dltools.metrics.base import PerClassMetric
from dltools.metrics.class_metric import ClassMetric
from dltools.metrics.counts import ConfusionMatrix, Counts, ImageCounts, ImageLabelCounts, LabelCounts, Totals
from dltools.metrics.ratio import mean_of_defined, ratio
from dltools.mode import Mode


@dataclass(kw_only=True, eq=False, repr=False)
class CountedMetric(ClassMetric):
    """Base of metrics of what is counted of classes or labels.

    mode multiclass: preds logits (N, C, *spatial) or ids (N, *spatial), target ids (N, *spatial). mode multilabel and
    binary: preds logits (N, L, *spatial), of which those above `threshold` are predicted, or decisions of an integer
    dtype, and target 0 or 1 in the same places; binary is one label, also without its channel.
    """

    threshold: Probability = 0.5
    """Probability above which a label is predicted, in modes binary and multilabel."""
    from_logits: bool = True
    """Floating preds of modes binary and multilabel are logits, not probabilities."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning in mode multiclass, and make the state."""
        if self.mode is Mode.multiclass:
            for field in ("threshold", "from_logits"):
                self.refuse(field, "in mode multiclass, where the class of the highest score is predicted")
        super().__post_init__()

    def make_state(self) -> Counts:
        """Return the counts that this metric reads."""
        return self.counts()

    def counts(self, per_image: bool = False) -> Counts:
        """Return new counts, of all places or of each image by itself."""
        if self.mode is Mode.multiclass:
            kind = ImageCounts if per_image else ConfusionMatrix
            return kind(num_classes=self.size, ignore_index=self.ignore_index)
        of_labels = ImageLabelCounts if per_image else LabelCounts
        return of_labels(
            num_labels=self.size,
            threshold=self.threshold,
            from_logits=self.from_logits,
            ignore_index=self.ignore_index,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class FractionMetric(CountedMetric, PerClassMetric):
    """Base of metrics that are a fraction of each class's totals, averaged over classes in one of the usual ways.

    A class whose fraction is 0 / 0 is undefined: NaN, and left out of the mean, as is a class that is ignored.
    """

    average: Average = Average.macro
    """Over places (micro), classes (macro), or classes by their true places (weighted)."""

    def fraction(self, totals: Totals) -> tuple[Tensor, Tensor]:
        """Return numerator and denominator of each class, in the shape of the totals."""
        raise NotImplementedError

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the average over classes, NaN where nothing is defined; with `per_class` each class's value too."""
        totals, classes = self.state.totals(), self.classes()
        part, whole = self.fraction(totals)
        values = ratio(part, whole)
        overall = averaged(part[..., classes], whole[..., classes], totals.true[..., classes], self.average)
        if values.dim() > 1:
            values, overall = mean_of_defined(values), mean_of_defined(overall)
        return self.told(overall, values, classes)
