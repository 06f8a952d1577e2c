"""The journal, the table and the figures of a run folder."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltools.writers import Record, RunInfo
from dltools.writers.csv import Csv
from dltools.writers.figures import Figures
from dltools.writers.jsonl import Jsonl, read_journal

RECORDS = [
    Record(10, 1, {"train/loss": 0.5}, {"samples/s": 100.0}),
    Record(20, 1, {"train/loss": 0.1 + 0.2, "val/iou": float("nan")}),
    Record(30, 2, {"train/loss": float("inf"), "val/iou": -float("inf")}, {"seconds": 1.5}),
]


def write(writer: Jsonl | Csv, folder: Path, records: list[Record], **info: object) -> None:
    """Write records as one run."""
    writer.open(RunInfo(folder, "run", **info))  # type: ignore[arg-type]
    for record in records:
        writer.scalars(record)
    writer.close("finished", {})


def lines_of(folder: Path) -> list[dict[str, object]]:
    """Return the journal's lines without what no two runs share."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "perf"} for row in rows]


def rows_of(folder: Path) -> list[list[str]]:
    """Return the table's rows, its header first."""
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_the_journal_has_one_line_a_record(tmp_path: Path) -> None:
    write(Jsonl(), tmp_path, RECORDS)
    assert lines_of(tmp_path) == [
        {"step": 10, "epoch": 1, "metrics": {"train/loss": 0.5}},
        {"step": 20, "epoch": 1, "metrics": {"train/loss": 0.30000000000000004, "val/iou": "nan"}},
        {"step": 30, "epoch": 2, "metrics": {"train/loss": "inf", "val/iou": "-inf"}},
    ]


def test_timings_and_the_time_stand_apart(tmp_path: Path) -> None:
    write(Jsonl(), tmp_path, RECORDS)
    perf = read_journal(tmp_path / "metrics.jsonl")[0].perf
    assert perf["samples/s"] == 100.0
    assert perf["time"] > 1.7e9


def test_a_line_is_on_disk_before_the_next_step(tmp_path: Path) -> None:
    writer = Jsonl()
    writer.open(RunInfo(tmp_path, "run"))
    writer.scalars(RECORDS[0])
    assert len(read_journal(tmp_path / "metrics.jsonl")) == 1
    writer.close("failed", {})


@given(values=st.dictionaries(st.text(min_size=1), st.floats(), max_size=5))
@settings(max_examples=50, deadline=None)
def test_the_journal_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, float]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    write(Jsonl(), folder, [Record(1, 1, values, values)])
    (record,) = read_journal(folder / "metrics.jsonl")
    assert list(record.metrics) == list(values)
    np.testing.assert_array_equal(list(record.metrics.values()), list(values.values()))


@pytest.mark.parametrize("make", [Jsonl, Csv])
def test_a_resumed_run_gives_the_file_of_a_whole_one(tmp_path: Path, make: type[Jsonl] | type[Csv]) -> None:
    records = [Record(step, step // 4 + 1, {"train/loss": 1 / step, f"val/{step % 3}": 0.5}) for step in range(1, 12)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    write(make(), whole, records)
    write(make(), parts, records[:9])
    write(make(), parts, records[6:], resumed=True, step=6)
    if make is Jsonl:
        assert lines_of(parts) == lines_of(whole)
    else:
        assert (parts / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_journal_cut_off_in_a_line_is_resumed(tmp_path: Path, cut: int) -> None:
    write(Jsonl(), tmp_path, RECORDS[:2])
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    write(Jsonl(), tmp_path, RECORDS[1:], resumed=True, step=10)
    assert [record.step for record in read_journal(path)] == [10, 20, 30]


def test_a_table_cut_off_in_a_row_is_resumed(tmp_path: Path) -> None:
    write(Csv(), tmp_path, RECORDS[:2])
    path = tmp_path / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-4])
    write(Csv(), tmp_path, RECORDS[1:], resumed=True, step=10)
    assert [row[0] for row in rows_of(tmp_path)] == ["step", "10", "20", "30"]


def test_a_new_run_does_not_go_on_in_old_files(tmp_path: Path) -> None:
    for _ in range(2):
        write(Jsonl(), tmp_path, RECORDS)
        write(Csv(), tmp_path, RECORDS)
    assert len(read_journal(tmp_path / "metrics.jsonl")) == 3
    assert len(rows_of(tmp_path)) == 4


def test_the_table_gains_columns_as_numbers_appear(tmp_path: Path) -> None:
    write(Csv(), tmp_path, RECORDS)
    header, *rows = rows_of(tmp_path)
    assert header == ["step", "epoch", "train/loss", "perf/samples/s", "val/iou", "perf/seconds"]
    assert rows[0] == ["10", "1", "0.5", "100.0", "", ""]
    assert float(rows[1][2]) == 0.1 + 0.2
    assert math.isnan(float(rows[1][4]))
    assert rows[2][2:5] == ["inf", "", "-inf"]


def test_figures_are_png_files_with_their_colours(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    writer = Figures()
    writer.open(RunInfo(tmp_path, "run"))
    writer.image("val/predictions", 120, image)
    read = cv2.imread(str(tmp_path / "figures" / "val_predictions_120.png"))
    assert read is not None
    np.testing.assert_array_equal(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), image)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["val_predictions_120.png"]
