"""The report as people read it: what is in a data set, then what is wrong with it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dltools.data.doctor.findings import Finding, Severity
from dltools.data.doctor.whole import WHAT
from dltools.data.statistics import Summary, Target

if TYPE_CHECKING:
    from dltools.data.doctor.report import Report, SplitReport

SHOWN = 5
"""Findings of a kind that are shown unless all are wanted."""
CLASSES_SHOWN = 20
"""Classes that are shown unless all are wanted: the most frequent and the rarest."""
PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""
COLOURS = {Severity.error: "bold red", Severity.warning: "bold yellow", Severity.note: "bold cyan"}
NONE = "-"


def show(report: Report, screen: Console, every: bool = False) -> None:
    """Print a report.

    Args:
        report: what was found.
        screen: where to.
        every: all findings and classes, instead of the first few of each kind.
    """
    screen.print(f"[bold]{escape(report.name)}[/]{_short(report)}")
    if report.splits:
        screen.print()
        screen.print(_overview(report))
        for target in Target:
            if any(target in split.classes for split in report.splits.values()):
                screen.print()
                screen.print(_classes(report, target, every))
        if any(split.keypoints for split in report.splits.values()):
            screen.print()
            screen.print(_keypoints(report))
    for kind, found in report.by_kind().items():
        word = f"[{COLOURS[kind.severity]}]{kind.severity.value}[/]"
        screen.print(f"\n{word}  {kind.words}{f' ({len(found):,})' if len(found) > 1 else ''}", soft_wrap=True)
        for finding in found if every else found[:SHOWN]:
            screen.print(f"  {_line(finding)}", soft_wrap=True)
        if not every and len(found) > SHOWN:
            screen.print(f"  [dim]... and {len(found) - SHOWN:,} more; --all shows them[/]", soft_wrap=True)
    screen.print(f"\n{_verdict(report)}", soft_wrap=True)


def as_text(report: Report) -> str:
    """Return a report as plain text."""
    text = io.StringIO()
    show(report, Console(file=text, width=PLAIN_WIDTH, color_system=None, highlight=False))
    return text.getvalue().rstrip("\n")


def _short(report: Report) -> str:
    """Return the numbers of classes and keypoints."""
    if report.about is None:
        return ""
    about = report.about
    parts = [_count(len(about.class_names), "class", "classes")]
    if about.keypoint_names:
        parts.append(_count(len(about.keypoint_names), "keypoint"))
    return f": {', '.join(parts)}"


def _overview(report: Report) -> Table:
    table = _table("", *report.splits)
    for title, cell in ROWS:
        cells = [cell(split) for split in report.splits.values()]
        if any(cells):
            table.add_row(title, *(each or NONE for each in cells))
    return table


def _samples(split: SplitReport) -> str:
    parts = [f"{split.samples:,}"]
    if split.examined < split.samples:
        parts.append(f"{split.examined:,} looked at")
    if split.read < split.examined:
        parts.append(f"{split.examined - split.read:,} unreadable")
    return ", ".join(parts)


def _image_size(split: SplitReport) -> str:
    return f"{_range(split.sizes.width)} x {_range(split.sizes.height)}" if split.sizes else ""


def _channels(split: SplitReport) -> str:
    kinds = split.kinds
    return ", ".join(
        f"{kind.channels} of {kind.dtype}{f' ({kind.images:,})' if len(kinds) > 1 else ''}" for kind in kinds
    )


def _pixels(what: str) -> Callable[[SplitReport], str]:
    """Return what shows the mean or the spread of the most frequent kind of images."""

    def cell(split: SplitReport) -> str:
        if not split.kinds:
            return ""
        usual = split.kinds[0]
        digits = ".4g" if usual.dtype.startswith("float") else ".1f"
        return " ".join(f"{value:{digits}}" for value in getattr(usual.pixels, what))

    return cell


def _objects(what: str) -> Callable[[SplitReport], str]:
    def cell(split: SplitReport) -> str:
        summary = getattr(split.objects, what, None)
        if summary is None or not summary.count:
            return ""
        return f"{_range(summary)}, median {summary.quantiles[0.5]:.4g}"

    return cell


def _ignored(target: Target) -> Callable[[SplitReport], str]:
    return lambda split: f"{split.classes[target].ignored:,}" if _ignores(split, target) else ""


def _ignores(split: SplitReport, target: Target) -> bool:
    return target in split.classes and split.classes[target].ignored > 0


ROWS: tuple[tuple[str, Callable[[SplitReport], str]], ...] = (
    ("samples", _samples),
    ("image width x height", _image_size),
    ("channels", _channels),
    ("mean", _pixels("mean")),
    ("std", _pixels("std")),
    ("objects an image", _objects("per_image")),
    ("box width", _objects("width")),
    ("box height", _objects("height")),
    ("crowds", _ignored(Target.labels)),
    ("ignored pixels", _ignored(Target.mask)),
)
"""Rows of the overview; one that is empty for all splits is left out."""


def _classes(report: Report, target: Target, every: bool) -> Table:
    assert report.about is not None
    names = report.about.names(target)
    table = _table("id", f"{WHAT[target]} of class")
    for name in report.splits:
        table.add_column(name, justify="right")
        table.add_column("", justify="right", style="dim")
    counts = [_counts(split, target, len(names)) for split in report.splits.values()]
    for place in _shown(counts[0], every):
        if place < 0:
            table.add_row("...", f"[dim]{len(names) - CLASSES_SHOWN:,} more; --all shows them[/]")
            continue
        cells = []
        for column in counts:
            cells += [f"{column[place]:,}", f"{column[place] / max(1, column.sum()):.1%}"]
        table.add_row(str(place), escape(names[place]), *cells)
    return table


def _shown(counts: Any, every: bool) -> list[int]:
    """Return the ids of the classes to show; -1 stands where some are left out."""
    if every or len(counts) <= CLASSES_SHOWN:
        return list(range(len(counts)))
    order = np.argsort(-counts, kind="stable").tolist()
    half = CLASSES_SHOWN // 2
    return [*order[:half], -1, *order[-half:]]


def _counts(split: SplitReport, target: Target, classes: int) -> Any:
    return split.classes[target].counts if target in split.classes else np.zeros(classes, np.int64)


def _keypoints(report: Report) -> Table:
    assert report.about is not None
    table = _table("", "objects with keypoint", *report.splits)
    found = [split.keypoints for split in report.splits.values()]
    for place, name in enumerate(report.about.keypoint_names):
        table.add_row(str(place), escape(name), *(f"{each.present[place]:,}" if each else NONE for each in found))
    table.add_row("", "any", *(f"{each.objects:,}" if each else NONE for each in found))
    return table


def _table(first: str, *columns: str) -> Table:
    """Return a table without lines: names to the left, numbers to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column(first)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if first in ("id",) and number == 0 else "right")
    return table


def _line(finding: Finding) -> str:
    place = finding.split if finding.index is None else f"{finding.split}[{finding.index}]"
    file = f"{finding.file}: " if finding.file and finding.file not in finding.message else ""
    text = escape(f"{file}{finding.message}")
    return f"[bold]{escape(place)}[/]  {text}" if place else text


def _verdict(report: Report) -> str:
    errors, warnings = len(report.errors), len(report.warnings)
    if not errors and not warnings:
        whole = all(split.examined == split.samples for split in report.splits.values())
        return f"[bold green]Nothing is wrong{'' if whole else ' with what was looked at'}.[/]"
    parts = [
        f"[{COLOURS[severity]}]{_count(count, severity.value)}[/]"
        for severity, count in ((Severity.error, errors), (Severity.warning, warnings))
        if count
    ]
    return f"{', '.join(parts)}."


def _range(summary: Summary) -> str:
    low, high = summary.minimum, summary.maximum
    return f"{low:.4g}" if low == high else f"{low:.4g}..{high:.4g}"


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
