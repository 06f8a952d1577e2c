"""A worker as the service sees it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

from dltools.loaders.node.protocol import Channel

_ONE = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Worker:
    """A process that makes one batch at a time.

    Args:
        number: counts the workers, from 0.

    Attributes:
        number: the same.
        job: what it makes.
        free: it may be given a job.
    """

    def __init__(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        environment = {**os.environ, **dict.fromkeys(_ONE, "1"), "CUDA_VISIBLE_DEVICES": ""}
        # Memory of the last batch is used again for the next, and not given back and asked for: fresh pages are slow.
        environment |= {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}
        words = (theirs.fileno(), os.getpid(), number)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", *map(str, words)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        self.number = number
        self.channel = Channel(ours)
        self.job: Any = None
        self.free = False
        self._known: set[bytes] | None = None

    def make(self, entry: Any, pipelines: dict[bytes, int], arena: int) -> None:
        """Let it make a batch, of a pipeline that it may have to learn first."""
        files = () if self._known is not None else (arena,)
        known = self._known or set()
        gone = [identity for identity in known if identity not in pipelines]
        if entry.identity not in known:
            files = (*files, pipelines[entry.identity])
        self._known = known.difference(gone) | {entry.identity}
        self.channel.send("make", entry.identity, entry.keys, gone, files=files)

    def end(self) -> int:
        """End it, and return how it ended: minus the signal's number, or the exit status."""
        if self.process.poll() is None:
            self.process.kill()
        self.channel.close()
        return self.process.wait()
