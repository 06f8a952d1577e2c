"""A service of its own for each test, of which nothing is left behind."""

from __future__ import annotations

import gc

import pytest

from dltools.loaders import Node
from tests.loaders.node.processes import Processes, short_folder


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture
def processes(folder):
    found = Processes(folder)
    yield found
    gc.collect()
    living, killed = found.living(), found.killed
    gone = found.wait(living)
    found.kill(living)
    found.wait(living)
    assert gone, f"processes were left: {living}"
    assert killed or not list(folder.glob("*.socket"))


@pytest.fixture
def node(folder, processes):
    return Node(folder=folder, workers=1, linger=0, budget=64 << 20)
