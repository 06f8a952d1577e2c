"""What a run does without: samples that cannot be read, with loader.on_error=skip."""

from __future__ import annotations

import logging

from dltools.cfgutils import DataError

logger = logging.getLogger(__name__)
SHOWN = 5
"""Samples that an error tells of."""


def note_skipped(seen: dict[int, str], found: dict[int, str], stage: str, size: int, allowed: float) -> None:
    """Add the samples that a batch goes without to those of its split, each told of once.

    Args:
        seen: reasons by index, of all that the split went without so far.
        found: those of the batch.
        stage: name of the split.
        size: samples of the split.
        allowed: largest share of them that may be left out.

    Raises:
        DataError: they are too many.
    """
    for index, reason in found.items():
        if index not in seen:
            logger.warning("Sample %d of the %s split is left out: %s", index, stage, reason)
            seen[index] = reason
    if len(seen) > allowed * size:
        first = "\n".join(f"  sample {index}: {reason}" for index, reason in list(seen.items())[:SHOWN])
        raise DataError(
            f"{len(seen)} of {size} samples of the {stage} split cannot be read, more than "
            f"loader.max_skipped={allowed:g} allows. Mend or remove them; "
            f"`python -m dltools doctor` with the same data lists all. The first:\n{first}"
        )
