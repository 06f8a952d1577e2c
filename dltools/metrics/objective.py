"""What a run returns, and what chooses its best checkpoint."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from dltools.cfgutils import ConfigError, FieldError, PositiveInt, component
from dltools.cfgutils.constraints import check_fields
from dltools.cfgutils.expression import Expression
from dltools.cfgutils.nearest import did_you_mean

History = Sequence[tuple[int, float]]
"""The validations so far: the epoch after which each was made, and its value."""


class Goal(str, Enum):
    """Which of two values is the better one."""

    max = "max"
    min = "min"


class Reduce(str, Enum):
    """How the values of all validations become one."""

    best = "best"
    """The best of them, which is what the best checkpoint reached; optimistic, as the best of many draws is."""
    last = "last"
    """The newest."""
    mean = "mean"
    """The mean of the newest few."""


@dataclass(kw_only=True)
class Criterion:
    """A value of each validation: an expression of what it logs, and which way is better."""

    expr: str
    """Arithmetic over logged values, such as `val/iou` or `0.7*val/iou + 0.3*val/dice`."""
    mode: Goal | None = None
    """Which way is better, `max` or `min`; None asks the metric, which only a single value has."""
    reduce: Reduce = Reduce.best
    """What counts in the end: the `best` validation, the `last`, or the `mean` of the newest."""
    window: PositiveInt = 3
    """How many validations `mean` is over."""

    def __post_init__(self) -> None:
        """Check the fields and read the expression."""
        check_fields(self)
        self.expression = Expression.parse(self.expr, "expr")
        if not self.expression.names:
            raise FieldError("expr", f"must read a logged value, such as val/loss, got {self.expr!r}")

    def value(self, logged: Mapping[str, float]) -> float:
        """Return the value of one validation.

        Raises:
            ConfigError: a name is not logged.
        """
        try:
            return self.expression.value(logged, "A validation")
        except ConfigError as error:
            raise ConfigError(f"objective={self.expr}: {error}") from None

    def better(self, value: float, than: float | None) -> bool:
        """Tell whether a value beats another; NaN never does, and anything else beats None or NaN."""
        if math.isnan(value):
            return False
        if than is None or math.isnan(than):
            return True
        return value > than if self.mode is Goal.max else value < than

    def best(self, history: History) -> tuple[int, float] | None:
        """Return epoch and value of the best validation, the first of equals; None where all are NaN."""
        best = None
        for epoch, value in history:
            if self.better(value, None if best is None else best[1]):
                best = epoch, value
        return best

    def reduced(self, history: History) -> float:
        """Return one value for all validations; NaN where there are none, and of a mean with a NaN in it."""
        if self.reduce is Reduce.best:
            best = self.best(history)
            return math.nan if best is None else best[1]
        count = 1 if self.reduce is Reduce.last else self.window
        newest = [value for _, value in history[-count:]]
        return sum(newest) / len(newest) if newest else math.nan


@component("objective", "expression")
class Objective(Criterion):
    """An expression of what a validation logs, chosen as `objective=val/iou`.

    `Objective(expr="val/iou").criteria({"val/iou": True})` is what a run works with.
    """

    more: dict[str, Any] = field(default_factory=dict)
    """Further objectives by name, each an expression or a mapping of the fields above; a sweep then has several."""

    def __post_init__(self) -> None:
        """Check the fields and read the expressions."""
        super().__post_init__()
        self.more = {name: _criterion(name, given) for name, given in self.more.items()}

    def criteria(self, directions: Mapping[str, bool | None]) -> dict[str, Criterion]:
        """Return all objectives, ours first, each with its mode: under the key `objective` or `objective/<name>`.

        An expression that as a whole is the name of a logged value, such as `val/iou/T-shirt`, is that name.

        Args:
            directions: what a validation logs, each with whether higher is better. A name that ends with a slash
                stands for all that begin with it.

        Raises:
            ConfigError: a name is not logged, nothing tells which way is better, or mode and metric contradict
                each other.
        """
        own = {"objective": _among(self, directions, "objective")}
        return own | {
            f"objective/{name}": _among(criterion, directions, f"objective.more.{name}")
            for name, criterion in self.more.items()
        }


def _criterion(name: str, given: Any) -> Criterion:
    """Make a further objective of an expression or of its fields."""
    if not re.fullmatch(r"\w+", name):
        raise FieldError("more", f"must have names of letters, digits and _, got {name!r}")
    if isinstance(given, Criterion):
        return given
    values = given if isinstance(given, Mapping) else {"expr": given}
    known = [known.name for known in fields(Criterion)]
    for key in values:
        if key not in known:
            raise FieldError(f"more.{name}.{key}", f"is no field.{did_you_mean(key, known)} It has {', '.join(known)}")
    if values.get("expr") is None:
        raise FieldError(f"more.{name}.expr", "is missing: give an expression, such as val/loss")
    try:
        return Criterion(**values)
    except FieldError as error:
        raise FieldError(f"more.{name}.{error.field}", error.problem) from error


def _among(criterion: Criterion, directions: Mapping[str, bool | None], key: str) -> Criterion:
    """Return a criterion with what the logged values tell: that all names are right, and the mode where it is None."""
    expression = criterion.expression
    if expression.name is None and criterion.expr in directions:
        expression = Expression((criterion.expr,))
    try:
        expression.check(directions, "A validation")
    except ConfigError as error:
        raise ConfigError(f"{key}={criterion.expr}: {error} Choose one of these, or add its metric.") from None
    natural = _mode(expression, directions)
    mode = criterion.mode or natural
    if mode is None:
        why = "It is calculated" if expression.name is None else "Neither way is better by itself"
        raise ConfigError(f"{key}={criterion.expr}: {why}, so say what is better: {key}.mode=max or {key}.mode=min.")
    if natural not in (None, mode):
        raise ConfigError(
            f"{key}.mode={mode.value} is wrong for {criterion.expr}, of which {natural.value} is better. "
            f"Leave it out ({key}.mode=null)."
        )
    return Criterion(expr=str(expression), mode=mode, reduce=criterion.reduce, window=criterion.window)


def _mode(expression: Expression, directions: Mapping[str, bool | None]) -> Goal | None:
    """Return the mode that a plain name has by itself; None of anything else, and where neither way is better."""
    name = expression.name
    if name is None:
        return None
    prefixes = (prefix for prefix in directions if prefix.endswith("/") and name.startswith(prefix))
    higher = directions[name if name in directions else next(prefixes)]
    return None if higher is None else Goal.max if higher else Goal.min
