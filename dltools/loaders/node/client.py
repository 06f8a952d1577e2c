"""A loader's connection to the service."""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from dltools.loaders.node.blob import read_blob
from dltools.loaders.node.node import Node
from dltools.loaders.node.protocol import Channel
from dltools.loaders.node.start import connect

_SMALL = 1 << 20
"""Bytes up to which a batch is copied: that costs less than a mapping."""
_POPULATE_READ = 22  # MADV_POPULATE_READ
_PATIENCE = 60.0
"""Seconds for the service to start and say hello."""
_ATTEMPTS = 3


@dataclass(frozen=True)
class Found:
    """A batch in the memory of the service: where, how large, from where on its structure is, and how it came about."""

    slot: int
    size: int
    start: int
    copy: bool
    hit: bool
    seconds: float


@dataclass(frozen=True)
class Failed:
    """The data set or collate raised an exception: an `ExceptionWrapper`, pickled."""

    error: bytes


@dataclass(frozen=True)
class Died:
    """The workers that tried died: minus the signal's number, or the exit status."""

    status: int


@dataclass(frozen=True)
class Alone:
    """The service has no memory for it: now, or never, since it takes `size` bytes."""

    size: int


_ANSWERS = {"batch": Found, "failed": Failed, "died": Died, "alone": Alone}


class Line:
    """Asks the service for batches by ticket, and lends them to the user.

    A batch is a private mapping of the service's memory: views of it may be kept and changed, and nobody else sees
    that. When the last of them is gone, the service may use the memory again.

    Args:
        node: where the service is.
        identity: of the pipeline.
        payload: gives the pipeline's pickle, if the service has not got it.

    Raises:
        OSError: there is no service, or it went away.
    """

    def __init__(self, node: Node, identity: bytes, payload: Callable[[], bytes]) -> None:
        self._channel, self._memory, known = _greet(node, identity)
        weakref.finalize(self, self._channel.close).atexit = False
        weakref.finalize(self, os.close, self._memory).atexit = False
        self._answers: dict[int, Any] = {}
        self._lent: Counter[int] = Counter()
        self._returned: deque[int] = deque()
        self._sending = threading.Lock()
        self._left = False
        self._process = os.getpid()
        if not known:
            with open(os.memfd_create("dltools-pipeline"), "wb") as file:
                file.write(payload())
                file.flush()
                self._channel.send("pipeline", files=(file.fileno(),))

    def ask(self, ticket: int, key: bytes, keys: bytes) -> None:
        """Ask for a batch, by what it is made of and the hash of that."""
        with self._sending:
            self._channel.send("want", ticket, key, keys, self._take_returned())

    def answer(self, ticket: int, timeout: float | None) -> Found | Failed | Died | Alone:
        """Wait for what became of a ticket; the wait ends with the service, if not before.

        Raises:
            OSError: the service went away.
            TimeoutError: the time is over.
        """
        self._look(0)
        if ticket not in self._answers:
            with self._sending:
                self._channel.send("hungry", ticket)
        end = None if timeout is None else time.monotonic() + timeout
        while ticket not in self._answers:
            self._look(None if end is None else max(end - time.monotonic(), 1e-3))
        return self._answers.pop(ticket)

    def read(self, found: Found) -> Any:
        """Return a batch, whose memory is lent until the last view is gone, or is its own if it is small or scarce."""
        self._lent[found.slot] += 1
        if found.copy or found.size <= _SMALL:
            return self._copy(found)
        try:
            memory = mmap.mmap(self._memory, found.size, mmap.MAP_PRIVATE, offset=found.slot)
        except OSError:  # too many files or mappings are open
            return self._copy(found)
        with contextlib.suppress(OSError, ValueError):  # before Linux 5.14 each page is mapped when it is read
            memory.madvise(_POPULATE_READ)
        weakref.finalize(memory, self._give_back, found.slot).atexit = False
        return read_blob(memory, found.start, found.size)

    def leave(self) -> None:
        """Ask for nothing more. What the user still has stays lent."""
        if os.getpid() != self._process or self._left:
            return
        self._left = True
        with contextlib.suppress(OSError), self._sending:
            self._take_returned()
            self._channel.send("leave", dict(self._lent))
        self._send_returned()

    def _copy(self, found: Found) -> Any:
        memory: Any = torch.empty(found.size, dtype=torch.uint8).numpy()
        left, offset = memory, found.slot
        while len(left):
            count = os.preadv(self._memory, [left], offset)
            left, offset = left[count:], offset + count
        self._give_back(found.slot)
        return read_blob(memory, found.start, found.size)

    def _give_back(self, slot: int) -> None:
        """Note that a slot is free; it is told with the next question, or at once if there will be none.

        It may be called in any thread, even in the midst of this one's sending.
        """
        if os.getpid() == self._process:
            self._returned.append(slot)
            if self._left:
                self._send_returned()

    def _send_returned(self) -> None:
        while self._returned and self._sending.acquire(blocking=False):
            try:
                self._channel.send("release", self._take_returned())
            except OSError:
                self._returned.clear()
            finally:
                self._sending.release()

    def _take_returned(self) -> list[int]:
        slots = []
        while self._returned:
            slots.append(self._returned.popleft())
        self._lent.subtract(slots)
        return slots

    def _look(self, timeout: float | None) -> None:
        """Note the answers that are there, or come in time."""
        for kind, ticket, *values in _hear(self._channel, timeout):
            self._answers[ticket] = _ANSWERS[kind](*values)


def _greet(node: Node, identity: bytes) -> tuple[Channel, int, bool]:
    """Return a connection, the memory of the service, and whether it knows the pipeline."""
    for attempt in itertools.count(1):
        channel = Channel(connect(node))
        try:
            channel.send("hello", identity)
            while not (messages := _hear(channel, _PATIENCE)):
                pass
            return channel, channel.file(), messages[0][1]
        except ConnectionError:  # it was about to leave
            channel.close()
            if attempt == _ATTEMPTS:
                raise
        except BaseException:
            channel.close()
            raise
    raise AssertionError


def _hear(channel: Channel, timeout: float | None) -> list[tuple[Any, ...]]:
    """Return messages; none are there if the timeout is 0."""
    channel.socket.settimeout(timeout)
    try:
        return channel.receive()
    except BlockingIOError:
        return []
    except EOFError:
        raise ConnectionResetError("the service is gone") from None
    finally:
        channel.socket.settimeout(None)
