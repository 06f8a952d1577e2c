"""Sweeps over one node's service: the same objectives as one by one, and no more workers for more trials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SMALL = [
    "task=segmentation",
    "data.train_scenes=64",
    "data.val_scenes=16",
    "data.test_scenes=16",
    "policy.epochs=2",
    "model.width=8",
    "writer=csv",
    "optim.lr=1e-3,2e-3,3e-3,4e-3,5e-3,6e-3,7e-3,8e-3",
]


def _sweep(folder: Path, *words: str) -> tuple[list[float], int]:
    """Run a sweep; return the objectives in order, and the most workers that were seen at once."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "DLTOOLS_RUNTIME": str(folder / "n"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    (folder / "n").mkdir(mode=0o700)
    command = [sys.executable, "-m", "dltools.train", "-m", *SMALL, f"hydra.sweep.dir={folder / 'sweep'}", *words]
    with (folder / "log.txt").open("w") as log:
        running = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        most = 0
        while True:
            try:
                status = running.wait(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                most = max(most, _workers(str(folder / "n")))
    assert status == 0, (folder / "log.txt").read_text()[-3000:]
    summaries = [json.loads((folder / "sweep" / str(job) / "summary.json").read_text()) for job in range(8)]
    assert {summary["status"] for summary in summaries} == {"finished"}
    return [summary["objective"]["value"] for summary in summaries], most


def _workers(runtime: str) -> int:
    """Return how many workers of a service live."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        count += b"dltools.loaders.node.worker" in words and f"DLTOOLS_RUNTIME={runtime}".encode() in environment
    return count


def test_eight_trials_on_ray_share_one_service_and_reach_what_they_reach_alone(tmp_path: Path) -> None:
    for name in ("alone", "shared"):
        (tmp_path / name).mkdir()
    alone, none = _sweep(tmp_path / "alone", "loader=torch")
    shared, workers = _sweep(tmp_path / "shared", "hydra/launcher=ray", "loader=auto", "loader.workers=1")
    assert none == 0
    assert shared == alone
    assert workers == 1, "one worker for eight trials"
