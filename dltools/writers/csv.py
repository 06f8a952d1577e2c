"""A table for spreadsheets and data frames."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from dltools.cfgutils import component
from dltools.writers.base import Record, RunInfo, Writer

FILE = "metrics.csv"


@component("writer", "csv")
class Csv(Writer):
    """The wide table metrics.csv in the run folder: a row a record, a column a number.

    Columns are `step`, `epoch`, the metrics, and the timings as `perf/<name>`. A number that appears later adds its
    column at the end, and the file is written anew; a cell is empty where a record lacks the number.
    """

    def open(self, run: RunInfo) -> None:
        """Begin the table, or drop the rows that a resumed run will write again."""
        self._path = run.folder / FILE
        self._columns = ["step", "epoch"]
        rows: list[dict[str, str]] = []
        if run.resumed and self._path.exists():
            columns, rows = _read(self._path)
            self._columns = columns or self._columns
        self._write([row for row in rows if int(row["step"]) <= run.step])

    def scalars(self, record: Record) -> None:
        """Add a row."""
        perf = {f"perf/{name}": value for name, value in record.perf.items()}
        row: dict[str, Any] = {"step": record.step, "epoch": record.epoch, **record.metrics, **perf}
        new = [name for name in row if name not in self._columns]
        if new:
            _, rows = _read(self._path)
            self._columns += new
            self._write(rows)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def _write(self, rows: list[dict[str, str]]) -> None:
        """Write the whole table beside its place and rename it."""
        partial = self._path.with_suffix(".csv.partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(partial, self._path)


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and the whole rows of a table; a last row that was cut off is left out."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in file if line.endswith("\n")]
    reader = csv.DictReader(lines)
    return list(reader.fieldnames or []), [row for row in reader if None not in row.values()]
