"""Expressions of named terms: `dice+focal`, `0.7*dice+0.3*focal`, `0.7dice+0.3focal`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dltools.cfgutils.errors import ConfigError
from dltools.cfgutils.groups import ORDERED, PLURAL, WEIGHTED

WEIGHT = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
"""Pattern of a weight."""

_TERM = re.compile(rf"\s*(?:(?P<weight>{WEIGHT})\s*\*?\s*)?(?P<name>[A-Za-z_]\w*)\s*")


@dataclass(frozen=True)
class Term:
    """One name of an expression and the weight written before it."""

    name: str
    weight: float | None = None

    def __str__(self) -> str:
        """Write the term in the form that no shell wants quoted."""
        return self.name if self.weight is None else f"{self.weight:g}{self.name}"


def is_expression(group: str, choice: str) -> bool:
    """Tell whether a choice of a group is an expression and not a plain name."""
    return group in PLURAL and not re.fullmatch(r"[A-Za-z_][\w-]*", choice)


def parse(group: str, expression: str) -> list[Term]:
    """Parse an expression into its terms, in canonical order: by name, unless order has a meaning in the group.

    Raises:
        ConfigError: the text is no sum of names, a name stands twice, or a weight stands where none is allowed.
    """
    terms: list[Term] = []
    position = 0
    while True:
        match = _TERM.match(expression, position)
        if match is None:
            raise _malformed(group, expression, position)
        weight = match["weight"]
        terms.append(Term(match["name"], None if weight is None else float(weight)))
        position = match.end()
        if position == len(expression):
            break
        if expression[position] != "+":
            raise _malformed(group, expression, position)
        position += 1
    _check(group, expression, terms)
    return terms if group in ORDERED else sorted(terms, key=lambda term: term.name)


def _malformed(group: str, expression: str, position: int) -> ConfigError:
    got = f"{expression[position]!r}" if position < len(expression) else "the end"
    example = "0.7*dice+0.3*focal" if group in WEIGHTED else "one+another"
    return ConfigError(
        f"{group}={expression}: expected a name at position {position + 1}, got {got}. "
        f"Write names joined by plus, such as {group}={example}."
    )


def _check(group: str, expression: str, terms: list[Term]) -> None:
    seen: set[str] = set()
    for term in terms:
        if term.name in seen:
            raise ConfigError(
                f"{group}={expression}: {term.name!r} is named twice. Name each term once"
                + (", with the sum of its weights." if group in WEIGHTED else ".")
            )
        seen.add(term.name)
        if term.weight is not None and group not in WEIGHTED:
            raise ConfigError(
                f"{group}={expression}: terms of {group!r} carry no weight; only {', '.join(sorted(WEIGHTED))} does. "
                f"Write {group}={'+'.join(term.name for term in terms)}."
            )
