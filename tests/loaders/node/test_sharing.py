"""Batches are made once, and are everybody's own."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path

import cloudpickle
import pytest
import torch

from dltools.loaders import NodeLoader
from tests.loaders.node import data
from tests.loaders.node.data import Pictures

cloudpickle.register_pickle_by_value(data)
LARGE = {"batch_size": 4, "num_workers": 2}  # 4 x 3 x 320 x 320 x (1 + 2) bytes: mapped, not copied


@pytest.fixture
def truth():
    return [batch["image"].clone() for batch in NodeLoader(Pictures(side=320), batch_size=4, node=None)]


def _is(batches, truth):
    return len(batches) == len(truth) and all(torch.equal(a["image"], b) for a, b in zip(batches, truth, strict=True))


def test_who_asks_the_same_gets_what_was_made_once(node, folder, truth):
    dataset = Pictures(side=320, log=folder / "log")
    one, two = (NodeLoader(dataset, **LARGE, node=node) for _ in range(2))
    for ours, theirs in zip(one, two, strict=True):
        assert torch.equal(ours["image"], theirs["image"])
    assert _is(list(one), truth)
    made = (folder / "log").read_text().splitlines()
    assert len(made) == 24 and str(os.getpid()) not in {line.split()[0] for line in made}
    assert one.stats()["hits"] + two.stats()["hits"] == 12 and one.stats()["make"] > 0


@pytest.mark.parametrize("others", [{"identity": "other"}, {"batch_size": 6}, {"collate_fn": list}])
def test_who_asks_something_else_shares_nothing(node, folder, others):
    dataset = Pictures(log=folder / "log")
    options = {"batch_size": 4, "identity": "one", "node": node}
    one, two = NodeLoader(dataset, **options), NodeLoader(dataset, **{**options, **others})
    list(one), list(two)
    assert two.stats()["hits"] == 0


def test_the_same_name_is_the_same_data(node):
    one, two = (NodeLoader(Pictures(log=Path("/dev/null")), batch_size=4, identity="one", node=node) for _ in "ab")
    list(one), list(two)
    assert two.stats()["hits"] == 6


def test_changes_in_place_are_nobody_elses(node, truth):
    loader = NodeLoader(Pictures(side=320), **LARGE, node=node)
    kept = []
    for batch in loader:
        batch["image"].fill_(7)
        kept.append(batch)
    assert _is(list(loader), truth) and loader.stats()["hits"] == 6
    assert all((batch["image"] == 7).all() for batch in kept)


def test_batches_outlive_loader_service_and_memory(node, processes, truth):
    loader = NodeLoader(Pictures(side=320), **LARGE, node=replace(node, budget=5 << 20))
    kept = [batch for _ in range(2) for batch in loader]
    pids = processes.living()
    del loader
    processes.kill(processes.services())
    assert processes.wait(pids)
    assert _is(kept[:6], truth) and _is(kept[6:], truth)


def test_who_keeps_everything_stops_nobody(node, truth):
    node = replace(node, budget=12 << 20)  # 3 batches
    hoarder, other = (NodeLoader(Pictures(side=320), **LARGE, node=node, identity=name) for name in "ab")
    kept = [batch for _ in range(3) for batch in hoarder]
    assert _is(list(other), truth)
    assert all(_is(kept[begin : begin + 6], truth) for begin in (0, 6, 12))


def test_two_iterators_at_once_and_one_left_in_the_middle(node, truth):
    loader = NodeLoader(Pictures(side=320), **LARGE, node=node)
    first, second = iter(loader), iter(loader)
    kept = [next(first), next(second), next(first), next(second), next(second)]
    del first
    gc.collect()
    assert _is([kept[0], kept[2]], truth[:2]) and _is([kept[1], kept[3], kept[4], *second], truth)
    for one in loader:
        batch = one
        break
    assert _is([batch], truth[:1]) and _is(list(loader), truth)


def test_a_batch_larger_than_the_budget_is_made_here_with_one_warning(node, truth, caplog):
    loader = NodeLoader(Pictures(side=320), **LARGE, node=replace(node, budget=1 << 20))
    assert _is(list(loader), truth)
    assert loader.stats()["alone"] == 6
    assert [record.message.split()[:3] for record in caplog.records] == [["A", "batch", "takes"]]


def test_memory_has_no_names_and_the_service_no_torch(node, processes):
    names = set(os.listdir("/dev/shm"))
    iterator = iter(NodeLoader(Pictures(side=320), **LARGE, node=node))
    next(iterator)
    assert set(os.listdir("/dev/shm")) <= names
    (service,) = processes.services()
    assert "torch" not in Path(f"/proc/{service}/maps").read_text()
