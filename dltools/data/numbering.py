"""Names of classes that have only numbers."""

from __future__ import annotations

from dltools.cfgutils import DataError

MOST = 100_000
"""Largest number that counts as a label id; a larger one is a mistake, not a class."""


def numbered(largest: int, source: str) -> list[str]:
    """Return the numbers from 0 to the largest label, as names.

    Args:
        largest: the largest label.
        source: where it stands, for the error.

    Raises:
        DataError: it is too large to be one of so many classes.
    """
    if largest > MOST:
        raise DataError(
            f"{source}: label {largest} would make as many classes; expected ids that count from 0, or the names in "
            "data.class_names."
        )
    return [str(number) for number in range(largest + 1)]
