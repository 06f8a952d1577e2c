"""A worker of the service: `python -m dltools.loaders.node.worker SOCKET SERVICE NUMBER`, one batch at a time."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import mmap
import os
import pickle
import signal
import socket
import sys
import time
from collections import deque
from typing import Any

from dltools.loaders.node.protocol import Channel

_NICE = 5


def main() -> None:
    """Make batches until the service is gone."""
    channel, service = Channel(socket.socket(fileno=int(sys.argv[1]))), int(sys.argv[2])
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != service:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR1)
    os.nice(_NICE)
    _one_thread()
    with contextlib.suppress(EOFError, ConnectionError):
        channel.send("ready")
        _Desk(channel, int(sys.argv[3])).work()


class _Desk:
    """What a worker has at hand.

    Args:
        channel: to the service.
        number: of this worker, from 0.
    """

    def __init__(self, channel: Channel, number: int) -> None:
        self._channel = channel
        self._number = number
        self._messages: deque[tuple[Any, ...]] = deque()
        self._arena = -1
        self._pipelines: dict[bytes, Any] = {}

    def work(self) -> None:
        """Make what is asked for."""
        while True:
            _, identity, keys, gone = self._hear()
            for each in gone:
                self._pipelines.pop(each, None)
            begin = time.perf_counter()
            try:
                blob = self._make(identity, keys)
            except MemoryError:
                self._channel.send("full")
            except Exception:
                self._channel.send("failed", _wrapped(keys))
            else:
                self._hand_over(blob, begin)
                del blob  # else two batches are held while the next is made

    def _make(self, identity: bytes, keys: bytes) -> Any:
        from dltools.loaders.node.blob import Blob

        if self._arena < 0:
            self._arena = self._channel.file()
        if identity not in self._pipelines:
            self._pipelines[identity] = _load(self._channel.file(), self._number)
        pipeline = self._pipelines[identity]
        os.chdir(pipeline.folder)
        return Blob(pipeline(*pickle.loads(keys)))

    def _hand_over(self, blob: Any, begin: float) -> None:
        """Write a batch where the service says."""
        self._channel.send("room", blob.size)
        kind, *where = self._hear()
        if kind == "drop":
            return
        try:
            for offset, data in blob.parts:
                _write(self._arena, data, where[0] + offset)
        except OSError:  # the system gives no more memory
            self._channel.send("full")
        else:
            self._channel.send("made", blob.start, time.perf_counter() - begin)

    def _hear(self) -> tuple[Any, ...]:
        """Return the next message."""
        while not self._messages:
            self._messages.extend(self._channel.receive())
        return self._messages.popleft()


class _Broken:
    """Stands for a pipeline that could not be loaded."""

    folder = "."

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, keys: Any, seed: int) -> Any:
        raise self._error


def _load(file: int, number: int) -> Any:
    """Return the pipeline that a file holds, started, or what says why it cannot be had."""
    try:
        with os.fdopen(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as data:
            pipeline = pickle.loads(data)
        if pipeline.start is not None:
            pipeline.start(number)
        return pipeline
    except Exception as error:
        return _Broken(error)


def _write(file: int, data: Any, offset: int) -> None:
    left = memoryview(data).cast("B")
    while left:
        count = os.pwrite(file, left, offset)
        left, offset = left[count:], offset + count


def _wrapped(keys: bytes) -> bytes:
    """Return the exception that is being handled, with its traceback, for the client to raise again."""
    import cloudpickle
    from torch._utils import ExceptionWrapper

    wrapper = ExceptionWrapper(where=f"in a worker of the node, in the batch of the keys {pickle.loads(keys)[0]}")
    try:
        return cloudpickle.dumps(wrapper)
    except Exception:
        wrapper.exc_type = RuntimeError  # its own type cannot travel
        return cloudpickle.dumps(wrapper)


def _one_thread() -> None:
    """Keep this process on one core: more threads than cores only fight."""
    import cv2
    import torch

    cv2.setNumThreads(0)
    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
