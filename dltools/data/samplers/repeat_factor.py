"""Samples of rare classes repeated."""

from __future__ import annotations

import logging
import math
from typing import Annotated

import numpy as np
from annotated_types import Interval

from dltools.cfgutils import component
from dltools.data.base import Split
from dltools.data.samplers.base import Classes, Plan, SamplingRule
from dltools.data.samplers.drawn import Drawn
from dltools.data.samplers.presence import Presence

logger = logging.getLogger(__name__)


@component("sampler", "repeat_factor")
class RepeatFactor(SamplingRule):
    """Every sample at least once, and those with a rare class more often; for data sets of many classes.

        python -m dltools.train task=detection sampler=repeat_factor sampler.threshold=0.01

    A class in a share f of the samples has the factor max(1, sqrt(threshold / f)), and a sample the largest of its
    classes, 1 if it has none. What a factor is beyond a whole number is the probability of one more in an epoch; the
    length of an epoch is the sum of the factors, rounded up, so it is the same for all epochs.

    Source: Gupta et al., LVIS: A Dataset for Large Vocabulary Instance Segmentation, CVPR 2019, repeat factor
    sampling. There the number of extra samples varies from epoch to epoch.
    """

    threshold: Annotated[float, Interval(gt=0, le=1)] = 0.001
    """Classes in a smaller share of the samples than this are repeated."""

    def plan(self, split: Split, classes: Classes) -> Plan:
        """Return the plan for a split."""
        presence = Presence.of(classes())
        share = presence.counts / len(split)
        there = share > 0
        factors = np.ones(len(share))
        factors[there] = np.sqrt(self.threshold / share[there]).clip(1)
        if not (factors > 1).any():
            rarest = np.flatnonzero(share == share[there].min())[0]
            logger.warning(
                "sampler.threshold=%g repeats nothing: even the rarest class, %d, is in %.3g of the samples.",
                self.threshold,
                rarest,
                share[rarest],
            )
        repeats = presence.largest(factors, default=1)
        return Drawn(repeats, math.ceil(repeats.sum()), presence.deciding(factors) + 1)
