"""What a person watches."""

from __future__ import annotations

import time
from typing import Any

from rich import progress as bars
from rich.console import Console as Screen
from rich.markup import escape
from rich.table import Table

from dltools.cfgutils import component
from dltools.writers.base import Progress, Record, RunInfo, Writer

REFRESH_SECONDS = 0.1
COLUMNS = {"best": "best epoch", "last": "last epoch", "test": "test"}
"""Parts of a summary that are shown at the end, and what stands above them."""


@component("writer", "console")
class Console(Writer):
    """A progress bar and one line an epoch; plain lines where the output is not a terminal.

    The line of an epoch shows the last value of each metric of the first level, such as `train/loss` and `val/iou`;
    the terms below them (`train/loss/dice`) are left to the files. It appears when the next epoch begins. At the end
    a table compares the best epoch, the last epoch and the test.
    """

    plain: bool | None = None
    """Plain lines without a bar; None decides by whether the output is a terminal."""

    def open(self, run: RunInfo) -> None:
        """Begin."""
        self._screen = Screen(highlight=False)
        self._title = run.name
        self._bar = None if self._is_plain() else _Bar(self._screen)
        self._epoch, self._epochs = 0, 0
        self._metrics: dict[str, float] = {}
        self._rate: float | None = None
        self._since = time.monotonic()

    def scalars(self, record: Record) -> None:
        """Keep the numbers for the line of their epoch."""
        self._turn_to(record.epoch)
        self._metrics.update({name: value for name, value in record.metrics.items() if _belongs_to_line(name)})
        self._rate = record.perf.get("samples/s", self._rate)

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        self._turn_to(progress.epoch)
        self._epochs = progress.epochs
        if self._bar is not None:
            self._bar.show(progress, self._rate)

    def close(self, status: str, summary: dict[str, Any]) -> None:
        """Show the last epoch and a table of the summary."""
        self._turn_to(self._epoch + 1)
        if self._bar is not None:
            self._bar.stop()
        self._screen.print(f"[bold]{escape(self._title)}[/]: {status}")
        values = _by_metric(summary)
        if values:
            table = Table("", *COLUMNS.values())
            for metric, row in values.items():
                table.add_row(escape(metric), *(_number(row[column]) if column in row else "" for column in COLUMNS))
            self._screen.print(table)

    def _is_plain(self) -> bool:
        return not self._screen.is_terminal if self.plain is None else self.plain

    def _turn_to(self, epoch: int) -> None:
        """Print the line of the epoch that ended, if another one begins."""
        if epoch == self._epoch:
            return
        if self._metrics:
            seconds = time.monotonic() - self._since
            self._screen.print(self._line(seconds), soft_wrap=True)
        self._epoch, self._metrics, self._since = epoch, {}, time.monotonic()

    def _line(self, seconds: float) -> str:
        width = len(str(self._epochs))
        parts = [f"[bold]epoch {self._epoch:>{width}}{f'/{self._epochs}' if self._epochs else ''}[/]"]
        parts += [f"[dim]{escape(name)}[/] {_number(value)}" for name, value in self._metrics.items()]
        if self._rate is not None:
            parts.append(f"{self._rate:.0f} [dim]samples/s[/]")
        return "  ".join([*parts, f"{seconds:.1f} [dim]s[/]"])


class _Bar:
    """A bar at the foot of a terminal, drawn by the calling thread at most every `REFRESH_SECONDS`."""

    def __init__(self, screen: Screen) -> None:
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=30),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[numbers]}"),
            bars.TimeRemainingColumn(compact=True),
            console=screen,
            transient=True,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=None, numbers="")
        self._part: tuple[int, str] | None = None
        self._drawn = 0.0

    def show(self, progress: Progress, rate: float | None) -> None:
        part = (progress.epoch, progress.phase)
        if part != self._part:
            words = f"epoch {progress.epoch}/{progress.epochs} {progress.phase}"
            self._bar.reset(self._task, description=words, total=progress.steps, numbers="")
            self._bar.start()
            self._part, self._drawn = part, 0.0
        if time.monotonic() - self._drawn < REFRESH_SECONDS and progress.step < progress.steps:
            return
        numbers = [f"{escape(name)} {_number(value)}" for name, value in list(progress.metrics.items())[:3]]
        if rate is not None:
            numbers.append(f"{rate:.0f} samples/s")
        self._bar.update(self._task, completed=progress.step, numbers="  ".join(numbers), refresh=True)
        self._drawn = time.monotonic()

    def stop(self) -> None:
        self._bar.stop()


def _by_metric(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the evaluated metrics of the first level, without their split, each with its value in each column."""
    values: dict[str, dict[str, float]] = {}
    for column in COLUMNS:
        for name, value in summary.get(column, {}).items():
            split, _, metric = name.partition("/")
            if split != "train" and "/" not in metric:
                values.setdefault(metric, {})[column] = value
    return values


def _belongs_to_line(name: str) -> bool:
    return name.count("/") <= 1 and not name.startswith("test/")


def _number(value: float) -> str:
    return f"{value:.4g}"
