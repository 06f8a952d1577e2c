"""Memory for batches that has no name: one sparse file, in which each batch has a slot.

A slot could hold the whole budget, and takes memory only where it was written, so that slots of all sizes neither
move nor fragment. A slot that is given back keeps its pages for the next batch of about its size: fresh pages cost
several times as much as writing into old ones.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from dataclasses import dataclass, field

_SLOTS = 1 << 14
_PUNCH = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


@dataclass
class Slot:
    """A place for a batch: from which byte on, and how many bytes of memory it holds."""

    start: int
    capacity: int


@dataclass
class Arena:
    """The memory of a service.

    Args:
        budget: bytes of memory to hold at most.
    """

    budget: int
    file: int = field(init=False)
    used: int = field(init=False, default=0)
    _stride: int = field(init=False)
    _kept: list[Slot] = field(init=False, default_factory=list)
    _unused: list[int] = field(init=False, default_factory=list)
    _next: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._stride = pages(self.budget)
        self.file = os.memfd_create("dltools-batches", os.MFD_CLOEXEC)
        os.ftruncate(self.file, self._stride * _SLOTS)

    def reading(self) -> int:
        """Return the memory opened for reading only: who has it cannot change what others see."""
        return os.open(f"/proc/self/fd/{self.file}", os.O_RDONLY | os.O_CLOEXEC)

    def take(self, size: int) -> Slot | None:
        """Return a slot for `size` bytes, None if the budget has no room."""
        need = pages(size)
        while True:
            fitting = [slot for slot in self._kept if need <= slot.capacity <= 2 * need]
            if fitting:
                slot = min(fitting, key=lambda each: each.capacity)
                self._kept.remove(slot)
                return slot
            if self.used + need <= self.budget and (self._unused or self._next < _SLOTS):
                self.used += need
                return Slot(self._unused.pop() if self._unused else self._fresh(), need)
            if not self._kept:
                return None
            self._empty(self._kept.pop())

    def give(self, slot: Slot) -> None:
        """Take a slot back."""
        self._kept.append(slot)

    def _fresh(self) -> int:
        self._next += 1
        return (self._next - 1) * self._stride

    def _empty(self, slot: Slot) -> None:
        """Give the memory of a slot back to the system."""
        result = _libc.fallocate(self.file, _PUNCH, ctypes.c_int64(slot.start), ctypes.c_int64(slot.capacity))
        if result != 0:
            raise OSError(ctypes.get_errno(), "cannot give memory of batches back")
        self.used -= slot.capacity
        self._unused.append(slot.start)


def pages(size: int) -> int:
    """Return a number of bytes, rounded up to whole pages."""
    return max(-(-size // mmap.PAGESIZE), 1) * mmap.PAGESIZE


_libc = ctypes.CDLL(None, use_errno=True)
