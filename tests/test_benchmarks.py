"""The benchmarks run; what they measure is for people to judge, not for a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
REGION = ["dice", "jaccard", "tversky", "gdice"]
OURS = ["ce", "focal", *REGION, "dice+focal", "dice+focal+ce", "lovasz", "surface", "hausdorff", "boundary"]


def output_of(script, only):
    command = [sys.executable, BENCHMARKS / script, "--quick", "--markdown", "--only", only]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed():
    return output_of("losses.py", "^dltools")


@pytest.fixture(scope="module")
def printed_of_metrics():
    return output_of("metrics.py", "^dltools|^torch ")


@pytest.mark.parametrize("loss", OURS)
def test_the_benchmark_of_losses_prints_a_row_of_each_loss(printed, loss):
    row = next(row for row in _rows(printed) if row[0] == loss and row[1].startswith("dltools"))
    assert float(row[3]) > 0


def test_the_floor_of_each_input_has_the_time_1(printed):
    floors = [row for row in _rows(printed) if row[1].startswith("torch")]
    assert [row[3] for row in floors] == ["1.00", "1.00"]


def test_the_tables_stand_below_what_they_were_measured_with(printed):
    first = printed.partition("\n")[0]
    assert "torch" in first and "1 thread" in first


def test_the_benchmark_of_metrics_prints_a_row_for_each_input(printed_of_metrics):
    names = [row[0] for row in _rows(printed_of_metrics) if row[0].startswith("dltools")]
    assert len(names) == 2 + 1 + 1 + 1 + 2 * 2
    assert all(float(row[1]) > 0 for row in _rows(printed_of_metrics) if row[0] in names)


def test_two_ranks_meet_once_for_all_that_is_counted(printed_of_metrics):
    assert "dltools: 1 all_reduce\n" in printed_of_metrics


def _rows(printed):
    lines = [line for line in printed.splitlines() if line.startswith("|") and not line.startswith("|-")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
