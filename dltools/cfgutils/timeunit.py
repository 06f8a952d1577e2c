"""One notation for spans of training: `2ep`, `500st`, `5%`, `30min`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dltools.cfgutils.errors import ConfigError, FieldError

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)(ep|st|%|s|min|h)")
_LEGAL = "'2ep' (epochs), '500st' (optimizer steps), '5%' (of the training), '45s', '30min' or '2h'"


@dataclass(frozen=True)
class TimeUnit:
    """A span of training: a number and one of `ep`, `st`, `%`, `s`, `min`, `h`.

    >>> TimeUnit.parse("5%").steps(steps_per_epoch=100, total_steps=1000)
    50
    """

    value: float
    unit: str

    @classmethod
    def parse(cls, text: str, field: str | None = None) -> TimeUnit:
        """Read a span.

        Args:
            text: a number directly followed by its unit; zero is a span, a negative number is not.
            field: name of the component's field that holds it, for the message.

        Raises:
            ConfigError: the text is no span (a `FieldError` where `field` is given).
        """
        match = _FORM.fullmatch(str(text).strip())
        if match is None:
            raise _refusal(f"must be a time unit such as {_LEGAL}, got {text!r}", field)
        value, unit = float(match[1]), match[2]
        if unit == "%" and value > 100:
            raise _refusal(f"must be at most 100%, got {text!r}", field)
        if unit == "st" and not value.is_integer():
            raise _refusal(f"must be a whole number of steps, got {text!r}", field)
        return cls(value, unit)

    @property
    def is_clock(self) -> bool:
        """Whether the span is measured by a clock and not by steps."""
        return self.unit in _SECONDS

    @property
    def seconds(self) -> float:
        """Length in seconds.

        Raises:
            ConfigError: the span is counted in epochs, steps or percent.
        """
        if not self.is_clock:
            raise ConfigError(f"'{self}' has no length in seconds; write it as '45s', '30min' or '2h'.")
        return self.value * _SECONDS[self.unit]

    def steps(self, steps_per_epoch: int, total_steps: int) -> int:
        """Length in optimizer steps, rounded to the nearest (halves up).

        Raises:
            ConfigError: the span is measured by a clock.
        """
        if self.is_clock:
            raise ConfigError(f"'{self}' cannot be counted in steps; write it as '2ep', '500st' or '5%'.")
        length = {"ep": steps_per_epoch, "st": 1, "%": total_steps / 100}[self.unit]
        return math.floor(self.value * length + 0.5)

    def __str__(self) -> str:
        """Write the span as `parse` reads it."""
        return f"{self.value:.15g}{self.unit}"


def _refusal(problem: str, field: str | None) -> ConfigError:
    return ConfigError(f"A span {problem}.") if field is None else FieldError(field, problem)
