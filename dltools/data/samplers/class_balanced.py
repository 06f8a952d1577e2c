"""Samples of rare classes more often."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from dltools.cfgutils import FieldError, PositiveInt, component
from dltools.data.base import Split
from dltools.data.samplers.base import Classes, Plan, SamplingRule
from dltools.data.samplers.drawn import Drawn
from dltools.data.samplers.presence import Presence
from dltools.data.statistics.weights import Scheme, class_weights


@component("sampler", "class_balanced")
class ClassBalanced(SamplingRule):
    """Draws samples with replacement, the more often the fewer samples have their class.

        python -m dltools.train task=classification sampler=class_balanced
        python -m dltools.train task=detection sampler=class_balanced sampler.scheme=sqrt_inverse

    A sample with several classes has the weight of its rarest, as in Mahajan et al., Exploring the Limits of Weakly
    Supervised Pretraining, ECCV 2018, and Gupta et al., LVIS, CVPR 2019: it is never drawn more often than a sample of
    that class alone, so `max_ratio` holds. One without a class has the weight of the commonest.

    Each sample, and all that are drawn for one class together, are in an epoch as often as their weights ask, rounded
    up or down. With a label for each image, the inverse scheme thus shows all classes equally often in every epoch.
    """

    scheme: Scheme = Scheme.inverse
    """How the weight follows from the share of samples with a class: inverse, sqrt_inverse, effective_number, enet."""
    max_ratio: Annotated[float, Ge(1)] = 50.0
    """No sample is drawn more than so many times as often as another; a warning names the classes that would be."""
    num_samples: PositiveInt | None = None
    """Samples in an epoch; None takes as many as there are."""

    def __post_init__(self) -> None:
        if self.scheme is Scheme.median_frequency:
            others = ", ".join(scheme.value for scheme in Scheme if scheme is not self.scheme)
            raise FieldError("scheme", f"must be one of {others}, got {self.scheme.value}, which is for pixels")

    def plan(self, split: Split, classes: Classes) -> Plan:
        """Return the plan for a split."""
        presence = Presence.of(classes())
        counts = presence.counts
        weights = class_weights(counts, self.scheme, max_ratio=self.max_ratio)
        drawn = presence.largest(weights, default=weights[counts.argmax()])
        return Drawn(drawn, self.num_samples or len(split), presence.deciding(weights) + 1)
