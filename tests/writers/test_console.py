"""The console: short, on a terminal and in a file."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from dltools.writers import Progress, Record, RunInfo
from dltools.writers.console import Console


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def watch(monkeypatch: pytest.MonkeyPatch, output: io.StringIO, plain: bool | None = None) -> str:
    """Return what three epochs of 50 steps print."""
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    console = Console(plain=plain)
    console.open(RunInfo(Path("."), "digits [baseline]"))
    for epoch in (1, 2, 3):
        for step in range(1, 51):
            console.progress(Progress(epoch, 3, step, 50, "train", {"loss": 1 / step}))
            if step % 10 == 0:
                loss = 1 / (epoch * step)
                metrics = {"train/loss": loss, "train/loss/dice": loss}
                console.scalars(Record(50 * (epoch - 1) + step, epoch, metrics, {"samples/s": 1234.4}))
        console.progress(Progress(epoch, 3, 1, 5, "val"))
        console.scalars(Record(50 * epoch, epoch, {"val/iou": epoch / 4}))
    console.scalars(Record(150, 3, {"test/iou": 0.625}))
    last = {"train/loss": 0.5, "val/iou": 0.75, "val/iou/cat": 0.5, "val/loss": 1.0}
    console.close("finished", {"status": "finished", "best": last, "last": last, "test": {"test/iou": 0.625}})
    return output.getvalue()


def test_a_file_gets_one_line_an_epoch_and_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    text = watch(monkeypatch, io.StringIO())
    lines = [re.sub(r"  [\d.]+ s$", "", line) for line in text.splitlines()]
    assert lines[:3] == [
        "epoch 1/3  train/loss 0.02  val/iou 0.25  1234 samples/s",
        "epoch 2/3  train/loss 0.01  val/iou 0.5  1234 samples/s",
        "epoch 3/3  train/loss 0.006667  val/iou 0.75  1234 samples/s",
    ]
    assert lines[3].strip() == "digits [baseline]: finished"
    assert [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines[5:-1]] == [
        ["", "best epoch", "last epoch", "test"],
        [],
        ["iou", "0.75", "0.75", "0.625"],
        ["loss", "1", "1", ""],
    ]
    assert "\x1b" not in text


def test_a_terminal_gets_a_bar_that_is_drawn_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    text = watch(monkeypatch, Terminal())
    assert "epoch 3/3 train" in text
    assert "50/50" in text
    assert "?" not in text.replace("\x1b[?25", "")
    assert "1234 samples/s" in text
    assert len(re.findall(r"\d+/50", text)) < 60
    assert text.count("val/iou") == 3
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is shown again"


def test_plain_can_be_asked_for_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = watch(monkeypatch, Terminal(), plain=True)
    assert "50/50" not in text
    assert "\x1b[?25l" not in text


def test_a_run_that_failed_before_it_measured_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    console = Console()
    console.open(RunInfo(Path("."), "run"))
    console.close("failed", {"status": "failed", "best": {}})
    assert output.getvalue() == "run: failed\n"
