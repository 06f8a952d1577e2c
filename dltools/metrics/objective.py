"""What a run returns, and what chooses its best checkpoint."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

from dltools.cfgutils import ConfigError, component
from dltools.cfgutils.nearest import did_you_mean


class Goal(str, enum.Enum):
    """Which of two values is the better one."""

    max = "max"
    min = "min"


@component("objective", "metric")
class MetricObjective:
    """One of the logged values of the validation."""

    name: str = "val/loss"
    """Logged name, such as `val/iou`."""
    mode: Goal = Goal.min
    """`max` or `min`: which way is better."""

    def value(self, metrics: Mapping[str, float]) -> float:
        """Return the objective of one evaluation.

        Raises:
            ConfigError: nothing of that name is logged.
        """
        if self.name not in metrics:
            raise ConfigError(
                f"objective.name={self.name} is not logged.{did_you_mean(self.name, metrics)} "
                f"A validation logs {', '.join(metrics)}."
            )
        return metrics[self.name]

    def better(self, value: float, than: float | None) -> bool:
        """Tell whether a value beats another; NaN never does, and anything else beats None or NaN."""
        if math.isnan(value):
            return False
        if than is None or math.isnan(than):
            return True
        return value > than if self.mode is Goal.max else value < than
