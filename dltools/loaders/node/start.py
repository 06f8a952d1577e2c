"""The way to the service: it is there, or whoever comes first starts it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

import dltools
from dltools.loaders.node.node import Node
from dltools.loaders.node.own_code import own_code
from dltools.loaders.node.protocol import same_user

_ROOM = 107
"""Bytes that the path of a socket may have."""


def connect(node: Node) -> socket.socket:
    """Return a connection to the service of this node.

    Raises:
        OSError: there is none, and none can be started.
    """
    if not hasattr(os, "memfd_create"):
        raise OSError("batches are shared in memory without a name, which only Linux has")
    place = node.place()
    path = place / f"{_who_may_share()}.socket"
    if len(os.fsencode(path)) > _ROOM:
        raise OSError(f"the folder has too long a name for a socket, {place}; set DLTOOLS_RUNTIME to a shorter one")
    with contextlib.suppress(OSError):
        return _reach(path)
    with FileLock(path.with_suffix(".lock"), timeout=60):
        with contextlib.suppress(OSError):
            return _reach(path)
        _start(node, path)
        return _reach(path)


def _reach(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(path))
        if not same_user(sock):
            raise PermissionError(f"{path} is another user's")
    except OSError:
        sock.close()
        raise
    return sock


def _start(node: Node, path: Path) -> None:
    """Start the service on a socket that is open before it runs, so that nobody waits for it to listen."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, path.with_suffix(".log").open("wb") as log:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(socket.SOMAXCONN)
        options = {
            "socket": listener.fileno(),
            "lock": path.with_suffix(".lock"),
            "workers": node.processes(),
            "budget": node.bytes(),
            "linger": node.linger,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.service", *(f"--{name}={value}" for name, value in options.items())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_paths())},
        )
    process.wait()  # it has left a child behind, which is nobody's


def _who_may_share() -> str:
    """Return a name for those who may share: the same Python, the same folders of modules, the same code in them."""
    words = (dltools.__version__, sys.executable, *_paths(), own_code())
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()


def _paths() -> list[str]:
    """Return where this process finds modules, each folder once, however often a launcher names it."""
    return list(dict.fromkeys(os.path.abspath(path) for path in sys.path))
