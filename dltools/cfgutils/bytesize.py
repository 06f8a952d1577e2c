"""One notation for sizes: `20GiB`, `500MB`, `25%`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dltools.cfgutils.errors import ConfigError, FieldError

_BYTES = {"B": 1} | {
    f"{prefix}{infix}B": base**power
    for infix, base, prefixes in (("", 1000, "kMGT"), ("i", 1024, "KMGT"))
    for power, prefix in enumerate(prefixes, start=1)
}
_FORM = re.compile(rf"(\d+(?:\.\d+)?)\s?(%|{'|'.join(_BYTES)})")
_LEGAL = "'20GiB', '500MB' or '25%'"


@dataclass(frozen=True)
class ByteSize:
    """An amount of memory or disk: a number and one of `B`, `kB`, `KiB`, `MB`, ..., `TiB`, `%`.

    >>> ByteSize.parse("25%").bytes(whole=4096)
    1024
    """

    value: float
    unit: str

    @classmethod
    def parse(cls, text: str, field: str | None = None) -> ByteSize:
        """Read a size.

        Args:
            text: a number and its unit; zero is a size, a negative number is not.
            field: name of the component's field that holds it, for the message.

        Raises:
            ConfigError: the text is no size (a `FieldError` where `field` is given).
        """
        match = _FORM.fullmatch(str(text).strip())
        if match is None:
            raise _refusal(f"must be a size such as {_LEGAL}, got {text!r}", field)
        value, unit = float(match[1]), match[2]
        if unit == "%" and value > 100:
            raise _refusal(f"must be at most 100%, got {text!r}", field)
        return cls(value, unit)

    def bytes(self, whole: int) -> int:
        """Size in bytes, rounded down.

        Args:
            whole: what percent are of, in bytes.
        """
        return int(self.value * whole / 100) if self.unit == "%" else int(self.value * _BYTES[self.unit])

    def __str__(self) -> str:
        """Write the size as `parse` reads it."""
        return f"{self.value:.15g}{self.unit}"


def readable(count: int) -> str:
    """Return a number of bytes in the largest unit of which there is one: `1.5 GiB`.

    Args:
        count: of bytes, at least 0.
    """
    unit = next((unit for unit in ("TiB", "GiB", "MiB", "KiB") if count >= _BYTES[unit]), "B")
    return f"{count} B" if unit == "B" else f"{count / _BYTES[unit]:.1f} {unit}"


def _refusal(problem: str, field: str | None) -> ConfigError:
    return ConfigError(f"A size {problem}.") if field is None else FieldError(field, problem)
