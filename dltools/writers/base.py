"""The one interface of all writers, and what they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.table import Table as Table


@dataclass(frozen=True)
class RunInfo:
    """A run, as a writer must know it."""

    folder: Path
    """The run folder; it exists."""
    name: str
    """What is tried: runs of one name are compared with one another, and their folders tell them apart."""
    config: dict[str, Any] = field(default_factory=dict)
    """The resolved config, in plain containers."""
    overrides: list[str] = field(default_factory=list)
    """What the command line changed."""
    resumed: bool = False
    """Whether the folder holds records that go on."""
    step: int = 0
    """Where a resumed run goes on: records of later steps are dropped."""


@dataclass(frozen=True)
class Record:
    """Numbers of one moment of training."""

    step: int
    """Optimizer steps taken so far."""
    epoch: int
    """Epoch they belong to; the first is 1."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What the same run gives again, under stable names such as `train/loss`, `train/loss/dice`, `val/iou`."""
    perf: dict[str, float] = field(default_factory=dict)
    """Timings such as `samples/s` and `seconds`, which no two runs share."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands. Sent at every step, so a writer takes only what it shows."""

    epoch: int
    """The epoch under way; the first is 1."""
    epochs: int
    """How many there are."""
    step: int
    """Steps done of this epoch's phase."""
    steps: int
    """How many there are."""
    phase: str = "train"
    """`train`, `val` or `test`."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics so far."""


class Writer:
    """Takes what a run tells. A subclass overrides what it can do something with; the rest does nothing.

    Subclasses are keyword-only dataclass components of group `writer`; files, connections and heavy imports wait for
    `open`. A method may raise: the hub then sets the writer aside and training goes on.
    """

    def open(self, run: RunInfo) -> None:
        """Begin, before anything else is written."""

    def scalars(self, record: Record) -> None:
        """Take a record; steps do not fall."""

    def image(self, name: str, step: int, image: NDArray[np.uint8]) -> None:
        """Take an image.

        Args:
            name: such as `val/predictions`.
            step: optimizer steps taken so far.
            image: (H, W, 3) uint8, RGB.
        """

    def table(self, name: str, step: int, table: Table) -> None:
        """Take a table.

        Args:
            name: such as `val/confusion_matrix`.
            step: optimizer steps taken so far.
            table: the numbers and their names.
        """

    def progress(self, progress: Progress) -> None:
        """Take the position of the run."""

    def close(self, status: str, summary: dict[str, Any]) -> None:
        """End.

        Args:
            status: `finished`, `stopped` (early, by a rule), `failed` or `killed`.
            summary: among others the metrics `best`, `last` and `test`, each a mapping from name to value.
        """
