"""Files with the bytes of samples: each process appends to its own, and all read all of them.

They are read into arrays of the caller, not mapped: the page cache is shared all the same, and a file that somebody
cuts short is an error that can be handled, where a map would end the process.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from dltools.loaders.samples.codec import DamagedError
from dltools.loaders.samples.handle import Handle
from dltools.loaders.samples.room import Room

MOST_OPEN = 16
"""Segments that a process keeps open for reading."""


class SegmentReader:
    """Reads the segments of a folder; may be used by several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, Handle] = {}

    def file(self, number: int) -> Handle:
        """Return a segment.

        Raises:
            DamagedError: there is none of that number.
            OSError: it cannot be opened.
        """
        file = self._files.get(number)
        if file is None:
            try:
                file = Handle(_path(self._folder, number), os.O_RDONLY)
            except FileNotFoundError:
                raise DamagedError("its segment is gone") from None
            if len(self._files) >= MOST_OPEN:
                self._files = {}
            self._files[number] = file
        return file


def read_into(file: Handle, buffers: Sequence[Any], offset: int) -> None:
    """Fill buffers with the bytes of a segment, one after the other.

    Raises:
        DamagedError: the segment ends before.
        OSError: it cannot be read.
    """
    for buffer in buffers:
        view = memoryview(buffer)
        while len(view):
            count = os.preadv(file.descriptor, [view], offset)
            if count == 0:
                raise DamagedError("its segment is cut short")
            view, offset = view[count:], offset + count


class SegmentWriter:
    """A new segment of this process; what it sets aside and does not use is given back at the end.

    Args:
        folder: of the segments.
        room: what is left for all caches.

    Raises:
        OSError: no file can be made there.
    """

    def __init__(self, folder: Path, room: Room) -> None:
        self.number = secrets.randbits(32)
        path = _path(folder, self.number)
        self._file = Handle(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self._room = room
        self._size = 0
        self._end = [0]
        self._trimmer = Finalize(self, _trim, (self._file, path, self._end), exitpriority=0)

    @property
    def is_cut(self) -> bool:
        """Whether somebody cut the file short; were it made longer again, zeros would stand where samples were."""
        return self._file.size < self._size

    def append(self, parts: Sequence[Any], length: int) -> int:
        """Write buffers and return the place of their first byte.

        Raises:
            FullError: the limit is reached.
            filelock.Timeout: the room could not be counted now.
            OSError: they cannot be written.
        """
        begin = offset = self._end[0]
        if begin + length > self._size:
            self._size = self._room.extend(self._file.descriptor, self._size, begin + length - self._size)
        for part in parts:
            view = memoryview(part)
            while len(view):
                count = os.pwrite(self._file.descriptor, view, offset)
                view, offset = view[count:], offset + count
        self._end[0] = offset
        return begin


def _trim(file: Handle, path: Path, end: list[int]) -> None:
    """Give back what was not used; nobody reads beyond it."""
    try:
        if file.size > end[0]:  # else somebody cut it, and it must not grow again
            os.truncate(file.descriptor, end[0])
        if end[0] == 0:
            path.unlink(missing_ok=True)
    except OSError:
        pass


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:08x}.bin"
