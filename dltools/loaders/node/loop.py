"""The event loop of the service.

One event loop and one table: key -> batch. Whoever asks for what is there gets it; for what is being made, waits with
the others; else its turn comes when a worker is free. Nothing blocks and nothing is locked: who dies closes a socket.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dltools.loaders.node.protocol import Channel, same_user
from dltools.loaders.node.shelf import Client, Entry, Shelf
from dltools.loaders.node.staff import Worker

_log = logging.getLogger(__name__)
_RETRIES = 2
_FIRST = 10.0
"""Seconds to wait at least for the first client."""
_HOPELESS = 3
"""Deaths of workers that never began, after which the service gives up."""


class Service:
    """The loop and the table.

    Args:
        listener: socket on which clients come.
        workers: number of worker processes.
        budget: bytes of batches to remember.
        linger: seconds to stay after the last client has gone.
        lock: held by who starts a service, and to leave.
    """

    def __init__(self, listener: socket.socket, *, workers: int, budget: int, linger: float, lock: Path) -> None:
        self._listener, self._linger, self._lock = listener, linger, lock
        self._shelf = Shelf(budget)
        self._reading = self._shelf.arena.reading()
        self._selector = selectors.DefaultSelector()
        self._clients: deque[Client] = deque()
        self._pipelines: dict[bytes, int] = {}
        self._sizes: dict[bytes, int] = {}
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._deaths = 0
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._workers = [self._hire(number) for number in range(workers)]

    def run(self) -> None:
        """Serve until nobody has come for a while, or workers cannot live here."""
        until = time.monotonic() + max(self._linger, _FIRST)
        while self._deaths < _HOPELESS:
            if self._clients:
                until = time.monotonic() + self._linger
            left = until - time.monotonic()
            if not self._clients and left <= 0 and self._leave():
                return
            for ready, events in self._selector.select(None if self._clients else max(left, 0.01)):
                ready.data(events)
            self._hand_out()

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.end()

    # ------------------------------------------------------------------------------------------------------- clients

    def _accept(self, events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # no more open files: this one is turned away, and goes on alone
            os.close(self._spare)
            with contextlib.suppress(OSError):
                self._listener.accept()[0].close()
            self._spare = os.open(os.devnull, os.O_RDONLY)
            return
        if not same_user(sock):
            sock.close()
            return
        sock.setblocking(False)
        client = Client(Channel(sock))
        self._clients.append(client)
        self._selector.register(sock, selectors.EVENT_READ, lambda events: self._hear(client, events))

    def _hear(self, client: Client, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                for kind, *values in client.channel.receive():
                    getattr(self, f"_on_{kind}")(client, *values)
            self._flush(client)
        except (OSError, EOFError):
            self._part(client)
        except Exception:  # one that talks nonsense is nobody else's trouble
            _log.exception("a client is sent away")
            self._part(client)

    def _flush(self, client: Client) -> None:
        """Send what waits, now or as soon as the client reads."""
        all_sent = client.channel.flush()
        events = selectors.EVENT_READ if all_sent else selectors.EVENT_READ | selectors.EVENT_WRITE
        known = self._selector.get_key(client.channel)
        if known.events != events:
            self._selector.modify(client.channel.socket, events, known.data)

    def _tell(self, client: Client, *message: Any) -> None:
        """Send to a client that may be gone; its end is seen when it is heard."""
        with contextlib.suppress(OSError):
            client.channel.send(*message)
            self._flush(client)

    def _on_hello(self, client: Client, identity: bytes) -> None:
        client.identity = identity
        client.channel.send("welcome", identity in self._pipelines, files=(self._reading,))

    def _on_pipeline(self, client: Client) -> None:
        file = client.channel.file()
        if client.identity in self._pipelines:
            os.close(file)
        else:
            self._pipelines[client.identity] = file

    def _on_want(self, client: Client, ticket: int, key: bytes, keys: bytes, returned: list[int]) -> None:
        self._on_release(client, returned)
        entry = self._shelf.table.get(key)
        if entry is None:
            entry = self._shelf.table[key] = Entry(key, keys, client.identity)
            self._queue(client, entry)
        if entry.ready:
            self._deliver(entry, client, ticket, hit=True)
        else:
            entry.waiters.append((client, ticket))
            client.wants[ticket] = entry

    def _on_hungry(self, client: Client, ticket: int) -> None:
        """A client can do nothing until it has this batch: its turn is next, and not when somebody else's comes."""
        client.hungry = ticket
        entry = client.wants.get(ticket)
        if entry is not None and entry.owner is not None:
            entry.owner.queue.remove(entry)
            self._queue(client, entry, first=True)

    def _on_release(self, client: Client, slots: list[int]) -> None:
        for start in slots:
            self._shelf.unpin(client, start)

    def _on_leave(self, client: Client, slots: dict[int, int]) -> None:
        """Forget what a client waits for, and what it did not look at."""
        for entry in client.wants.values():
            entry.waiters = [waiter for waiter in entry.waiters if waiter[0] is not client]
        client.wants.clear()
        while client.queue:
            entry = client.queue.pop()
            if entry.waiters:
                self._queue(entry.waiters[0][0], entry, first=True)
            else:
                del self._shelf.table[entry.key]
        for start, count in list(client.held.items()):
            for _ in range(count - slots.get(start, 0)):
                self._shelf.unpin(client, start)

    def _part(self, client: Client) -> None:
        """Let go of a client."""
        self._on_leave(client, {})
        self._selector.unregister(client.channel.socket)
        client.channel.close()
        self._clients.remove(client)
        if all(other.identity != client.identity for other in self._clients):
            file = self._pipelines.pop(client.identity, None)
            if file is not None:
                os.close(file)

    # --------------------------------------------------------------------------------------------------------- table

    def _deliver(self, entry: Entry, client: Client, ticket: int, hit: bool) -> None:
        """Pin a batch for a client and say where it is, and to copy it when too much of the memory is pinned by it."""
        where = self._shelf.pin(entry, client)
        copy = client.pinned > self._share() / 2
        self._tell(client, "batch", ticket, where, entry.size, entry.start, copy, hit, entry.seconds)

    def _share(self) -> float:
        """Return the bytes that each client may pin."""
        return self._shelf.budget / max(len(self._clients), 1)

    def _answer(self, entry: Entry, kind: str, *values: Any) -> None:
        """Tell all who wait for a batch that there will be none."""
        self._shelf.table.pop(entry.key, None)
        for client, ticket in entry.waiters:
            del client.wants[ticket]
            self._tell(client, kind, ticket, *values)

    def _queue(self, client: Client, entry: Entry, first: bool = False) -> None:
        entry.owner = client
        (client.queue.appendleft if first else client.queue.append)(entry)

    # ------------------------------------------------------------------------------------------------------- workers

    def _hire(self, number: int) -> Worker:
        worker = Worker(number)
        self._selector.register(worker.channel.socket, selectors.EVENT_READ, lambda events: self._report(worker))
        return worker

    def _hand_out(self) -> None:
        """Give each free worker the next batch of the client whose turn it is."""
        for worker in self._workers:
            if not worker.free:
                continue
            entry = self._next()
            if entry is None:
                return
            worker.job, worker.free = entry, False
            with contextlib.suppress(OSError):  # its death is seen when it is heard
                worker.make(entry, self._pipelines, self._shelf.arena.file)

    def _next(self) -> Entry | None:
        """Return what is to be made next: each client in turn, if there is memory for its batch."""
        for _ in range(len(self._clients)):
            client = self._clients[0]
            self._clients.rotate(-1)
            while client.queue:
                entry = client.queue.popleft()
                entry.owner = None
                if self._fits(client, entry):
                    return entry
                if (client, client.hungry) not in entry.waiters:
                    self._queue(client, entry, first=True)
                    break
                self._answer(entry, "alone", 0)  # it has nothing else to do, and can give nothing back
        return None

    def _fits(self, client: Client, entry: Entry) -> bool:
        size = self._sizes.get(entry.identity, 0)
        return not client.pinned or client.pinned + size <= self._share()

    def _report(self, worker: Worker) -> None:
        try:
            for kind, *values in worker.channel.receive():
                getattr(self, f"_of_{kind}")(worker, worker.job, *values)
        except (OSError, EOFError):
            self._bury(worker)

    def _of_ready(self, worker: Worker, entry: None) -> None:
        worker.free, self._deaths = True, 0

    def _of_room(self, worker: Worker, entry: Entry, size: int) -> None:
        entry.size = size
        entry.slot = self._shelf.room(size) if size <= self._shelf.budget else None
        if entry.slot is not None:
            self._sizes[entry.identity] = entry.slot.capacity
            worker.channel.send("write", entry.slot.start)
            return
        self._answer(entry, "alone", size if size > self._shelf.budget else 0)
        worker.job, worker.free = None, True
        worker.channel.send("drop")

    def _of_made(self, worker: Worker, entry: Entry, start: int, seconds: float) -> None:
        worker.job, worker.free = None, True
        entry.start, entry.seconds, entry.ready = start, seconds, True
        self._shelf.add(entry)
        waiters, entry.waiters = entry.waiters, []
        for number, (client, ticket) in enumerate(waiters):
            del client.wants[ticket]
            self._deliver(entry, client, ticket, hit=number > 0)

    def _of_full(self, worker: Worker, entry: Entry) -> None:
        """The system has no memory for a batch here: who asks for it makes it."""
        worker.job, worker.free = None, True
        if entry.slot is not None:
            self._shelf.arena.give(entry.slot)
        self._answer(entry, "alone", 0)

    def _of_failed(self, worker: Worker, entry: Entry, error: bytes) -> None:
        worker.job, worker.free = None, True
        self._answer(entry, "failed", error)

    def _bury(self, worker: Worker) -> None:
        """Hire another in the place of a worker that died, and let its batch be made again."""
        self._selector.unregister(worker.channel.socket)
        status, entry = worker.end(), worker.job
        _log.warning("worker %d ended with status %d", worker.process.pid, status)
        self._deaths += not worker.free and entry is None
        self._workers[worker.number] = self._hire(worker.number)
        if entry is None:
            return
        if entry.slot is not None:
            self._shelf.arena.give(entry.slot)
            entry.slot = None
        entry.deaths += 1
        if entry.deaths > _RETRIES or not entry.waiters:
            self._answer(entry, "died", status)
        else:
            self._queue(entry.waiters[0][0], entry, first=True)

    def _leave(self) -> bool:
        """Stop listening, unless somebody is about to come."""
        try:
            with FileLock(self._lock, timeout=0):
                self._accept(0)
                if self._clients:
                    return False
                Path(self._listener.getsockname()).unlink(missing_ok=True)
                self._listener.close()
                return True
        except Timeout:
            return False
