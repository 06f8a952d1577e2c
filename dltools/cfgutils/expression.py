"""Arithmetic over logged values: `0.7*val/iou + 0.3*val/dice - 0.01*val/loss`.

What can be written:

- numbers, and names of logged values, such as `val/loss/dice` or `const/latency_ms`;
- `+ - * / **`, a minus sign, and parentheses, which bind as in Python: `-x**2` is `-(x**2)`;
- `abs(x)`, `log(x)` (the natural one), `clip(x, low, high)`, and `min` and `max` of two values or more.

A slash between letters, digits or underscores belongs to a name, so a division of a name is written with blanks:
`val/iou / 2`. A name with other characters stands in quotes: `'val/iou/T-shirt/top'`.

All numbers are 64-bit floats. What is undefined is NaN (a division by zero, the logarithm of zero or less, a root of a
negative number), what is too large is infinite, and whatever is made of a NaN is NaN, also by `min`, `max` and `x**0`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from dltools.cfgutils.errors import ConfigError, FieldError
from dltools.cfgutils.grammar import ATOM, BINARY, POWER, UNARY, Call, Step, is_plain, steps_of
from dltools.cfgutils.nearest import did_you_mean

_SHOWN = 20
"""How many names an error lists."""


@dataclass(frozen=True)
class Expression:
    """An expression that was read, ready to be calculated again and again.

    >>> score = Expression.parse("0.5*val/iou + 0.5*val/dice")
    >>> score.names
    ('val/iou', 'val/dice')
    >>> score.value({"val/iou": 0.5, "val/dice": 0.75})
    0.625
    """

    steps: tuple[Step, ...]
    """Numbers, names and calls in the order in which a stack calculates them."""

    @classmethod
    def parse(cls, text: str, field: str | None = None) -> Expression:
        """Read an expression.

        Args:
            text: as in the description of this module.
            field: name of the component's field that holds it, for the message.

        Raises:
            ConfigError: it cannot be read (a `FieldError` where `field` is given). The message tells at which
                character, and what would be right.
        """
        text = str(text)
        try:
            counts = {name: (fewest, most) for name, (_, fewest, most) in _FUNCTIONS.items()}
            return cls(tuple(steps_of(text, counts)))
        except ConfigError as error:
            shown = text if len(text) <= 80 else f"{text[:80]}..."
            problem = f"cannot be read: {shown!r}, {error}."
            raise (ConfigError(f"The expression {problem}") if field is None else FieldError(field, problem)) from None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it reads, each once, as they come."""
        return tuple(dict.fromkeys(step for step in self.steps if isinstance(step, str)))

    @property
    def name(self) -> str | None:
        """The name, if the expression is a plain name and nothing else."""
        return self.names[0] if len(self.steps) == 1 and self.names else None

    def value(self, values: Mapping[str, float], who: str = "A run") -> float:
        """Calculate it.

        Args:
            values: what is logged, under its names.
            who: what logs them, for the message.

        Raises:
            ConfigError: a name is not among them.
        """
        for name in self.names:
            if name not in values:
                raise _unknown(name, values, who)
        stack: list[float] = []
        for step in self.steps:
            if isinstance(step, Call):
                arguments = stack[-step.count :]
                del stack[-step.count :]
                stack.append(_result(step.name, arguments))
            else:
                stack.append(float(values[step] if isinstance(step, str) else step))
        return stack[0]

    def check(self, known: Collection[str], who: str = "A run") -> None:
        """Check that all names are known.

        Args:
            known: the names; one that ends with a slash stands for all that begin with it.
            who: what logs them, for the message.

        Raises:
            ConfigError: one is not; the message tells the nearest that are, and the others.
        """
        prefixes = tuple(name for name in known if name.endswith("/"))
        for name in self.names:
            if name not in known and not name.startswith(prefixes):
                raise _unknown(name, known, who)

    def __str__(self) -> str:
        """Write it as `parse` reads it, with as few parentheses as can be."""
        stack: list[tuple[str, int]] = []
        for step in self.steps:
            if isinstance(step, Call):
                arguments = stack[-step.count :]
                del stack[-step.count :]
                stack.append(_written(step.name, arguments))
            elif isinstance(step, str):
                stack.append((_quoted(step), ATOM))
            else:
                stack.append((repr(step).removesuffix(".0"), ATOM))
        return stack[0][0]


def _unknown(name: str, known: Collection[str], who: str) -> ConfigError:
    shown = [f"{name}..." if name.endswith("/") else name for name in list(known)[:_SHOWN]]
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    told = f"{who} logs {', '.join(shown) or 'no values'}{more}."
    return ConfigError(f"{name!r} is not logged.{_hint(name, known)} {told}")


def _hint(name: str, known: Collection[str]) -> str:
    """Return the nearest right names, and the division that may be meant."""
    hint, parts = did_you_mean(name, known), name.split("/")
    for position in range(1, len(parts)):
        above, below = "/".join(parts[:position]), "/".join(parts[position:])
        if above in known and (below in known or below.isdecimal()):
            hint += f" A division would have blanks around its slash: {above} / {below}."
    return hint


def _result(name: str, arguments: list[float]) -> float:
    if any(map(math.isnan, arguments)):
        return math.nan
    function = _FUNCTIONS[name][0] if name in _FUNCTIONS else _OPERATORS[name]
    try:
        return function(*arguments)
    except (ValueError, ZeroDivisionError):
        return math.nan


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf


_OPERATORS: dict[str, Callable[..., float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "**": _power,
    "negative": lambda value: -value,
}

_FUNCTIONS: dict[str, tuple[Callable[..., float], int, int | None]] = {
    "abs": (abs, 1, 1),
    "clip": (lambda value, low, high: min(max(value, low), high), 3, 3),
    "log": (math.log, 1, 1),
    "max": (max, 2, None),
    "min": (min, 2, None),
}
"""What can be called, with the fewest and the most arguments of each; None is as many as there are."""


def _written(name: str, arguments: list[tuple[str, int]]) -> tuple[str, int]:
    """Return the text of a call and how tightly it holds together."""
    if name in _FUNCTIONS:
        return f"{name}({', '.join(text for text, _ in arguments)})", ATOM
    if name == "negative":
        return f"-{_inside(arguments[0], UNARY)}", UNARY
    level = BINARY[name]
    left = _inside(arguments[0], ATOM if level == POWER else level)
    right = _inside(arguments[1], UNARY if level == POWER else level + 1)
    blank = "" if name in ("*", "**") else " "
    return f"{left}{blank}{name}{blank}{right}", level


def _inside(part: tuple[str, int], loosest: int) -> str:
    text, level = part
    return text if level >= loosest else f"({text})"


def _quoted(name: str) -> str:
    if is_plain(name) and name not in _FUNCTIONS:
        return name
    return f'"{name}"' if "'" in name else f"'{name}'"
