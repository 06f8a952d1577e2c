"""Time of our metrics beside torchmetrics, MONAI, scikit-learn and COCO's own evaluation, in one run.

    python benchmarks/metrics.py [--rounds 15] [--only REGEX] [--markdown] [--quick]

Times are the least of several interleaved rounds, in CPU time of the process with one thread (see `_measure.py`), and
told as ratios to the first row of each table. Below the tables stands how often two ranks meet to bring the states of
five metrics together. A peer that is not installed is left out, and one that fails is told with its error; a metric of
ours that fails is a failure.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib.metadata import version

import _box_metrics
import _class_metrics
import _mask_metrics
from _collectives import collectives
from _measure import Cpu, fastest, machine
from _rows import Group, Row
from rich import box
from rich.console import Console
from rich.table import Table

GROUPS = [*_class_metrics.GROUPS, *_mask_metrics.GROUPS, *_box_metrics.GROUPS]
PEERS = ("torchmetrics", "monai", "scikit-learn", "hotcoco", "pycocotools", "faster-coco-eval")


def main() -> None:
    """Measure and print the tables; exit with 1 if a metric of ours fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="interleaved rounds at most; slow rows take fewer")
    parser.add_argument("--only", default="", metavar="REGEX", help="rows to measure, such as '^dltools|^torch '")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--quick", action="store_true", help="small inputs and two rounds, only to see that all runs")
    options = parser.parse_args()
    device, console = Cpu(), Console(width=160, highlight=False, soft_wrap=True)
    console.print(f"{machine(device)}; {', '.join(filter(None, map(installed, PEERS)))}")
    failed = False
    for group in GROUPS:
        rows = [row for row in group.rows if row.is_there and re.search(options.only, row.label)]
        if not rows:
            continue
        rounds = 2 if options.quick else min(options.rounds, group.rounds)
        seconds, errors = measured(group._replace(rows=rows), device, rounds, options.quick)
        console.print(f"\n{group.title}; {rounds} rounds\n", markup=False)
        console.print(table(seconds, options.markdown, judged=not options.quick))
        for row, error in errors.items():
            console.print(f"failed: {row.label}: {error}", markup=False)
        failed |= any(row.library.startswith("dltools") for row in errors)
    console.print("\ncollectives of two ranks for accuracy, precision, recall, F1 and mIoU:")
    for library, calls in collectives().items():
        console.print(f"{library}: {', '.join(f'{count} {name}' for name, count in calls.items())}", markup=False)
    sys.exit(failed)


def installed(peer: str) -> str:
    """Return name and version of a peer, nothing where it is not installed."""
    try:
        return f"{peer} {version(peer)}"
    except ImportError:
        return ""


def measured(group: Group, device: Cpu, rounds: int, quick: bool) -> tuple[dict[Row, float], dict[Row, str]]:
    """Return the seconds of each row that works, the first of the group in front, and the errors of those that fail."""
    data, steps, errors = group.data(quick), {}, {}
    for row in group.rows:
        try:
            step = row.make(data)
            step()  # imports and caches before anything counts
            steps[row] = step
        except Exception as error:  # a peer may fail in any way
            errors[row] = f"{type(error).__name__}: {error}".partition("\n")[0]
    return (fastest(device, steps, next(iter(steps)), rounds) if steps else {}), errors


def table(seconds: dict[Row, float], markdown: bool, judged: bool) -> Table:
    """Return the table of a group; judged, with what each time is to reach beside it."""
    shown = Table(box=box.MARKDOWN if markdown else box.SIMPLE)
    shown.add_column("implementation", no_wrap=True)
    for heading in ("ms", "time", *(["target"] if judged else [])):
        shown.add_column(heading, justify="right", no_wrap=True)
    floor = next(iter(seconds.values()), 0.0)
    by_label = {row.label: spent for row, spent in seconds.items()}
    for row, spent in seconds.items():
        verdicts = [
            verdict(spent / by_label[other], other, most) for other, most in row.targets.items() if other in by_label
        ]
        cells = [row.label.strip(), f"{1000 * spent:.2f}", f"{spent / floor:.2f}"]
        shown.add_row(*cells, *(["; ".join(verdicts)] if judged else []))
    return shown


def verdict(share: float, other: str, most: float) -> str:
    """Return the share of another row's time and what it is to be at most."""
    return f"{share:.3f} of {other.strip()} ({most:g}{', missed' if share > most else ''})"


if __name__ == "__main__":
    main()
