"""Memory within its budget."""

from __future__ import annotations

import os
import random

import pytest

from dltools.loaders.node.arena import Arena, pages

MB = 1 << 20


@pytest.fixture
def arena():
    arena = Arena(8 * MB)
    yield arena
    os.close(arena.file)


def _held(arena):
    return os.fstat(arena.file).st_blocks * 512


def test_slots_never_overlap_and_the_memory_never_exceeds_the_budget(arena):
    chance = random.Random(0)
    written = {}
    for number in range(400):
        slot = arena.take(chance.randrange(1, 3 * MB))
        if slot is None:
            slot, data = written.pop(chance.choice(list(written)))
            assert os.pread(arena.file, len(data), slot.start) == data
            arena.give(slot)
            continue
        data = bytes([number % 256]) * slot.capacity
        os.pwrite(arena.file, data, slot.start)
        written[number] = slot, data
        assert _held(arena) <= arena.used <= arena.budget


def test_a_batch_of_the_same_size_gets_the_pages_of_the_last(arena):
    slot = arena.take(MB)
    arena.give(slot)
    assert arena.take(MB - 5) is slot


def test_there_is_no_slot_beyond_the_budget(arena):
    assert arena.take(8 * MB + 1) is None
    slots = [arena.take(4 * MB) for _ in range(2)]
    assert arena.take(1) is None
    arena.give(slots[0])
    assert arena.take(1) is not None and arena.used == 4 * MB + pages(1)


def test_a_reader_cannot_write(arena):
    reading = arena.reading()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(reading, b"x", 0)
    os.close(reading)
