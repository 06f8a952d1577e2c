"""What loading costs a node on which several trials train at once, for each way of loading, in one run.

    python benchmarks/loading.py [--trials 1,2,4,8] [--rounds 2] [--only REGEX] [--markdown]

A trial is a process that takes batches of 32 as fast as it gets them: JPEGs of 500 x 375, a random crop of 224, a flip,
colours, normalised. The figure is CPU milliseconds for each delivered sample, over all processes together: what the
node pays, whatever else it does. Each way and number of trials has a window of some seconds after all have started;
rounds are interleaved, and the median counts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from _measure import Cpu, machine
from _processes import MARK, cost_of, marked
from _trial import MODES, fill_cache
from rich.console import Console
from sklearn.datasets import load_sample_image

HEIGHT, WIDTH = 375, 500
SETTLE, WINDOW = 1.0, 4.0
FLOOR = "torch, fork"
"""The way that all are compared with."""


class Reading(NamedTuple):
    """What a window showed."""

    milliseconds: float
    """CPU time for each delivered sample, of all processes."""
    speed: float
    """Samples a second, of all trials."""
    first: float
    """Seconds until all trials had their first batches."""
    pss: float
    """MB of memory."""
    processes: int
    threads: int
    fairness: float
    """Samples of the slowest trial to those of the quickest."""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="1,2,4,8", help="numbers of trials at once")
    parser.add_argument("--rounds", type=int, default=2, help="interleaved rounds")
    parser.add_argument("--images", type=int, default=1500, help="photographs of the data set")
    parser.add_argument("--only", default="", metavar="REGEX", help="ways to measure; the one compared with is always")
    options = parser.parse_args()
    numbers = [int(number) for number in options.trials.split(",")]
    modes = [mode for mode in MODES if mode == FLOOR or re.search(options.only, mode)]
    console = Console(width=150, highlight=False, soft_wrap=True)
    console.print(machine(Cpu()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photographs(folder, options.images)
        fill_cache(folder)
        readings: dict[tuple[str, int], list[Reading]] = {(mode, count): [] for mode in modes for count in numbers}
        for _ in range(options.rounds):
            for mode, count in readings:
                readings[mode, count].append(measured(mode, count, folder))
                print(f"{mode}, {count} trials: {readings[mode, count][-1]}", file=sys.stderr, flush=True)
    medians = {
        place: Reading(*(statistics.median(values) for values in zip(*rows, strict=True)))
        for place, rows in readings.items()
    }
    console.print(table(medians))


def write_photographs(folder: Path, count: int) -> None:
    """Write cuts of photographs as JPEG, and all of them decoded in one array."""
    rng = np.random.default_rng(0)
    photographs = [load_sample_image(name)[..., ::-1] for name in ("china.jpg", "flower.jpg")]
    (folder / "train" / "photograph").mkdir(parents=True)
    decoded = np.lib.format.open_memmap(folder / "decoded.npy", "w+", np.uint8, (count, HEIGHT, WIDTH, 3))
    for number in range(count):
        top, left = rng.integers(427 - HEIGHT), rng.integers(640 - WIDTH)
        image = photographs[number % 2][top : top + HEIGHT, left : left + WIDTH]
        file = folder / "train" / "photograph" / f"{number:05}.jpg"
        cv2.imwrite(str(file), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        decoded[number] = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)


def measured(mode: str, count: int, folder: Path) -> Reading:
    """Start some trials, read what they cost in a window, and end them."""
    mark = uuid.uuid4().hex
    counter = folder / f"{mark}.counts"
    np.zeros(count, np.int64).tofile(counter)
    counts = np.memmap(counter, np.int64, "r")
    environment = {**os.environ, MARK: mark, "OMP_NUM_THREADS": "1", "DLTOOLS_RUNTIME": str(folder / mark[:8])}
    command = [sys.executable, str(Path(__file__).with_name("_trial.py")), mode, str(folder)]
    begun = time.perf_counter()
    trials = [
        subprocess.Popen([*command, str(number), str(counter)], env=environment, stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    try:
        for trial in trials:
            assert trial.stdout is not None and trial.stdout.readline(), f"a trial of {mode!r} ended before its time"
        first = time.perf_counter() - begun
        time.sleep(SETTLE)
        before, samples, started = cost_of(mark), counts.copy(), time.perf_counter()
        time.sleep(WINDOW)
        after, delivered, spent = cost_of(mark), counts - samples, time.perf_counter() - started
    finally:
        end(mark, trials)
        counter.unlink()
        shutil.rmtree(folder / mark[:8], ignore_errors=True)
    total = max(int(delivered.sum()), 1)
    return Reading(
        milliseconds=1000 * (after.cpu_seconds - before.cpu_seconds) / total,
        speed=total / spent,
        first=first,
        pss=after.pss / 1e6,
        processes=after.processes,
        threads=after.threads,
        fairness=float(delivered.min() / max(delivered.max(), 1)),
    )


def end(mark: str, trials: list[subprocess.Popen[str]]) -> None:
    """Kill all processes of a mark, wherever they belong to."""
    while folders := list(marked(mark)):
        for folder in folders:
            try:
                os.kill(int(folder.name), signal.SIGKILL)
            except ProcessLookupError:
                continue
        for trial in trials:
            trial.poll()
        time.sleep(0.05)
    for trial in trials:
        trial.wait()


def table(readings: dict[tuple[str, int], Reading]) -> str:
    """Return Markdown, a row for each way and number of trials."""
    header = ("loading", "trials", "CPU ms a sample", "ratio", "samples/s", "first batches, s", "PSS, MB")
    rows = [(*header, "processes", "threads", "fairness")]
    for (mode, count), reading in readings.items():
        ratio = reading.milliseconds / readings[FLOOR, count].milliseconds
        rows.append(
            (
                mode,
                str(count),
                f"{reading.milliseconds:.2f}",
                f"{ratio:.3f}",
                f"{reading.speed:.0f}",
                f"{reading.first:.1f}",
                f"{reading.pss:.0f}",
                f"{reading.processes:.0f}",
                f"{reading.threads:.0f}",
                f"{reading.fairness:.2f}",
            )
        )
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    main()
