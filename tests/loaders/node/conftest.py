"""A service of its own for each test, of which nothing is left behind."""

from __future__ import annotations

import contextlib
import gc

import pytest

from dltools.loaders import Node
from tests.loaders.node.processes import Processes, short_folder
from tests.loaders.node.trials import Trial


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


@pytest.fixture
def trials(processes):
    """Start a trial; it ends before the services do, so that they have nobody left."""
    with contextlib.ExitStack() as stack:

        def start(make):
            trial = Trial(make)
            stack.callback(trial.end)
            return trial

        yield start


@pytest.fixture(scope="session")
def nodes():
    """Services by their number of workers, for all tests that harm none."""
    with short_folder() as folder:
        yield {workers: Node(folder / str(workers), workers=workers, budget=64 << 20) for workers in (1, 2, 5)}
        found = Processes(folder)
        pids = found.living()
        found.kill(pids)
        assert found.wait(pids)
