"""Samples by position, kept in files that all processes of a node share."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from dltools.cfgutils.bytesize import readable
from dltools.cfgutils.cache_folder import cache_folder
from dltools.loaders.samples.codec import DamagedError, UncacheableError, checksum_of, encode, layout_of
from dltools.loaders.samples.index_file import IndexFile, Record, StaleError
from dltools.loaders.samples.inventory import ABOUT, INDEX, create, discard
from dltools.loaders.samples.room import FullError, Room
from dltools.loaders.samples.segments import SegmentReader, SegmentWriter, read_into

logger = logging.getLogger(__name__)
PATIENCE = 10.0
"""Seconds to wait for another process that makes the same cache."""


def samples_folder() -> Path:
    """Return the folder of all caches of samples."""
    return cache_folder() / "samples"


class SampleStore:
    """What has been put in by any process, until the limit is reached; nothing is ever dropped for something else.

    Trouble is no error: what cannot be read is as if it had not been put in, and what cannot be written is not kept,
    of which one warning tells. Can be pickled, forked, and used by several threads; files are opened when they are
    needed first.

    Args:
        folder: of this cache, in the folder of all caches.
        size: number of samples.
        fingerprint: of all that the samples are made of; samples of another are stale and removed.
        limit: what all caches in that folder may take together, as `limit_of` reads it.
        about: what people are told that the samples are.
    """

    def __init__(self, folder: Path, size: int, fingerprint: str, limit: str | None, about: str = "") -> None:
        self.folder = folder
        self.size = size
        self.fingerprint = fingerprint
        self.limit = limit
        self.about = about
        self._opened: _Opened | None = None

    def get(self, index: int) -> dict[str, Any] | None:
        """Return a sample whose arrays are the caller's own, None where it is not kept.

        Args:
            index: its position.
        """
        here = self._here
        if here.index is None or not 0 <= index < self.size:
            return None
        return here.get(here.index, index)

    def put(self, index: int, sample: Mapping[str, Any]) -> bool:
        """Keep a sample and tell whether it is kept now.

        Args:
            index: its position.
            sample: plain values, and arrays of numbers or texts, by name.
        """
        here = self._here
        if here.index is None or here.is_stopped or not 0 <= index < self.size:
            return False
        return here.put(here.index, index, sample)

    @property
    def damaged(self) -> int:
        """How often this process found something that was not as it had been written."""
        return 0 if self._opened is None else self._opened.damaged

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a process."""
        return {**vars(self), "_opened": None}

    @property
    def _here(self) -> _Opened:
        """The files as this process has opened them."""
        if self._opened is None or self._opened.process != os.getpid():
            self._opened = _Opened(self)
        return self._opened


class _Opened:
    """The files of a cache in one process.

    Args:
        store: tells which.
    """

    def __init__(self, store: SampleStore) -> None:
        self.process = os.getpid()
        self.is_stopped = False
        self.damaged = 0
        self._folder = store.folder
        self._room = Room(store.folder.parent, store.limit)
        self._told = False
        self._lock = threading.Lock()
        self._bad: dict[int, Record] = {}
        self._reader = SegmentReader(store.folder)
        self._writer: SegmentWriter | None = None
        self.index: IndexFile | None = None
        try:
            self.index = _index(store)
            self._checked = np.zeros(store.size, np.uint32)  # checksums of those found whole; pages come with use
            with suppress(OSError):
                os.utime(store.folder / ABOUT)
        except OSError as error:
            self._stop(f"it cannot be opened: {error}")

    def get(self, file: IndexFile, index: int) -> dict[str, Any] | None:
        """Return a sample, None where it is not kept, or damaged."""
        record = None
        try:
            record = file.read(index)
            return None if record is None else self._read(index, record)
        except DamagedError as error:
            self.damaged += 1
            if self.damaged == 1:
                logger.warning("Sample %d of %s is made anew: %s.", index, self._folder, error)
            if record is not None:
                self._bad[index] = record
        except OSError:
            pass
        return None

    def put(self, file: IndexFile, index: int, sample: Mapping[str, Any]) -> bool:
        """Keep a sample unless another process has done so; the record is written last."""
        try:
            encoded = encode(sample)
        except UncacheableError as error:
            if not self._told:
                self._told = True
                logger.warning("Sample %d cannot be kept in %s: %s.", index, self._folder, error)
            return False
        with self._lock:
            try:
                if self._has(file, index):
                    return True
                if file.is_removed:
                    self._stop("it was removed while in use")
                    return False
                if self._writer is None or self._writer.is_cut:
                    self._writer = SegmentWriter(self._folder, self._room)
                begin = self._writer.append(encoded.parts, encoded.length)
                checksum = checksum_of(encoded.parts)
                file.write(index, Record(begin, encoded.length, len(encoded.head), self._writer.number, checksum))
                return True
            except Timeout:
                return False
            except FullError:
                limit = f"{readable(self._room.limit)} for all caches together (loader.cache_limit)"
                self._stop(f"the limit is reached, {limit}; `python -m dltools cache rm` makes room")
            except OSError as error:
                self._stop(str(error))
            return False

    def _read(self, index: int, record: Record) -> dict[str, Any]:
        """Return the sample of a record; its checksum is looked at when this process reads it first.

        Raises:
            DamagedError: it is not what was written.
            OSError: it cannot be read.
        """
        file = self._reader.file(record.segment)
        if record.head > record.length or record.offset + record.length > file.size:
            raise DamagedError("its segment is cut short")
        head = os.pread(file.descriptor, record.head, record.offset)
        layout = layout_of(head, record.length - record.head)
        read_into(file, layout.arrays, record.offset + record.head)
        if self._checked[index] != record.checksum:
            if checksum_of([head, *layout.arrays]) != record.checksum:
                raise DamagedError("its bytes are not those that were written")
            self._checked[index] = record.checksum
        return layout.sample()

    def _has(self, file: IndexFile, index: int) -> bool:
        """Tell whether a sample is kept, as far as is known."""
        try:
            record = file.read(index)
        except DamagedError:
            return False
        return record is not None and record != self._bad.get(index)

    def _stop(self, reason: str) -> None:
        """Keep no more samples."""
        self.is_stopped = True
        logger.warning("The cache of samples in %s is filled no further: %s.", self._folder, reason)


def _index(store: SampleStore) -> IndexFile:
    """Return the index of a store, made anew where it is missing or stale.

    Raises:
        OSError: it cannot be read or made.
    """
    if not hasattr(os, "preadv"):
        raise OSError("this system cannot read at a position")
    path = store.folder / INDEX
    with suppress(FileNotFoundError, StaleError):
        return IndexFile(path, store.size, store.fingerprint)
    store.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(store.folder.parent / ".lock", timeout=PATIENCE, poll_interval=0.01):
        try:
            return IndexFile(path, store.size, store.fingerprint)  # another process may have been quicker
        except StaleError as error:
            logger.warning("%s is stale and made anew: %s.", store.folder, error)
        except FileNotFoundError:
            pass
        if store.folder.exists():
            discard(store.folder)
        create(store.folder, store.size, store.fingerprint, store.about)
        return IndexFile(path, store.size, store.fingerprint)
