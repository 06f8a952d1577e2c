"""A cache that several processes fill, of which some are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from dltools.loaders.samples import SampleStore, caches_in, used_in

SIZE = 40


def make(index):
    rng = np.random.default_rng(index)
    return {"image": rng.integers(0, 256, (40 + index, 50, 3), np.uint8), "label": index}


def is_made(found, index):
    return found["label"] == index and (found["image"] == make(index)["image"]).all()


def fill(folder, order, start):
    store = SampleStore(Path(folder), SIZE, "a", "1GiB")
    for index in order:
        start.wait(60)
        assert store.put(index, make(index))
    assert all(is_made(store.get(index), index) for index in range(SIZE) if store.get(index) is not None)
    os._exit(store.damaged)


def forked(work):
    """Start a process that does some work and ends with 0 if that is true; return its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return child


def status_of(child):
    return os.waitpid(child, 0)[1]


def test_processes_that_fill_it_at_once_do_no_harm(tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    orders = [random.Random(seed).sample(range(SIZE), SIZE) for seed in (0, 0, 1)]
    folder = tmp_path / "samples" / "photos"
    children = [context.Process(target=fill, args=(str(folder), order, start)) for order in orders]
    for child in children:
        child.start()
    try:
        for child in children:
            child.join(100)
    finally:
        for child in children:
            child.kill()
    assert [child.exitcode for child in children] == [0, 0, 0]
    store = SampleStore(folder, SIZE, "a", "1GiB")
    assert all(is_made(store.get(index), index) for index in range(SIZE))
    assert len(list(folder.glob("*.bin"))) > 1 and store.damaged == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_writer_that_is_killed_leaves_whole_samples_only(tmp_path, seed):
    rng = random.Random(seed)
    folder, told, enough = tmp_path / "samples" / "photos", rng.randrange(SIZE), rng.random() / 2000
    reading, writing = os.pipe()

    def write():
        store = SampleStore(folder, SIZE, "a", "1GiB")
        for index in range(SIZE):
            store.put(index, make(index))
            os.write(writing, b".")
        signal.pause()

    child = forked(write)
    for _ in range(told):
        os.read(reading, 1)
    deadline = time.perf_counter() + enough
    while time.perf_counter() < deadline:
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading), os.close(writing)
    store = SampleStore(folder, SIZE, "a", "1GiB")
    kept = [index for index in range(SIZE) if (found := store.get(index)) is not None and is_made(found, index)]
    assert kept == list(range(len(kept))) and len(kept) >= told
    assert store.damaged == 0
    assert all(store.put(index, make(index)) for index in range(SIZE))
    assert all(is_made(store.get(index), index) for index in range(SIZE))


def test_the_limit_holds_for_all_writers_together(tmp_path):
    folder, limit = tmp_path / "samples" / "photos", 60_000
    SampleStore(folder, SIZE, "a", f"{limit}B").get(0)

    def write(first):
        store = SampleStore(folder, SIZE, "a", f"{limit}B")
        kept = [store.put(index, make(index)) for index in range(first, SIZE, 4)]
        return not all(kept)

    children = [forked(partial(write, first)) for first in range(4)]
    assert [status_of(child) for child in children] == [0] * 4
    assert used_in(tmp_path / "samples") <= limit
    assert 3 <= caches_in(tmp_path / "samples")[0].samples < SIZE


def test_a_writer_that_may_write_no_more_stops_without_an_error(tmp_path):
    folder = tmp_path / "samples" / "photos"
    SampleStore(folder, SIZE, "a", "1GiB").put(0, make(0))

    def write():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        store = SampleStore(folder, SIZE, "a", "1GiB")
        kept = [store.put(index, make(index)) for index in range(SIZE)]
        whole = all(is_made(store.get(index), index) for index in range(SIZE) if kept[index])
        return 1 < sum(kept) < SIZE and whole and is_made(store.get(0), 0)

    assert status_of(forked(write)) == 0


def test_a_stopped_process_that_counts_does_not_hold_up_others(tmp_path):
    folder = tmp_path / "samples" / "photos"
    store = SampleStore(folder, SIZE, "a", "1GiB")
    store.get(0)
    with FileLock(tmp_path / "samples" / ".lock"):
        started = time.perf_counter()
        assert not store.put(0, make(0))
        assert time.perf_counter() - started < 5
    assert store.put(0, make(0)), "it comes by again"
