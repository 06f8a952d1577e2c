"""The journal: every number of a run, one line a record."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from dltools.cfgutils import component
from dltools.writers.base import Record, RunInfo, Writer

FILE = "metrics.jsonl"


@component("writer", "jsonl")
class Jsonl(Writer):
    """The journal metrics.jsonl in the run folder; always on.

    A line is an object of `step`, `epoch`, `metrics` and `perf`; `perf` also has `time` in seconds since 1970, so that
    lines without `perf` are equal for equal runs. Each line is flushed as it is written. JSON has no numbers for them,
    so the strings "nan", "inf" and "-inf" stand for what is not finite; `float()` reads them.
    """

    def open(self, run: RunInfo) -> None:
        """Begin the file, or drop what a resumed run will write again."""
        path = run.folder / FILE
        if run.resumed and path.exists():
            _keep(path, run.step)
        self._file: TextIO = path.open("a" if run.resumed else "w", encoding="utf-8", buffering=1)

    def scalars(self, record: Record) -> None:
        """Write one line."""
        self._file.write(_line(record) + "\n")

    def close(self, status: str, summary: dict[str, Any]) -> None:
        """Force the lines to the disk."""
        os.fsync(self._file.fileno())
        self._file.close()


def read_journal(path: Path) -> list[Record]:
    """Return the records of a journal.

    Args:
        path: a `metrics.jsonl`. A last line that was cut off is left out.
    """
    return list(_records(path))


def _records(path: Path) -> Iterator[Record]:
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            row = json.loads(line)
            yield Record(row["step"], row["epoch"], _floats(row["metrics"]), _floats(row["perf"]))


def _keep(path: Path, step: int) -> None:
    """Drop the records after a step, by a copy that takes the file's place."""
    partial = path.with_suffix(".jsonl.partial")
    kept = [_line(record) for record in _records(path) if record.step <= step]
    partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    os.replace(partial, path)


def _line(record: Record) -> str:
    perf = {"time": time.time(), **record.perf}
    row = {"step": record.step, "epoch": record.epoch, "metrics": _plain(record.metrics), "perf": _plain(perf)}
    return json.dumps(row, allow_nan=False)


def _plain(values: dict[str, float]) -> dict[str, float | str]:
    return {name: float(value) if math.isfinite(value) else str(float(value)) for name, value in values.items()}


def _floats(values: dict[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
