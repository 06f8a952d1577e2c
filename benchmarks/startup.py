"""How long the commands that only tell something take, beside `import torch`, interleaved in one run.

    python benchmarks/startup.py [--rounds 7]

Prints the median seconds of each command and the median of its ratios to `import torch` of the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "import torch": (["-c", "import torch"], {}),
    "--help": (["-m", "dltools.train", "--help"], {}),
    "list": (["-m", "dltools", "list"], {}),
    "completion of loss=": (
        ["-m", "dltools.train", "-sc", "query=bash"],
        {"COMP_LINE": "python -m dltools.train loss=", "COMP_POINT": "29"},
    ),
    "completion of a term": (
        ["-m", "dltools.train", "-sc", "query=bash"],
        {"COMP_LINE": "python -m dltools.train loss=0.7dice+0.3fo", "COMP_POINT": "41"},
    ),
    "unknown option": (["-m", "dltools.train", "task=segmentatoin"], {}),
    "wrong loss, refused": (["-m", "dltools.train", "loss=dcie"], {}),
    "wrong loss in a sweep": (["-m", "dltools.train", "-m", "loss=dice,dcie"], {}),
}


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the wall time of one command."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - started


def main() -> None:
    """Measure and print the table and its JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds after one that is not counted")
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for position in range(rounds + 1):
        for name, command in COMMANDS.items():
            spent = seconds(*command)
            if position:
                times[name].append(spent)
    rows = {
        name: {
            "seconds": round(statistics.median(spent), 3),
            "ratio": round(statistics.median(a / b for a, b in zip(spent, times["import torch"], strict=True)), 3),
        }
        for name, spent in times.items()
    }
    for name, row in rows.items():
        print(f"{name:<22}{row['seconds']:>8.3f} s {row['ratio']:>7.2f} x import torch")
    print(json.dumps({"machine": platform.platform(), "python": platform.python_version(), "rows": rows}))


if __name__ == "__main__":
    main()
