"""The file that tells where each sample lies: a header, then a record of fixed size for each.

A record is written after the bytes of its sample and has a checksum of its own, so that it is there as a whole or not
at all. The file is never made shorter or longer.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dltools.loaders.samples.codec import DamagedError
from dltools.loaders.samples.handle import Handle

MAGIC = b"dltools samples 1\n"
HEADER = struct.Struct("<24sQ32s")
BODY = struct.Struct("<QQIII")
RECORD_SIZE = BODY.size + 4
EMPTY = bytes(RECORD_SIZE)


class StaleError(ValueError):
    """A file is not of the samples that are asked for, or was cut."""


class Record(NamedTuple):
    """Where a sample lies: its first byte, the bytes of it and of its head, in which segment; and their checksum."""

    offset: int
    length: int
    head: int
    segment: int
    checksum: int


class IndexFile:
    """An index that is open.

    Args:
        path: the file.
        size: number of samples.
        fingerprint: what the samples are.

    Raises:
        FileNotFoundError: there is none.
        StaleError: it is of others, or cut.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, size: int, fingerprint: str) -> None:
        self._file = _opened(path)
        header = os.pread(self._file.descriptor, HEADER.size, 0)
        if header != _header(size, fingerprint) or self._file.size != HEADER.size + size * RECORD_SIZE:
            raise StaleError("it is of other data, transforms or versions, or damaged")

    @property
    def is_removed(self) -> bool:
        """Whether the file has no name any more."""
        return self._file.is_removed

    def read(self, index: int) -> Record | None:
        """Return the record of a sample, None where it has none.

        Raises:
            DamagedError: the record is not what was written.
        """
        content = os.pread(self._file.descriptor, RECORD_SIZE, HEADER.size + index * RECORD_SIZE)
        if content == EMPTY:
            return None
        body = content[: BODY.size]
        if content[BODY.size :] != _check(body, index):
            raise DamagedError("its record in the index is damaged")
        return Record(*BODY.unpack(body))

    def write(self, index: int, record: Record) -> None:
        """Let a sample be found.

        Raises:
            OSError: it cannot be written.
        """
        body = BODY.pack(*record)
        os.pwrite(self._file.descriptor, body + _check(body, index), HEADER.size + index * RECORD_SIZE)


def create_index(path: Path, size: int, fingerprint: str) -> None:
    """Write an index without records.

    Raises:
        OSError: it cannot be written.
    """
    with open(path, "wb") as file:
        file.write(_header(size, fingerprint))
        file.truncate(HEADER.size + size * RECORD_SIZE)


def count_records(path: Path) -> tuple[int, int]:
    """Return how many samples of an index have a record, and how many there are; (0, 0) of what is no index."""
    content = path.read_bytes()
    if len(content) < HEADER.size or not content.startswith(MAGIC):
        return 0, 0
    whole = (len(content) - HEADER.size) // RECORD_SIZE
    rows = np.frombuffer(content, np.uint64, offset=HEADER.size, count=whole * (RECORD_SIZE // 8))
    return int(rows.reshape(whole, -1).any(1).sum()), HEADER.unpack_from(content)[1]


def _opened(path: Path) -> Handle:
    """Return an index, to be read only where it cannot be written."""
    try:
        return Handle(path, os.O_RDWR)
    except FileNotFoundError:
        raise
    except OSError:
        return Handle(path, os.O_RDONLY)


def _header(size: int, fingerprint: str) -> bytes:
    return HEADER.pack(MAGIC, size, hashlib.blake2b(fingerprint.encode(), digest_size=32).digest())


def _check(body: bytes, index: int) -> bytes:
    """Return the checksum of a record at its place; never 0, so that no record is taken for none."""
    return (zlib.crc32(body, index & 0xFFFFFFFF) or 1).to_bytes(4, "little")
