"""No change after the warm-up."""

from __future__ import annotations

from dltools.cfgutils import component
from dltools.optim.schedulers.base import Schedule


@component("scheduler", "constant")
class Constant(Schedule):
    """Warm up, then hold the peak."""

    def curve(self, progress: float) -> float:
        """Return 1."""
        return 1.0
