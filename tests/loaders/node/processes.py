"""The processes of services, and their end."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import tempfile
from pathlib import Path


class Processes:
    """The processes of the services whose folder it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self.killed = False

    def services(self) -> list[int]:
        return [pid for pid in _all() if f"--lock={self._folder}/" in _read(pid, "cmdline")]

    def workers(self) -> list[int]:
        return [int(child) for pid in self.services() for child in _read(pid, f"task/{pid}/children").split()]

    def living(self) -> list[int]:
        return [*self.services(), *self.workers()]

    def kill(self, pids: list[int]) -> None:
        self.killed = True
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait(self, pids: list[int], seconds: float = 5.0) -> bool:
        """Wait for the end of processes; tell whether all have ended."""
        return all(_wait(pid, seconds) for pid in pids)


@contextlib.contextmanager
def short_folder():
    """A folder whose name is short enough for sockets, as those of pytest may not be."""
    path = Path(tempfile.mkdtemp(prefix="dl"))
    yield path
    shutil.rmtree(path)


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text().replace("\0", " ")
    except OSError:
        return ""


def _wait(pid: int, seconds: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(handle):
        return bool(select.select([handle], [], [], seconds)[0])
