"""Forward plus backward time and peak memory of the losses, beside torch, MONAI, smp and kornia in one run.

    python benchmarks/losses.py [--device cuda] [--rounds 15] [--only REGEX] [--compiled] [--markdown] [--quick]

Prints a table for each of two inputs, [8, 21, 256, 256] with class ids and [8, 1, 256, 256] with a binary mask. Time is
a ratio to the floor, `F.cross_entropy` or `F.binary_cross_entropy_with_logits` of the same run, least to least (see
`_measure.py`). Peak memory is what a step needs beyond its inputs, the gradient included, in units of the logits;
by that measure `F.cross_entropy` takes 3.0: log-probabilities, their gradient, and that of the logits.
The targets beside them are for the CPU. A peer that is not installed is left out, and one that fails is told with its
error; a loss of ours that fails is a failure.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from importlib.metadata import version
from typing import NamedTuple

import torch.nn.functional as F
from _candidates import PEERS, Candidate, both, compiled, is_there, kornia, monai, ours, smp
from _measure import DEVICES, Cpu, Cuda, Step, fastest, machine
from _scenes import CLASSES, VOID, inputs
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

Data = dict[str, tuple[Tensor, ...]]


class Group(NamedTuple):
    """Candidates that are compared on one input, to one floor."""

    floor: Candidate
    rows: list[Candidate]


class Result(NamedTuple):
    """What was measured of a candidate: seconds, and peak memory in units of the logits."""

    seconds: float
    peak: float


SOFTMAX = {"softmax": True, "to_onehot_y": True}
SIGMOID = {"sigmoid": True}
IGNORE_AND_WEIGHTS = {"ignore_index": VOID, "class_weight": [1 + c / CLASSES for c in range(CLASSES)], "data": "void"}
OF_BINARY = {"mode": "binary", "data": "binary"}

CE = Candidate("ce", "torch", "ids", lambda: F.cross_entropy, "F.cross_entropy")
BCE = Candidate("bce", "torch", "binary", lambda: F.binary_cross_entropy_with_logits, "F.bce_with_logits")
DICE_FOCAL = ours("dice+focal", 1.75, 2)
MORE_REGIONS = ours("dice+focal+jaccard+tversky")
REGION_TERM = 0.05
QUICK = 2, 64, 2  # images, size, rounds: too little to judge by
KORNIA_DICE = kornia("dice", "dice_loss", average="macro")
KORNIA_FOCAL = kornia("focal", "focal_loss", alpha=None, reduction="mean")
KORNIA_BINARY_FOCAL = kornia("focal", "binary_focal_loss_with_logits", data="binary", alpha=None, reduction="mean")
SMP_DICE = smp("dice", "DiceLoss", mode="multiclass")
SMP_FOCAL = smp("focal", "FocalLoss", mode="multiclass")
SMP_BINARY_DICE = smp("dice", "DiceLoss", **OF_BINARY)
SMP_BINARY_FOCAL = smp("focal", "FocalLoss", **OF_BINARY)

GROUPS = [
    Group(
        CE,
        [
            ours("ce", 1.3, 3.5),
            ours("ce", **IGNORE_AND_WEIGHTS),
            smp("ce", "SoftCrossEntropyLoss", smooth_factor=0.0),
            ours("focal", 1.3, 3.5),
            KORNIA_FOCAL,
            monai("focal", "FocalLoss", use_softmax=True, to_onehot_y=True),
            SMP_FOCAL,
            ours("dice", 1.6, 1.5),
            ours("dice", 1.6, 1.5, **IGNORE_AND_WEIGHTS),
            KORNIA_DICE,
            monai("dice", "DiceLoss", **SOFTMAX),
            SMP_DICE,
            ours("jaccard", 1.6, 1.5),
            ours("jaccard", 1.6, 1.5, **IGNORE_AND_WEIGHTS),
            monai("jaccard", "DiceLoss", jaccard=True, **SOFTMAX),
            smp("jaccard", "JaccardLoss", mode="multiclass"),
            ours("tversky", 1.6, 1.5),
            ours("tversky", 1.6, 1.5, **IGNORE_AND_WEIGHTS),
            kornia("tversky", "tversky_loss", alpha=0.5, beta=0.5),
            monai("tversky", "TverskyLoss", **SOFTMAX),
            smp("tversky", "TverskyLoss", mode="multiclass"),
            ours("gdice", 1.6, 1.5),
            ours("gdice", 1.6, 1.5, **IGNORE_AND_WEIGHTS),
            monai("gdice", "GeneralizedDiceLoss", **SOFTMAX),
            DICE_FOCAL,
            both(KORNIA_DICE, KORNIA_FOCAL),
            monai("dice+focal", "DiceFocalLoss", **SOFTMAX),
            both(SMP_DICE, SMP_FOCAL),
            monai("dice+ce", "DiceCELoss", **SOFTMAX),
            ours("dice+focal+ce", 1.75, 2),
            MORE_REGIONS,
            ours("lovasz", 5, 6),
            ours("lovasz", exact=True),
            kornia("lovasz", "lovasz_softmax_loss"),
            smp("lovasz", "LovaszLoss", mode="multiclass"),
            ours("surface", 1.7, 5, data="maps"),
            ours("surface", 7, 5),
            monai("surface", "BoundaryLoss", **SOFTMAX),
            ours("hausdorff", 15, 11),
            monai("hausdorff", "HausdorffDTLoss", include_background=True, **SOFTMAX),
            ours("boundary", 33, 22),
        ],
    ),
    Group(
        BCE,
        [
            ours("bce", data="binary"),
            ours("focal", **OF_BINARY),
            KORNIA_BINARY_FOCAL,
            monai("focal", "FocalLoss", data="binary"),
            SMP_BINARY_FOCAL,
            ours("dice", **OF_BINARY),
            monai("dice", "DiceLoss", data="binary", **SIGMOID),
            SMP_BINARY_DICE,
            ours("dice+focal", 2.8, **OF_BINARY),
            monai("dice+focal", "DiceFocalLoss", data="binary", **SIGMOID),
            both(SMP_BINARY_DICE, SMP_BINARY_FOCAL),
        ],
    ),
]

COMPILED = [
    compiled(CE),
    compiled(ours("focal")),
    compiled(ours("dice")),
    compiled(KORNIA_DICE),
    compiled(DICE_FOCAL, 1.4),
    compiled(both(KORNIA_DICE, KORNIA_FOCAL)),
    compiled(ours("dice+focal+ce", 1.75, 2), 1.4),
    compiled(ours("lovasz")),
]


def main() -> None:
    """Measure and print the tables; exit with 1 if a loss of ours fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="cuda adds bf16")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds, of which the fastest counts")
    parser.add_argument("--only", default="", metavar="REGEX", help="rows to measure, such as 'dltools dice'")
    parser.add_argument("--compiled", action="store_true", help="add losses under torch.compile")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--quick", action="store_true", help="small inputs and two rounds, only to see that all runs")
    options = parser.parse_args()
    device = DEVICES[options.device]()
    images, size, rounds = QUICK if options.quick else (8, 256, options.rounds)
    judged = options.device == "cpu" and not options.quick  # what the targets are meant for
    console = Console(width=160, highlight=False, soft_wrap=True)
    console.print(f"{machine(device)}; {rounds} rounds\n{peers()}")
    failed = False
    for dtype in device.dtypes:
        data = inputs(images, size, options.device, dtype)
        for floor, rows in GROUPS:
            wanted = [*rows, *(COMPILED if options.compiled and floor is CE else [])]
            results, errors = measured(Group(floor, chosen(wanted, options.only)), device, data, rounds)
            shape = list(data[floor.data][0].shape)
            kind = str(dtype).removeprefix("torch.")
            console.print(f"\n{shape} {kind}: time as ratio to {floor.note}, peak memory in logits\n", markup=False)
            console.print(table(results, floor, options.markdown, judged))
            console.print(*remarks(results, errors), sep="\n", markup=False)
            failed |= any(row.library == "dltools" for row in errors)
    sys.exit(failed)


