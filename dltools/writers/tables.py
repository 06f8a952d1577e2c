"""Tables as files."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from dltools.cfgutils import component
from dltools.writers.base import RunInfo, Table, Writer


@component("writer", "tables")
class Tables(Writer):
    """Tables as CSV files in the run folder; always on."""

    def open(self, run: RunInfo) -> None:
        """Remember the folder; it is made with the first table."""
        self._folder = run.folder

    def table(self, name: str, step: int, table: Table) -> None:
        """Write `tables/<name>_<step>.csv` beside its place and rename it; the first column names the rows."""
        path = table_path(self._folder, name, step)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".csv.partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["", *table.columns])
            writer.writerows([row, *values] for row, values in zip(table.rows, table.values.tolist(), strict=True))
        os.replace(partial, path)


def table_path(folder: Path, name: str, step: int) -> Path:
    """Return where a run folder keeps a table; slashes of the name become underscores."""
    return folder / "tables" / f"{name.replace('/', '_')}_{step}.csv"
