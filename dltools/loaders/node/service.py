"""The service of a node: `python -m dltools.loaders.node.service`, started by the first client."""

from __future__ import annotations

import argparse
import logging
import os
import resource
import signal
import socket
from pathlib import Path

from dltools.loaders.node.loop import Service


def main() -> None:
    """Serve on a socket that is already open."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--budget", type=int, required=True)
    parser.add_argument("--linger", type=float, required=True)
    arguments = parser.parse_args()
    if os.fork():  # a launcher that ends all children of a trial must not find the service among them
        os._exit(0)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    service = Service(
        socket.socket(fileno=arguments.socket),
        workers=arguments.workers,
        budget=arguments.budget,
        linger=arguments.linger,
        lock=arguments.lock,
    )
    try:
        service.run()
    finally:
        service.close()


if __name__ == "__main__":
    main()
