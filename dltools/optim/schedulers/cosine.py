"""The half cosine."""

from __future__ import annotations

import math

from dltools.cfgutils import Probability, component
from dltools.optim.schedulers.base import Schedule


@component("scheduler", "cosine")
class Cosine(Schedule):
    """Warm up, then fall along half a cosine to a share of the peak.

    curve(p) = final + (1 - final) * (1 + cos(pi * p)) / 2

    SGDR without restarts, Loshchilov and Hutter 2016, equation 5 (there eta_min is an absolute rate).
    """

    final: Probability = 0.01
    """Factor at the end of the training."""

    def curve(self, progress: float) -> float:
        """Return the half cosine from 1 to `final`."""
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2
