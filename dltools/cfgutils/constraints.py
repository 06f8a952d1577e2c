"""Values that a field may take, declared in its type and checked when a component is built.

epochs: PositiveInt = 10
dropout: Probability = 0.0
"""

from __future__ import annotations

import enum
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt

from dltools.cfgutils.errors import FieldError
from dltools.cfgutils.nearest import did_you_mean

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Probability = Annotated[float, Interval(ge=0, le=1)]

OnError = enum.Enum("OnError", {"raise": "raise", "skip": "skip"}, type=str, module=__name__)
"""What becomes of a sample that cannot be read: an error ends it all (raise), or it is left out and listed (skip)."""

_BOUNDS = (
    ("ge", "at least", lambda value, bound: value >= bound),
    ("gt", "greater than", lambda value, bound: value > bound),
    ("le", "at most", lambda value, bound: value <= bound),
    ("lt", "less than", lambda value, bound: value < bound),
)


def check_fields(instance: Any) -> None:
    """Check the fields of a dataclass instance against their declared bounds and turn strings into enum members.

    Raises:
        FieldError: a value is out of its bounds or not a member of the field's enum.
    """
    for name, hint in get_type_hints(type(instance), include_extras=True).items():
        if name not in instance.__dataclass_fields__:
            continue
        value = getattr(instance, name)
        if value is None:
            continue
        plain, bounds = _split(hint)
        if isinstance(plain, type) and issubclass(plain, enum.Enum) and not isinstance(value, plain):
            setattr(instance, name, _member(name, plain, value))
        elif isinstance(value, (int, float)):
            _check_bounds(name, value, bounds)


def _split(hint: Any) -> tuple[Any, list[Any]]:
    """Return the bare type and the bounds of `Annotated[T, ...]`, of `T`, or of either joined with None."""
    if get_origin(hint) is Annotated:
        plain, *bounds = get_args(hint)
        return plain, bounds
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        options = [option for option in get_args(hint) if option is not type(None)]
        if len(options) == 1:
            return _split(options[0])
    return hint, []


def _member(name: str, choices: type[enum.Enum], value: Any) -> enum.Enum:
    if str(value) in choices.__members__:
        return choices[str(value)]
    hint = did_you_mean(str(value), choices.__members__)
    raise FieldError(name, f"must be one of {', '.join(choices.__members__)}, got {value!r}.{hint}")


def _check_bounds(name: str, value: float, bounds: list[Any]) -> None:
    for bound in bounds:
        if not isinstance(bound, (Ge, Gt, Le, Lt, Interval)):
            continue
        for attribute, words, holds in _BOUNDS:
            limit = getattr(bound, attribute, None)
            if limit is not None and not holds(value, limit):
                raise FieldError(name, f"must be {words} {limit}, got {value}")
