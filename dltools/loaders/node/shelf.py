"""The batches that the service remembers."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from dltools.loaders.node.arena import Arena, Slot
from dltools.loaders.node.protocol import Channel


@dataclass(eq=False)
class Entry:
    """A batch that is asked for, being made, or there; while its turn has not come, it is in its owner's queue."""

    key: bytes
    keys: bytes
    identity: bytes
    waiters: list[tuple[Client, int]] = field(default_factory=list)
    slot: Slot | None = None
    ready: bool = False
    refs: int = 0
    size: int = 0
    start: int = 0
    seconds: float = 0.0
    deaths: int = 0
    owner: Client | None = None


@dataclass(eq=False)
class Client:
    """Who asks for batches of one pipeline."""

    channel: Channel
    identity: bytes = b""
    wants: dict[int, Entry] = field(default_factory=dict)
    queue: deque[Entry] = field(default_factory=deque)
    held: Counter[int] = field(default_factory=Counter)
    pinned: int = 0
    hungry: int = -1


class Shelf:
    """Batches by key, in memory within a budget: those that nobody uses make room for others, the oldest first.

    Args:
        budget: bytes.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.arena = Arena(budget)
        self.table: dict[bytes, Entry] = {}
        self._unused: OrderedDict[bytes, Entry] = OrderedDict()
        self._slots: dict[int, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Take in a batch that was written into its slot."""
        assert entry.slot is not None
        self._slots[entry.slot.start] = entry
        self._unused[entry.key] = entry

    def pin(self, entry: Entry, client: Client) -> int:
        """Keep a batch where it is for a client, and return where that is."""
        assert entry.slot is not None
        entry.refs += 1
        self._unused.pop(entry.key, None)
        client.held[entry.slot.start] += 1
        client.pinned += entry.slot.capacity
        return entry.slot.start

    def unpin(self, client: Client, start: int) -> None:
        """Note that a client has done with a slot, once."""
        entry = self._slots[start]
        assert entry.slot is not None
        client.held[start] -= 1
        if not client.held[start]:
            del client.held[start]
        client.pinned -= entry.slot.capacity
        entry.refs -= 1
        if not entry.refs:
            self._unused[entry.key] = entry

    def room(self, size: int) -> Slot | None:
        """Return a slot of some bytes, None if what is in use leaves no room."""
        slot = self.arena.take(size)
        while slot is None and self._unused:
            key, entry = self._unused.popitem(last=False)
            assert entry.slot is not None
            del self.table[key], self._slots[entry.slot.start]
            self.arena.give(entry.slot)
            slot = self.arena.take(size)
        return slot
