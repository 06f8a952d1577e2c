"""How much disk all caches of samples may take together."""

from __future__ import annotations

import os
import shutil
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from dltools.cfgutils.bytesize import ByteSize

DEFAULT = (ByteSize(20, "GiB"), ByteSize(25, "%"))
MOST = ByteSize(90, "%")
"""Whatever is allowed, some of the disk is left for checkpoints."""
STEP = 16 * 2**20
"""Most bytes that a writer sets aside at once."""
PATIENCE = 0.25
"""Seconds to wait for others that count; who still waits then leaves its sample to the next who comes by."""


class FullError(Exception):
    """All that is allowed is taken."""


def used_in(root: Path) -> int:
    """Return the bytes that the files of all caches in a folder have, or may still fill.

    Args:
        root: the folder; it may be missing.
    """
    try:
        folders = [entry.path for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return 0
    return sum(_size_of(folder) for folder in folders)


def limit_of(text: str | None, root: Path) -> int:
    """Return the bytes that caches may take.

    Args:
        text: as `ByteSize.parse` reads it, percent of what is free or taken by caches; None is 20 GiB or 25 % of that,
            whichever is less. It is never more than 90 %.
        root: folder of the caches.

    Raises:
        FieldError: the text is no size.
        OSError: the disk cannot be asked.
    """
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    whole = shutil.disk_usage(there).free + used_in(root)
    sizes = DEFAULT if text is None else (ByteSize.parse(text, "cache_limit"),)
    return min(size.bytes(whole) for size in (*sizes, MOST))


class Room:
    """What is left for caches; counted by all writers one after the other.

    Args:
        root: folder of all caches.
        limit: what they may take together, as `limit_of` reads it.
    """

    def __init__(self, root: Path, limit: str | None) -> None:
        self.root = root
        self._text = limit

    @cached_property
    def limit(self) -> int:
        """Bytes that all caches may take, by the disk as this process finds it first."""
        return limit_of(self._text, self.root)

    def extend(self, descriptor: int, size: int, wanted: int) -> int:
        """Make a file longer, by more than is wanted if it is large already, and return its new size.

        Nobody counts while another does, and what is set aside is counted at once: the limit holds for all writers.

        Raises:
            FullError: the limit does not leave so much.
            filelock.Timeout: others count for too long.
            OSError: the file cannot grow.
        """
        with FileLock(self.root / ".lock", timeout=PATIENCE, poll_interval=0.002):
            left = self.limit - used_in(self.root)
            if left < wanted:
                raise FullError
            size += min(max(wanted, min(size, STEP)), left)
            os.truncate(descriptor, size)
            return size


def _size_of(folder: str) -> int:
    """Return the bytes of the files in a folder, which may vanish meanwhile."""
    total = 0
    try:
        for entry in os.scandir(folder):
            total += entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        pass
    return total
