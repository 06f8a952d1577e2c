"""A sweep on a cluster of two nodes whose only cores are taken by trials: the service waits for none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loaders.node.processes import Processes, short_folder

pytestmark = pytest.mark.slow
TRIALS = 4
SMALL = [
    "task=segmentation",
    "data.train_scenes=64",
    "data.val_scenes=16",
    "data.test_scenes=16",
    "policy.epochs=2",
    "model.width=8",
    "writer=csv",
    "optim.lr=1e-3,2e-3,3e-3,4e-3",
]
DEADLINE = 240.0
WITHOUT_A_STORE = "+hydra.launcher.ray.init.object_store_memory=null"
"""The launcher asks for an object store of its own, which Ray refuses on a cluster that is already there."""


@pytest.fixture
def environment():
    """Of the cluster and of the sweeps; the service has a folder, and so has the cluster."""
    with short_folder() as folder:
        yield {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "DLTOOLS_RUNTIME": str(folder),
            "RAY_TMPDIR": str(folder),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        processes, pids = Processes(folder), _started_in(folder)
        processes.kill(pids)
        assert processes.wait(pids)


def _started_in(folder):
    """Return the processes that carry the folder in their environment: those of the cluster and of the service."""
    mark = f"DLTOOLS_RUNTIME={folder}".encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _bytes(path)]


def _bytes(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


# A process of its own, since the trials take their environment from who starts the nodes.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=node)
cluster.add_node(**node)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture
def cluster(environment):
    """The address of a cluster of two nodes with one core each."""
    command = [sys.executable, "-c", CLUSTER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as running:
        yield running.stdout.readline().strip()
        running.stdin.close()


def _sweep(folder, environment, *words):
    """Run a sweep; return its objectives in order."""
    folder.mkdir()
    command = [sys.executable, "-m", "dltools.train", "-m", *SMALL, f"hydra.sweep.dir={folder / 'sweep'}", *words]
    with (folder / "log.txt").open("w") as log:
        status = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, timeout=DEADLINE)
    assert status.returncode == 0, (folder / "log.txt").read_text()[-3000:]
    summaries = [json.loads((folder / "sweep" / str(job) / "summary.json").read_text()) for job in range(TRIALS)]
    assert {summary["status"] for summary in summaries} == {"finished"}
    return [summary["objective"]["value"] for summary in summaries]


def test_trials_that_hold_all_cores_of_a_cluster_end_and_reach_what_they_reach_alone(tmp_path, environment, cluster):
    alone = _sweep(tmp_path / "alone", environment, "loader=torch")
    ray = ["hydra/launcher=ray", f"hydra.launcher.ray.init.address={cluster}", WITHOUT_A_STORE]
    assert _sweep(tmp_path / "cluster", environment, *ray, "loader=auto") == alone
    assert len(list(Path(environment["DLTOOLS_RUNTIME"]).glob("*.log"))) == 1, "one service was started"
    said = "".join(path.read_text() for path in (tmp_path / "cluster").rglob("*.*") if path.suffix in (".log", ".txt"))
    assert "made in this process" not in said
