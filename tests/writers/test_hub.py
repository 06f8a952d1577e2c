"""The hub: everything to all, and nobody stops the training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dltools.writers import Hub, Progress, Record, RunInfo, Writer
from dltools.writers.jsonl import read_journal

IMAGE = np.zeros((4, 4, 3), np.uint8)


class Memory(Writer):
    """Remembers its calls."""

    def __init__(self, broken: str = "") -> None:
        self.calls: list[str] = []
        self.broken = broken

    def note(self, method: str) -> None:
        self.calls.append(method)
        if method == self.broken:
            raise OSError("disk full")

    def open(self, run: RunInfo) -> None:
        self.note("open")

    def scalars(self, record: Record) -> None:
        self.note("scalars")

    def image(self, name: str, step: int, image: Any) -> None:
        self.note("image")

    def progress(self, progress: Progress) -> None:
        self.note("progress")

    def close(self, status: str, summary: dict[str, Any]) -> None:
        self.note("close")


def run_through(hub: Hub, folder: Path) -> None:
    """Do what a short training does."""
    hub.open(RunInfo(folder, "run"))
    for step in (1, 2):
        hub.progress(Progress(1, 1, step, 2))
        hub.scalars(Record(step, 1, {"train/loss": 0.5}))
    hub.image("val/predictions", 2, IMAGE)
    hub.close("finished", {})


def test_every_writer_gets_everything(tmp_path: Path) -> None:
    memory = Memory()
    run_through(Hub({"memory": memory}), tmp_path)
    assert memory.calls == ["open", "progress", "scalars", "progress", "scalars", "image", "close"]


def test_journal_and_figures_are_on_without_being_named(tmp_path: Path) -> None:
    run_through(Hub({}), tmp_path)
    assert [record.step for record in read_journal(tmp_path / "metrics.jsonl")] == [1, 2]
    assert (tmp_path / "figures" / "val_predictions_2.png").exists()


@pytest.mark.parametrize("method", ["open", "scalars", "image", "progress", "close"])
def test_a_writer_that_raises_is_set_aside_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    broken, sound = Memory(method), Memory()
    hub = Hub({"broken": broken, "sound": sound})
    with caplog.at_level(logging.WARNING):
        run_through(hub, tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        "writer.broken is set aside, training goes on without it: OSError: disk full"
    ]
    assert hub.set_aside == {"broken": "OSError: disk full"}
    assert sound.calls == ["open", "progress", "scalars", "progress", "scalars", "image", "close"]
    assert broken.calls.count(method) == 1
    assert broken.calls[-1] == "close"


def test_a_full_disk_under_the_journal_does_not_stop_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory()
    hub = Hub({"memory": memory})
    run_through(hub, tmp_path / "nowhere")
    assert set(hub.set_aside) == {"jsonl"}
    assert memory.calls.count("scalars") == 2
    assert len(caplog.records) == 1


def test_an_interrupt_passes_through(tmp_path: Path) -> None:
    class Interrupted(Writer):
        def scalars(self, record: Record) -> None:
            raise KeyboardInterrupt

    hub = Hub({"interrupted": Interrupted()})
    hub.open(RunInfo(tmp_path, "run"))
    with pytest.raises(KeyboardInterrupt):
        hub.scalars(Record(1, 1))
    hub.close("killed", {})
