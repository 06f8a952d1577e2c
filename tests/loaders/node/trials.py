"""Trials in processes of their own, and their end."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import torch

from tests.loaders.node.scenes import digests

_FORK = multiprocessing.get_context("fork")
_PATIENCE = 60.0


class Trial:
    """A process that goes through a loader and tells the hashes of each batch, and in the end its counts or error.

    Args:
        make: returns a loader, in that process.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._pipe, theirs = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(target=_go_through, args=(make, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def next(self) -> Any:
        """Return what the trial tells next: hashes of a batch, a dict of counts, an error in words, None if it died."""
        assert self._pipe.poll(_PATIENCE), "a trial says nothing"
        with contextlib.suppress(EOFError, ConnectionResetError):
            return self._pipe.recv()
        return None

    def rest(self) -> tuple[list[list[str]], Any]:
        """Return the hashes of all batches that are left, and what comes behind them."""
        batches = []
        while isinstance(told := self.next(), list):
            batches.append(told)
        return batches, told

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, number)

    def end(self) -> None:
        """End it, stopped or not."""
        if self._pipe.closed:
            return
        self.signal(signal.SIGKILL)
        self._process.join()
        self._process.close()
        self._pipe.close()


def _go_through(make: Callable[[], Any], pipe: Any) -> None:
    torch.set_num_threads(1)
    try:
        loader = make()
        for batch in loader:
            pipe.send(digests(batch))
        pipe.send(loader.stats())
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
    signal.pause()  # its end is the test's affair
