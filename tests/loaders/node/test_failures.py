"""Whoever dies, the others go on with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace

import cloudpickle
import pytest
import torch

from dltools.loaders import NodeLoader
from tests.loaders.node import data
from tests.loaders.node.data import Deadly, Pictures

cloudpickle.register_pickle_by_value(data)
TRIAL = """
import sys
from pathlib import Path
from dltools.loaders import Node, NodeLoader
from tests.loaders.node.data import Pictures
node = Node(folder=Path(sys.argv[1]), workers=1, linger=0, budget=64 << 20)
loader = NodeLoader(Pictures(size=400, side=320), batch_size=4, num_workers=2, node=node)
for batch in loader:
    print("a batch", flush=True)
"""


@pytest.fixture(scope="module")
def truth():
    return [batch["image"].clone() for batch in NodeLoader(Pictures(side=320), batch_size=2, node=None)]


def _loader(node, **options):
    return NodeLoader(Pictures(side=320), batch_size=2, num_workers=2, node=node, **options)


def test_killed_at_any_point_workers_and_services_change_no_byte(node, processes, truth):
    node = replace(node, linger=1)
    chance = random.Random(0)
    for number in range(12):
        who, when = chance.choice(["services", "workers"]), chance.randrange(len(truth))
        loader = _loader(node, identity=f"round {number}")
        for place, batch in enumerate(loader):
            assert torch.equal(batch["image"], truth[place]), (number, who, when, place)
            if place == when:
                processes.kill(getattr(processes, who)())
        assert place == len(truth) - 1
        del loader


def test_a_killed_service_is_said_once_and_started_again_for_the_next_epoch(node, processes, truth, caplog):
    loader = _loader(node)
    for place, batch in enumerate(loader):
        assert torch.equal(batch["image"], truth[place])
        if place == 2:
            pids = processes.living()
            processes.kill(processes.services())
            assert processes.wait(pids)
    assert [record.message.split(":")[0] for record in caplog.records] == ["Lost the service of the node"]
    alone = loader.stats()["alone"]
    assert 0 < alone < len(truth)
    assert all(torch.equal(batch["image"], true) for batch, true in zip(loader, truth, strict=True))
    assert loader.stats()["alone"] == alone


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_stopped_trial_leaves_the_others_alone(node, processes, truth, number):
    loader = _loader(node)
    iterator = iter(loader)
    next(iterator)
    command = [sys.executable, "-c", TRIAL, str(node.folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    ) as trial:
        assert trial.stdout.readline() == b"a batch\n"
        trial.send_signal(number)
        assert all(torch.equal(batch["image"], true) for batch, true in zip(loader, truth, strict=True))
        trial.kill()
    assert loader.stats()["alone"] == 0


def test_a_sample_that_kills_workers_is_an_error_with_its_keys_and_the_signal(node):
    dataset = Deadly()
    dataset.parent = os.getpid()
    iterator = iter(NodeLoader(dataset, batch_size=4, node=node))
    assert next(iterator)["index"].tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match=r"killed by SIGSEGV.*\[4, 5, 6, 7\]"):
        next(iterator)
    assert next(iterator)["index"].tolist() == [8, 9, 10, 11]


def test_without_a_place_for_a_service_batches_are_made_here(node, truth, caplog):
    node.folder.chmod(0o755)
    loader = _loader(node)
    assert all(torch.equal(batch["image"], true) for batch, true in zip(loader, truth, strict=True))
    assert "closed to others" in caplog.text and loader.stats()["alone"] == len(truth)


def test_without_shared_memory_batches_are_made_here(node, monkeypatch, caplog):
    monkeypatch.delattr(os, "memfd_create")
    assert len(list(_loader(node))) == 12
    assert "only Linux has" in caplog.text
