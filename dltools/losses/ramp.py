"""A weight that changes over the training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dltools.cfgutils import FieldError, NonNegativeFloat
from dltools.cfgutils.constraints import check_fields
from dltools.cfgutils.timeunit import TimeUnit


class Shape(str, Enum):
    """How a ramp goes from its start to the full weight."""

    none = "none"
    """The full weight throughout."""
    linear = "linear"
    """On a straight line."""
    cosine = "cosine"
    """On half a cosine: slowly, fast, slowly."""
    step = "step"
    """At once, at the end."""


@dataclass(kw_only=True)
class Ramp:
    """Factor of a loss's weight over the training: `start` until `begin`, 1 from `end` on, a shape between.

    A start of 0.01 is how Kervadec et al. 2019, arXiv:1812.07032, bring in the boundary loss; a start above 1 lets a
    term fade.

        >>> ramp = Ramp(shape="linear", begin="0st", end="10st")
        >>> [ramp.factor(step, steps_per_epoch=100, total_steps=1000) for step in (0, 5, 20)]
        [0.0, 0.5, 1.0]
    """

    shape: Shape = Shape.none
    """How the factor changes between `begin` and `end`: none, linear, cosine or step."""
    start: NonNegativeFloat = 0.0
    """Factor until `begin`; it is 1 from `end` on."""
    begin: str = "0ep"
    """When the change begins, as a time unit."""
    end: str = "50%"
    """When the change is complete, as a time unit."""

    def __post_init__(self) -> None:
        """Check the fields."""
        check_fields(self)
        self._span = TimeUnit.parse(self.begin, "begin"), TimeUnit.parse(self.end, "end")
        for name, moment in zip(("begin", "end"), self._span, strict=True):
            if moment.is_clock:
                raise FieldError(name, f"must be in epochs, steps or percent, got {str(moment)!r}")

    @property
    def is_constant(self) -> bool:
        """Whether the factor is 1 throughout."""
        return self.shape is Shape.none

    def factor(self, step: int, steps_per_epoch: int, total_steps: int) -> float:
        """Return the factor at a step.

        Args:
            step: optimizer steps made so far.
            steps_per_epoch: steps of an epoch.
            total_steps: steps of the training.

        Raises:
            FieldError: the end lies before the beginning.
        """
        if self.is_constant:
            return 1.0
        begin, end = (moment.steps(steps_per_epoch, total_steps) for moment in self._span)
        if end < begin:
            raise FieldError("end", f"must not lie before begin={self.begin}, got {self.end}")
        if step >= end:
            return 1.0
        done = max(0.0, (step - begin) / (end - begin))
        share = {Shape.linear: done, Shape.cosine: (1 - math.cos(math.pi * done)) / 2, Shape.step: 0.0}[self.shape]
        return self.start + (1 - self.start) * share


def as_ramp(given: Ramp | Mapping[str, Any]) -> Ramp:
    """Return a ramp, made of its fields where a config gives those.

    Raises:
        FieldError: a field is wrong; it is named with `ramp.` in front.
    """
    if isinstance(given, Ramp):
        return given
    try:
        return Ramp(**given)
    except FieldError as error:
        raise FieldError(f"ramp.{error.field}", error.problem) from error