def peers() -> str:
    """Return which versions of the peers are there, and which peers are not."""
    there = [f"{name} {version(module)}" for name, module in PEERS.items() if is_there(name)]
    missing = [name for name in PEERS if not is_there(name)]
    return f"beside {', '.join(there) or 'torch'}" + (f"; not installed: {', '.join(missing)}" if missing else "")


def chosen(rows: Iterable[Candidate], only: str) -> list[Candidate]:
    """Return the rows that match and whose library is there."""
    return [row for row in rows if re.search(only, row.label) and is_there(row.library)]


def step_of(candidate: Candidate, data: Data) -> Step:
    """Return forward plus backward of a candidate."""
    loss, tensors = candidate.make(), data[candidate.data]

    def step() -> None:
        loss(*tensors).backward()
        tensors[0].grad = None

    return step


def measured(
    group: Group, device: Cpu | Cuda, data: Data, rounds: int
) -> tuple[dict[Candidate, Result], dict[Candidate, str]]:
    """Return the results of a group, and the errors of the candidates that failed."""
    steps, peaks, errors = {}, {}, {}
    for candidate in (group.floor, *group.rows):
        try:
            step = step_of(candidate, data)
            step()  # imports, caches and compiles before anything counts
            peaks[candidate] = device.peak(step)
            steps[candidate] = step
        except Exception as error:  # a peer may fail in any way
            errors[candidate] = f"{type(error).__name__}: {error}".partition("\n")[0]
    logits = data[group.floor.data][0]
    seconds = fastest(device, steps, group.floor, rounds)
    return {row: Result(seconds[row], peaks[row] / logits.nbytes) for row in steps}, errors


def table(results: dict[Candidate, Result], floor: Candidate, markdown: bool, judged: bool) -> Table:
    """Return the table of a group; judged, with what each time and peak is to reach beside it."""
    shown = Table(box=box.MARKDOWN if markdown else box.SIMPLE)
    for heading in ("loss", "implementation"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("ms", "time", "target", "peak", "target") if judged else ("ms", "time", "peak"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row, (seconds, peak) in results.items():
        ratio = seconds / results[floor].seconds
        cells = [row.loss, f"{row.library} {row.note}".strip(), f"{1000 * seconds:.2f}"]
        for value, target in ((ratio, row.time), (peak, row.peak)):
            cells += [f"{value:.2f}", verdict(value, target)] if judged else [f"{value:.2f}"]
        shown.add_row(*cells)
    return shown


def verdict(value: float, target: float | None) -> str:
    """Return the target, marked where the value as printed is above it."""
    return "" if target is None else f"{target:g}{' missed' if round(value, 2) > target else ''}"


def remarks(results: dict[Candidate, Result], errors: dict[Candidate, str]) -> list[str]:
    """Return what a further region term costs, and what failed."""
    sentences = [f"failed: {row.label}: {error}" for row, error in errors.items()]
    if CE in results and DICE_FOCAL in results and MORE_REGIONS in results:
        more = (results[MORE_REGIONS].seconds - results[DICE_FOCAL].seconds) / 2 / results[CE].seconds
        sentences.append(f"Each region term beside dice+focal: {more:+.3f}, target {REGION_TERM:+g}")
    return sentences


if __name__ == "__main__":
    main()
