"""Run lengths of COCO: masks as alternating counts of empty and full pixels, column by column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def decode(counts: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask (H, W) of run lengths.

    Args:
        counts: (n,) lengths of the runs, in turn of empty and of full pixels, down the columns.
        height: H.
        width: W.

    Raises:
        ValueError: a count is negative, or they do not add up to H * W.
    """
    if len(counts) and not 0 <= counts.min() <= counts.max() <= height * width:
        raise ValueError(f"counts must be in 0..{height * width}, got {counts.min()} to {counts.max()}")
    if counts.sum() != height * width:
        raise ValueError(
            f"counts must add up to {height * width}, the pixels of {width} x {height}, not {counts.sum()}"
        )
    full = np.arange(len(counts)) % 2 == 1
    return np.repeat(full, counts).reshape(width, height).T


def unpack(text: bytes) -> NDArray[np.int64]:
    """Return the counts of a compressed string.

    Each character holds 5 bits, lowest first, and whether more follow; from the fourth number on, the difference to
    the last but one stands there. Source: `rleFrString` of cocoapi.

    Raises:
        ValueError: there are other characters, the string ends within a number, or a number has more than 7 characters.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if len(codes) and (codes.min() < 0 or codes.max() > 63):
        raise ValueError(f"no characters but '0' to 'o' may stand in compressed counts, got {text[:20]!r}")
    ends = np.flatnonzero(codes & 32 == 0)
    if len(codes) and (not len(ends) or ends[-1] != len(codes) - 1):
        raise ValueError("compressed counts end within a number; they are cut short")
    starts = np.append(0, ends[:-1] + 1) if len(ends) else ends
    lengths = ends - starts + 1
    if len(lengths) and lengths.max() > 7:
        raise ValueError("a number in compressed counts has more than 7 characters")
    places = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    values = np.add.reduceat((codes & 31) << places, starts) if len(starts) else codes
    values -= np.where(codes[ends] & 16, 1 << 5 * lengths, 0)
    for first in (1, 2):  # from the fourth number on, each adds to the last but one
        values[first::2] = np.cumsum(values[first::2])
    return values
