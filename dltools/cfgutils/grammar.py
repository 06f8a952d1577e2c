"""From the text of an expression to its steps, in the order in which a stack calculates them.

sum      =  product (("+" | "-") product)*
product  =  unary (("*" | "/") unary)*
unary    =  "-" unary  |  power
power    =  atom ["**" unary]
atom     =  number  |  name  |  function "(" sum ("," sum)* ")"  |  "(" sum ")"
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dltools.cfgutils.errors import ConfigError
from dltools.cfgutils.nearest import did_you_mean

LONGEST = 1000
"""Characters that an expression may have."""
DEEPEST = 40
"""Parentheses, signs and powers that may stand inside each other."""

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)
"""How tightly things hold together, the loosest first."""
BINARY = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "**": POWER}
"""Operators between two values, and how tightly each holds."""

_TOKEN = re.compile(
    r"""(?P<blank>\s+)
    |   (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)
    |   (?P<name>[a-z_]\w*(?:/\w+)*)
    |   (?P<quoted>'[^']+'|"[^"]+")
    |   (?P<sign>\*\*|[-+*/(),])""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Call:
    """A step that takes the newest values from the stack and puts the result of an operator or a function there."""

    name: str
    """The operator or function; a minus sign is `negative`."""
    count: int
    """How many values it takes."""


Step = float | str | Call
"""A number or the value of a name, which goes onto the stack, or a call."""


class Token(NamedTuple):
    """A word of an expression."""

    kind: str
    text: str
    position: int


def steps_of(text: str, functions: Mapping[str, tuple[int, int | None]]) -> list[Step]:
    """Return the steps of an expression.

    Args:
        text: the expression.
        functions: the fewest and the most arguments of each function; None is as many as there are.

    Raises:
        ConfigError: it cannot be read; the message tells at which character, and what would be right.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"it has {len(text)} characters, and may have {LONGEST}")
    parser = _Parser(_tokens(text), functions)
    parser.read(SUM)
    if parser.token.kind != "end":
        raise parser.expected("an operator")
    return parser.steps


def is_plain(name: str) -> bool:
    """Tell whether a name needs no quotes."""
    match = _TOKEN.fullmatch(name)
    return match is not None and match.lastgroup == "name"


def _tokens(text: str) -> list[Token]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ConfigError(_stray(text, position))
        if match.lastgroup != "blank":
            tokens.append(Token(match.lastgroup, match[0], position))
        position = match.end()
    return [*tokens, Token("end", "the end", len(text))]


def _stray(text: str, position: int) -> str:
    where = f"at character {position + 1}"
    if text[position] in "'\"":
        return f"{where}: this quote begins a name that is empty or has no end"
    return (
        f"{where}: {text[position]!r} means nothing here. Values are joined by + - * / **; "
        "a name with other characters than letters, digits, _ and / stands in quotes"
    )


class _Parser:
    """Reads tokens from left to right, each once, and writes down steps."""

    def __init__(self, tokens: list[Token], functions: Mapping[str, tuple[int, int | None]]) -> None:
        self.steps: list[Step] = []
        self._tokens = tokens
        self._functions = functions
        self._next = 0
        self._depth = 0

    @property
    def token(self) -> Token:
        """The first token that is not yet read."""
        return self._tokens[self._next]

    def read(self, loosest: int) -> None:
        """Read a value and the operators behind it that hold at least as tightly as `loosest`."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(self.token, f"more than {DEEPEST} parentheses, signs or powers stand inside each other")
        if self._take("-"):
            self.read(UNARY)
            self.steps.append(Call("negative", 1))
        else:
            self._read_atom()
        while (level := BINARY.get(self.token.text, -1)) >= loosest and self.token.kind == "sign":
            operator = self._advance().text
            self.read(UNARY if level == POWER else level + 1)
            self.steps.append(Call(operator, 2))
        self._depth -= 1

    def expected(self, what: str) -> ConfigError:
        """Return an error that says what should stand where something else does."""
        before, token = self._tokens[max(self._next - 1, 0)], self.token
        hint = ""
        if before.kind == "number" and token.kind == "name":
            hint = f" (did you mean {before.text}*{token.text}?)"
        elif before.kind == "name" and token.kind in ("name", "number", "quoted"):
            hint = ". A name with blanks or dots stands in quotes"
        return self._wrong(
            token, f"expected {what}, got {token.text if token.kind == 'end' else repr(token.text)}{hint}"
        )

    def _read_atom(self) -> None:
        token = self.token
        if token.kind == "number":
            self.steps.append(self._number(self._advance()))
        elif token.kind == "quoted":
            self.steps.append(self._advance().text[1:-1])
        elif token.kind == "name":
            self._advance()
            if self._take("("):
                self._read_arguments(token)
            elif token.text in self._functions:
                raise self._wrong(token, f"{token.text} is a function: write {token.text}(...)")
            else:
                self.steps.append(token.text)
        elif self._take("("):
            self.read(SUM)
            self._close("an operator or ')'")
        else:
            raise self.expected("a number, a name or '('")

    def _read_arguments(self, function: Token) -> None:
        name = function.text
        if name not in self._functions:
            known = ", ".join(self._functions)
            hint = did_you_mean(name, self._functions)
            raise self._wrong(function, f"there is no function {name!r}.{hint} Functions: {known}")
        count = 1
        self.read(SUM)
        while self._take(","):
            self.read(SUM)
            count += 1
        self._close("an operator, ',' or ')'")
        fewest, most = self._functions[name]
        if count < fewest or (most is not None and count > most):
            takes = f"{fewest} value{'s' * (fewest > 1)}" + (" or more" if most is None else "")
            raise self._wrong(function, f"{name} takes {takes}, got {count}")
        self.steps.append(Call(name, count))

    def _number(self, token: Token) -> float:
        value = float(token.text)
        if math.isinf(value):
            raise self._wrong(token, "this number is too large")
        return value

    def _take(self, sign: str) -> bool:
        """Read a sign if it is next."""
        if self.token.kind == "sign" and self.token.text == sign:
            self._advance()
            return True
        return False

    def _close(self, what: str) -> None:
        if not self._take(")"):
            raise self.expected(what)

    def _advance(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    @staticmethod
    def _wrong(token: Token, problem: str) -> ConfigError:
        return ConfigError(f"at character {token.position + 1}: {problem}")
