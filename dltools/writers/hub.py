"""The writers of a run as one, in which none can stop the training."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.writers.base import Progress, Record, RunInfo, Table, Writer
from dltools.writers.figures import Figures
from dltools.writers.jsonl import Jsonl
from dltools.writers.tables import Tables

_log = logging.getLogger(__name__)


class Hub(Writer):
    """Hands everything to each writer, in order. The journal, figures and tables on disk are always among them.

    A writer that raises is set aside with one warning. It is still asked to close, so that a server learns the status.
    """

    def __init__(self, writers: dict[str, Writer]) -> None:
        self.writers: dict[str, Writer] = {"jsonl": Jsonl(), "figures": Figures(), "tables": Tables(), **writers}
        self.set_aside: dict[str, str] = {}
        """Writers that failed, and why."""

    def open(self, run: RunInfo) -> None:
        """Open each."""
        for name, writer in self._able():
            self._guard(name, writer.open, run)

    def scalars(self, record: Record) -> None:
        """Give a record to each."""
        for name, writer in self._able():
            self._guard(name, writer.scalars, record)

    def image(self, name: str, step: int, image: NDArray[np.uint8]) -> None:
        """Give an image to each; `figures/` of the run folder has it before the others."""
        for writer_name, writer in self._able():
            self._guard(writer_name, writer.image, name, step, image)

    def table(self, name: str, step: int, table: Table) -> None:
        """Give a table to each; `tables/` of the run folder has it before the others."""
        for writer_name, writer in self._able():
            self._guard(writer_name, writer.table, name, step, table)

    def progress(self, progress: Progress) -> None:
        """Tell each where the run stands."""
        for name, writer in self._able():
            self._guard(name, writer.progress, progress)

    def close(self, status: str, summary: dict[str, Any]) -> None:
        """Close each, also those that were set aside."""
        for name, writer in self.writers.items():
            self._guard(name, writer.close, status, summary)

    def _able(self) -> list[tuple[str, Writer]]:
        return [(name, writer) for name, writer in self.writers.items() if name not in self.set_aside]

    def _guard(self, name: str, method: Any, *args: Any) -> None:
        try:
            method(*args)
        except Exception as error:
            if name not in self.set_aside:
                reason = next(iter(str(error).splitlines()), "")
                self.set_aside[name] = f"{type(error).__name__}: {reason}"
                _log.warning("writer.%s is set aside, training goes on without it: %s", name, self.set_aside[name])
                _log.debug("writer.%s failed", name, exc_info=True)
