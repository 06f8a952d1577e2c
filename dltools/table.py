"""Numbers with rows and columns: what metrics make and writers keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """Numbers with rows and columns, such as a confusion matrix."""

    values: NDArray[Any]
    """(R, C)."""
    rows: list[str]
    """Names of the rows."""
    columns: list[str]
    """Names of the columns."""


def numbered(rows: int, columns: int) -> tuple[list[str], list[str]]:
    """Return names of rows and columns that have none: their numbers."""
    return [str(row) for row in range(rows)], [str(column) for column in range(columns)]
