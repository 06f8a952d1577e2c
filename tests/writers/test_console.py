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
    console.close("finished", {"objective": 0.75, "best": {"val/iou": 0.75, "epoch": 3}, "history": [1, 2]})
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
    assert [line.strip("│ ").split() for line in lines[5:-1]] == [
        ["objective", "│", "0.75"],
        ["best.val/iou", "│", "0.75"],
        ["best.epoch", "│", "3"],
    ]
    assert "\x1b" not in text


def test_a_terminal_gets_a_bar_that_is_drawn_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    text = watch(monkeypatch, Terminal())
    assert "epoch 3/3 train" in text
    assert "50/50" in text
    assert "1234 samples/s" in text
    assert len(re.findall(r"\d+/50", text)) < 60
    assert len(re.findall(r"val/iou", text)) == 4
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is shown again"


def test_plain_can_be_asked_for_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = watch(monkeypatch, Terminal(), plain=True)
    assert "50/50" not in text
    assert "\x1b[?25l" not in text


def test_a_long_summary_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    console = Console()
    console.open(RunInfo(Path("."), "run"))
    console.close("failed", {f"metric {index}": float(index) for index in range(50)})
    assert "and 30 more" in output.getvalue()
    assert len(output.getvalue().splitlines()) < 27
