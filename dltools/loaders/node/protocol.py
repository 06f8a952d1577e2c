"""Messages between clients, the service and workers: plain values, pickled, over Unix sockets.

client -> service   hello(identity)             pipeline() + file     want(ticket, key, keys, returned slots)
                    hungry(ticket)              release(slots)        leave(slots that are still in use)
service -> client   welcome(known) + arena      batch(ticket, slot, size, start, copy, hit, seconds)
                    failed(ticket, error)       died(ticket, status)  alone(ticket, size)
service -> worker   make(identity, keys, gone) + arena and pipeline, where the worker has them not
                    write(slot) or drop()
worker -> service   room(bytes)                 made(start, seconds)  failed(error)         full()
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import socket
import struct
from collections import deque
from typing import Any

_HEAD = struct.Struct("!I")
_CHUNK = 1 << 18


class Channel:
    """A socket that takes and gives whole messages, and open files along with them.

    Over a socket that does not block, `send` keeps what does not go out yet, for `flush`.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._incoming = bytearray()
        self._outgoing: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._files: deque[int] = deque()

    def fileno(self) -> int:
        """Return the number of the socket, for selectors."""
        return self.socket.fileno()

    def send(self, *message: Any, files: tuple[int, ...] = ()) -> None:
        """Send a message, its kind first."""
        body = pickle.dumps(message, protocol=5)
        self._outgoing.append((memoryview(_HEAD.pack(len(body)) + body), files))
        self.flush()

    def flush(self) -> bool:
        """Send what waits; tell whether all is gone."""
        while self._outgoing:
            data, files = self._outgoing[0]
            try:
                count = socket.send_fds(self.socket, [data], files, _NO_SIGNAL)
            except BlockingIOError:
                return False
            if count == len(data):
                self._outgoing.popleft()
            else:
                self._outgoing[0] = (data[count:], ())
        return True

    def receive(self) -> list[tuple[Any, ...]]:
        """Return the messages that one look brings, which may be none.

        Raises:
            EOFError: the other side is gone.
        """
        data, files, _, _ = socket.recv_fds(self.socket, _CHUNK, 8)
        self._files.extend(files)
        if not data:
            raise EOFError
        self._incoming += data
        return list(self._whole())

    def file(self) -> int:
        """Return the next open file that came, which is the caller's to close.

        Raises:
            OSError: it did not come, since too many files are open here.
        """
        if not self._files:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._files.popleft()

    def close(self) -> None:
        """Close the socket, and the files that nobody took."""
        self.socket.close()
        while self._files:
            with contextlib.suppress(OSError):
                os.close(self._files.popleft())

    def _whole(self) -> Any:
        """Yield the messages that are complete."""
        while len(self._incoming) >= _HEAD.size:
            end = _HEAD.size + _HEAD.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                return
            message = pickle.loads(memoryview(self._incoming)[_HEAD.size : end].tobytes())
            del self._incoming[:end]
            yield message


_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)


def same_user(sock: socket.socket) -> bool:
    """Tell whether the process at the other end belongs to this user."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] == os.getuid()
