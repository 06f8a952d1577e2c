"""Where the service of a node is, and what it may take."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

_GB = 1 << 30


@dataclass(frozen=True)
class Node:
    """The service that a loader asks; the first who asks says what it may take.

    Args:
        folder: holds its socket, lock and log, for one user; None takes DLTOOLS_RUNTIME, or `dltools` in
            XDG_RUNTIME_DIR, or `dltools-<user>` in the folder of temporary files.
        workers: processes that make batches; None takes the cores that this process may use, less `reserve`.
        reserve: cores to leave to the trials.
        budget: bytes of batches to remember; None takes a quarter of the free memory, at most 4 GB.
        linger: seconds to stay after the last client has gone.
    """

    folder: Path | None = None
    workers: int | None = None
    reserve: int = 1
    budget: int | None = None
    linger: float = 60.0

    def place(self) -> Path:
        """Return the folder, made for this user alone.

        Raises:
            PermissionError: it is another user's, or others may enter it.
        """
        own = self.folder or os.environ.get("DLTOOLS_RUNTIME")
        session = os.environ.get("XDG_RUNTIME_DIR")
        temporary = Path(tempfile.gettempdir(), f"dltools-{os.getuid()}")
        folder = Path(own) if own else Path(session, "dltools") if session else temporary
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.lstat()
        if state.st_uid != os.getuid() or state.st_mode & 0o077:
            raise PermissionError(f"{folder} must belong to this user and be closed to others (chmod 700).")
        return folder

    def processes(self) -> int:
        """Return the number of workers."""
        return self.workers or max(cores() - self.reserve, 1)

    def bytes(self) -> int:
        """Return the bytes of batches to remember."""
        return self.budget or min(free_memory() // 4, 4 * _GB)


def cores() -> int:
    """Return the cores that this process may use, by its affinity and its cgroup."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _words("/sys/fs/cgroup/cpu.max")
    if len(quota) == 2 and quota[0] != "max":
        allowed = min(allowed, max(int(quota[0]) // int(quota[1]), 1))
    return allowed


def free_memory() -> int:
    """Return the bytes of memory that may still be taken, by the system and the cgroup."""
    rows = dict(line.split(":") for line in _text("/proc/meminfo").splitlines())
    free = int(rows["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in rows else 4 * _GB
    limit, taken = _words("/sys/fs/cgroup/memory.max"), _words("/sys/fs/cgroup/memory.current")
    if limit and taken and limit[0] != "max":
        free = min(free, max(int(limit[0]) - int(taken[0]), 0))
    return free


def _words(path: str) -> list[str]:
    return _text(path).split()


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
