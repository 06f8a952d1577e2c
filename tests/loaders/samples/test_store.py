"""A cache in one process: what it keeps, what it notices, and when it stops."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dltools.cfgutils import FieldError
from dltools.loaders.samples import caches_in, discard, limit_of, used_in

SIZE = 12


def filled(store, sample, **settings):
    opened = store(**settings)
    assert all(opened.put(index, sample(index)) for index in range(SIZE))
    return opened


def test_samples_come_back_in_this_process_and_in_the_next(store, sample, same):
    opened = store()
    assert opened.get(3) is None
    filled(store, sample)
    for _ in range(2):
        assert all(same(opened.get(index), sample(index)) for index in range(SIZE))
    assert all(same(store().get(index), sample(index)) for index in range(SIZE))
    assert opened.damaged == 0


def test_there_are_no_samples_beyond_the_last(store, sample):
    opened = filled(store, sample)
    assert [opened.get(-1), opened.get(SIZE)] == [None, None]
    assert [opened.put(-1, sample(0)), opened.put(SIZE, sample(0))] == [False, False]


def test_arrays_are_the_callers_own_and_hold_no_others_in_memory(store, sample, same):
    opened = filled(store, sample)
    for value in opened.get(3).values():
        if isinstance(value, np.ndarray):
            value[...] = 1
            assert value.base is None or value.base.nbytes == value.nbytes
    assert same(opened.get(3), sample(3))


def test_a_sample_is_written_once(store, sample, root):
    filled(store, sample)
    before = used_in(root)
    filled(store, sample)
    assert used_in(root) == before


def test_it_travels_as_a_path(store, sample, same):
    opened = filled(store, sample)
    assert len(pickle.dumps(opened)) < 500
    assert same(pickle.loads(pickle.dumps(opened)).get(2), sample(2))


def test_threads_may_read_and_write_at_once(store, sample, same):
    opened, start = store(), threading.Barrier(4)

    def work(_):
        start.wait(10)
        for index in range(SIZE):
            found = opened.get(index)
            assert same(found, sample(index)) if found else opened.put(index, sample(index))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert all(same(opened.get(index), sample(index)) for index in range(SIZE))
    assert opened.damaged == 0


def test_a_forked_process_writes_a_file_of_its_own(store, sample, same, root):
    opened = store()
    opened.put(0, sample(0))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if opened.put(1, sample(1)) and same(opened.get(0), sample(0)) else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert opened.put(2, sample(2))
    assert all(same(opened.get(index), sample(index)) for index in range(3))
    assert len(list(root.glob("photos/*.bin"))) == 2


def test_what_a_process_set_aside_and_did_not_use_is_given_back(store, sample, root):
    opened = filled(store, sample)
    segment = next(root.glob("photos/*.bin"))
    aside = segment.stat().st_size
    del opened
    assert segment.stat().st_size < aside
    assert store().get(SIZE - 1) is not None


def test_what_cannot_be_kept_is_told_once(store, sample, caplog):
    opened = store()
    assert not opened.put(0, {**sample(0), "polygons": [[1, 2]]})
    assert not opened.put(1, {**sample(1), "polygons": [[1, 2]]})
    assert opened.put(2, sample(2))
    assert [record.message for record in caplog.records] == [
        f"Sample 0 cannot be kept in {opened.folder}: 'polygons' is a list."
    ]


@pytest.mark.parametrize("settings", [{"fingerprint": "b"}, {"size": SIZE + 1}])
def test_a_cache_of_something_else_is_stale_and_made_anew(store, sample, same, caplog, settings):
    filled(store, sample)
    other = store(**settings)
    assert other.get(0) is None
    assert "is stale and made anew: it is of other data, transforms or versions" in caplog.text
    assert other.put(0, sample(5)) and same(other.get(0), sample(5))


@pytest.mark.parametrize("keep", [0, 10, 63, 64, 100])
def test_an_index_that_was_cut_is_made_anew(store, sample, same, root, keep):
    filled(store, sample)
    os.truncate(root / "photos" / "index", keep)
    opened = store()
    assert [opened.get(index) for index in range(SIZE)] == [None] * SIZE
    assert opened.put(0, sample(0)) and same(opened.get(0), sample(0))


def test_a_folder_without_an_index_is_made_anew(store, sample, same, root):
    filled(store, sample)
    (root / "photos" / "index").unlink()
    opened = store()
    assert opened.get(0) is None and opened.put(0, sample(0)) and same(opened.get(0), sample(0))


@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), index=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_never_taken_for_a_sample(store, sample, same, root, position, flip, index):
    shutil.rmtree(root, ignore_errors=True)
    filled(store, sample)
    path = root / "photos" / "index" if index else next(root.glob("photos/*.bin"))
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= flip
    path.write_bytes(content)
    opened = store()
    found = [opened.get(number) for number in range(SIZE)]
    assert all(each is None or same(each, sample(number)) for number, each in enumerate(found))
    is_stale = found.count(None) == SIZE  # a byte of the header, for which there is no sample to count
    assert is_stale or found.count(None) == opened.damaged <= 1
    assert all(opened.put(number, sample(number)) for number in range(SIZE))
    assert all(same(opened.get(number), sample(number)) for number in range(SIZE)), "and made anew"


@pytest.mark.parametrize("keep", [0, 1, 5000])
def test_a_segment_that_is_cut_while_it_is_read_costs_its_samples_and_no_more(store, sample, same, root, caplog, keep):
    filled(store, sample)
    opened = store()
    assert opened.get(0) is not None
    os.truncate(next(root.glob("photos/*.bin")), keep)
    found = [opened.get(number) for number in range(SIZE)]
    assert None in found and all(each is None or same(each, sample(number)) for number, each in enumerate(found))
    assert caplog.text.count("is made anew: its segment is cut short") == 1
    assert all(opened.put(number, sample(number)) for number in range(SIZE))
    assert all(same(store().get(number), sample(number)) for number in range(SIZE))


def test_a_segment_that_is_cut_does_not_grow_again_with_zeros_where_samples_were(store, sample, same, root):
    opened = filled(store, sample)
    assert all(same(opened.get(index), sample(index)) for index in range(SIZE))
    segment = next(root.glob("photos/*.bin"))
    os.truncate(segment, 5000)
    assert opened.get(SIZE - 1) is None and opened.put(SIZE - 1, sample(SIZE - 1))
    found = [opened.get(number) for number in range(SIZE)]
    assert None in found and all(each is None or same(each, sample(number)) for number, each in enumerate(found))
    del opened
    assert segment.stat().st_size == 5000


def test_it_stops_at_the_limit_with_one_warning_and_keeps_what_it_has(store, sample, same, root, caplog):
    limit = 30_000
    opened = store(limit=f"{limit}B")
    kept = [opened.put(index, sample(index)) for index in range(SIZE)]
    assert 0 < sum(kept) < SIZE and kept == sorted(kept, reverse=True)
    assert used_in(root) <= limit
    assert [same(opened.get(index), sample(index)) for index in range(sum(kept))] == [True] * sum(kept)
    assert len(caplog.records) == 1 and "the limit is reached, 29.3 KiB for all caches together" in caplog.text
    other = store(limit=f"{limit}B", name="others")
    assert not other.put(SIZE - 1, sample(SIZE - 1)), "it is the limit of all caches"


@pytest.mark.parametrize("call", ["pwrite", "truncate"])
def test_a_full_disk_is_no_error(store, sample, same, monkeypatch, caplog, call):
    opened = store()
    opened.put(0, sample(0))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    assert [opened.put(index, sample(index)) for index in range(1, SIZE)].count(True) < SIZE - 1
    monkeypatch.undo()
    assert len(caplog.records) == 1 and "filled no further: [Errno 28] No space left on device" in caplog.text
    assert not opened.put(SIZE - 1, sample(SIZE - 1))
    assert same(opened.get(0), sample(0))


def test_half_a_write_is_not_seen(store, sample, same, monkeypatch):
    opened, write = store(), os.pwrite
    opened.put(0, sample(0))

    def halved(descriptor, content, offset):
        if len(content) > 100:
            write(descriptor, content[: len(content) // 2], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", halved)
    assert not opened.put(1, sample(1))
    monkeypatch.undo()
    assert same(store().get(0), sample(0)) and store().get(1) is None


def test_short_writes_are_gone_on_with(store, sample, same, monkeypatch):
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: write(descriptor, content[:1000], offset))
    filled(store, sample)
    assert all(same(store().get(index), sample(index)) for index in range(SIZE))


def test_a_folder_that_cannot_be_made_is_no_error(store, sample, root, caplog):
    root.touch()
    opened = store()
    assert opened.get(0) is None and not opened.put(0, sample(0))
    assert len(caplog.records) == 1 and "it cannot be opened" in caplog.text


def test_a_cache_that_cannot_be_written_is_still_read(store, sample, same, monkeypatch, caplog):
    filled(store, sample)
    opened, open_ = store(size=SIZE), os.open

    def read_only(path, flags, mode=0o777):
        if flags & (os.O_RDWR | os.O_CREAT):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    assert same(opened.get(0), sample(0))
    assert opened.put(0, sample(0)), "it is there already"


def test_a_cache_that_is_removed_in_use_is_read_to_the_end_and_filled_no_further(store, sample, same, root, caplog):
    opened = store()
    for index in range(6):
        opened.put(index, sample(index))
    opened.get(0)
    discard(root / "photos")
    assert all(same(opened.get(index), sample(index)) for index in range(6))
    assert not opened.put(6, sample(6)) and not opened.put(7, sample(7))
    assert len(caplog.records) == 1 and "it was removed while in use" in caplog.text
    again = store()
    assert again.get(0) is None and again.put(0, sample(0)) and same(again.get(0), sample(0))
    assert os.listdir(root) and [cache.samples for cache in caches_in(root)] == [1]


def test_few_open_files_suffice_for_many_writers(store, sample, same, monkeypatch):
    monkeypatch.setattr("dltools.loaders.samples.segments.MOST_OPEN", 3)
    for index in range(SIZE):
        store().put(index, sample(index))
    before = len(os.listdir("/proc/self/fd"))
    many = store()
    many.get(0)
    assert all(same(many.get(index), sample(index)) for index in range(SIZE))
    assert len(os.listdir("/proc/self/fd")) <= before + 1 + 3


def test_a_process_without_descriptors_makes_samples_anew(store, sample, same, monkeypatch):
    filled(store, sample)
    opened, open_ = store(), os.open
    assert same(opened.get(0), sample(0))
    opened._opened._reader._files.clear()

    def none_left(path, flags, mode=0o777):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", none_left)
    assert opened.get(1) is None
    monkeypatch.setattr(os, "open", open_)
    assert same(opened.get(1), sample(1)) and opened.damaged == 0


def test_the_limit_is_given_in_bytes_or_as_a_share_of_what_is_free_or_theirs(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**13, 10**13 - 10**12, 10**12))
    root = tmp_path / "samples"
    assert limit_of(None, root) == 20 * 2**30
    assert limit_of("10%", root) == 10**11
    assert limit_of("2MB", root) == 2_000_000
    assert limit_of("4TB", root) == 9 * 10**11, "a tenth is left"
    (root / "photos").mkdir(parents=True)
    (root / "photos" / "a.bin").write_bytes(bytes(1000))
    assert limit_of("10%", root) == 10**11 + 100
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2000, 1000, 1000))
    assert limit_of(None, root) == 500
    with pytest.raises(FieldError, match="cache_limit must be a size such as"):
        limit_of("much", root)


def test_a_cache_tells_what_it_holds(store, sample, root):
    for index in range(5):
        store().put(index, sample(index))
    (cache,) = caches_in(root)
    assert (cache.name, cache.samples, cache.size, cache.data) == ("photos", 5, SIZE, "Photos")
    assert not cache.is_complete
    assert sum(np.asarray(value).nbytes for value in sample(4).values() if isinstance(value, np.ndarray)) < cache.bytes
    filled(store, sample)
    assert caches_in(root)[0].is_complete
    assert caches_in(Path(root, "nowhere")) == []
    (root / "photos" / "about.json").write_text("[")
    (root / "photos" / "index").write_text("[")
    assert [(cache.samples, cache.size, cache.data) for cache in caches_in(root)] == [(0, 0, "")]
