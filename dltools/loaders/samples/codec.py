"""A sample as bytes: a head that tells keys, types and shapes, then the arrays one after the other.

The head is JSON, a row for each key: `[key, "", value]` for a plain value, `[key, dtype, shape]` for an array and
`[key, dtype, null]` for a number of numpy. Nothing in it is code, so that bytes of others are no danger.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PLAIN = (bool, int, float, str, type(None))
KINDS = "biufcSUMm"
"""Kinds of numpy's types that are bytes and nothing else: no objects, no records."""


class UncacheableError(TypeError):
    """A sample has something that is neither a plain value nor an array of numbers or texts."""


class DamagedError(ValueError):
    """Bytes are not what was written."""


class Encoded(NamedTuple):
    """The bytes of a sample."""

    head: bytes
    arrays: list[NDArray[np.uint8]]

    @property
    def parts(self) -> list[Any]:
        """All buffers in order."""
        return [self.head, *self.arrays]

    @property
    def length(self) -> int:
        """Bytes of all of them."""
        return len(self.head) + sum(len(array) for array in self.arrays)


def encode(sample: Mapping[str, Any]) -> Encoded:
    """Return the bytes of a sample; those of its arrays are not copied where they lie in order.

    Raises:
        UncacheableError: it holds something else than plain values and arrays; names the key.
    """
    rows: list[list[Any]] = []
    arrays = []
    for key, value in sample.items():
        if type(value) in PLAIN:
            rows.append([key, "", value])
            continue
        array = np.asarray(value, order="C") if isinstance(value, np.generic | np.ndarray) else None
        is_ours = array is not None and array.dtype.kind in KINDS and array.dtype.itemsize
        if array is None or not is_ours or type(value) is np.ma.MaskedArray:
            raise UncacheableError(f"{key!r} is a {_words_for(value)}")
        rows.append([key, array.dtype.str, None if isinstance(value, np.generic) else array.shape])
        arrays.append(array.reshape(-1).view(np.uint8))
    try:
        return Encoded(json.dumps(rows).encode(), arrays)
    except (TypeError, ValueError) as error:
        raise UncacheableError(str(error)) from error


def checksum_of(parts: list[Any]) -> int:
    """Return the CRC-32 of buffers as if they were one."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total


class Layout(NamedTuple):
    """What a head tells: rows of key and value or, for an array, its type, its shape and its bytes, yet to be read."""

    rows: list[tuple[str, Any, np.dtype[Any] | None]]
    arrays: list[NDArray[np.uint8]]

    def sample(self) -> dict[str, Any]:
        """Return the sample, its arrays made of the bytes; to be asked once."""
        buffers = iter(self.arrays)
        result = {}
        for key, value, kind in self.rows:
            if kind is None:
                result[key] = value
            else:
                array: NDArray[Any] = np.ndarray(value or (), kind, next(buffers))
                result[key] = array[()] if value is None else array
        return result


def layout_of(head: bytes, room: int) -> Layout:
    """Return what a head tells, with empty buffers for the arrays.

    Args:
        head: as `encode` makes it; from outside, so that nothing of it is believed.
        room: bytes of all arrays together.

    Raises:
        DamagedError: it is no head, or not of arrays of that many bytes.
    """
    rows: list[tuple[str, Any, np.dtype[Any] | None]] = []
    sizes = []
    try:
        for key, name, value in json.loads(head):
            kind = np.dtype(name) if name else None
            rows.append((key, value, kind))
            if kind is not None:
                sizes.append(_size_of(kind, value))
    except (ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise DamagedError(f"its head cannot be read: {error}") from error
    if sum(sizes) != room:
        raise DamagedError(f"its arrays have {room} bytes, and its head tells of {sum(sizes)}")
    return Layout(rows, [np.empty(size, np.uint8) for size in sizes])


def _size_of(kind: np.dtype[Any], shape: Any) -> int:
    """Return the bytes of an array or a number."""
    sides = [] if shape is None else list(shape)
    if kind.kind not in KINDS or len(sides) > 64 or not all(type(side) is int and side >= 0 for side in sides):
        raise ValueError(f"{kind} of shape {shape}")
    return math.prod(sides) * kind.itemsize


def _words_for(value: Any) -> str:
    return f"{type(value).__name__} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
