"""What statistics cost beside reading the data once, and our augmentations beside albumentations alone, in one run.

    python benchmarks/data.py [--rounds 9] [--images 200] [--markdown]

Photographs are cuts of the two that scikit-learn ships, 500 x 375 pixels as JPEG with a mask as PNG, in a folder of the
system's page cache. Rounds are interleaved, and the least counts, told as a ratio to the first row of each table: of
wall time, since a pass reads and counts side by side in two threads, and of CPU time of the process.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
from _measure import Cpu, machine
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_image

from dltools.augs.chain import Chain
from dltools.augs.pipeline import Augmentations
from dltools.augs.randomness import SampleRandom
from dltools.data.folder_masks import FolderMasks
from dltools.data.statistics import (
    ClassCounts,
    CoOccurrence,
    Duplicates,
    Histogram,
    Moments,
    NonFinite,
    Sizes,
    collect,
)

CLASSES = ["background", *(f"class {number}" for number in range(1, 21))]
HEIGHT, WIDTH = 375, 500
Step = Callable[[], object]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds")
    parser.add_argument("--images", type=int, default=200, help="photographs of the data set")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    options = parser.parse_args()
    cv2.setNumThreads(0)
    console = Console(width=140, highlight=False, soft_wrap=True)
    peers = ", ".join(f"{name} {version(name)}" for name in ("albumentations", "opencv-python-headless", "numpy"))
    console.print(f"{machine(Cpu())}; {peers}")
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(Path(folder, "train"), options.images)
        split = FolderMasks(root=folder, class_names=CLASSES).split("train")
        title = f"Statistics of {options.images} photographs"
        console.print(table(title, measured(passes(split), options.rounds), options.images, options.markdown))
        samples = [split[index] for index in range(min(40, len(split)))]
    for title, (keys, transforms) in PIPELINES.items():
        steps = pipelines([{key: sample[key] for key in keys} for sample in samples], transforms())
        console.print(table(title, measured(steps, 5 * options.rounds), len(samples), options.markdown))


def write_photographs(folder: Path, count: int) -> None:
    """Write cuts of photographs, and masks of boxes of some classes."""
    rng = np.random.default_rng(0)
    photographs = [load_sample_image(name)[..., ::-1] for name in ("china.jpg", "flower.jpg")]
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        top, left = rng.integers(427 - HEIGHT), rng.integers(640 - WIDTH)
        image = photographs[number % 2][top : top + HEIGHT, left : left + WIDTH]
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for label in rng.integers(1, len(CLASSES), 4).tolist():
            y, x = rng.integers(HEIGHT - 100), rng.integers(WIDTH - 100)
            mask[y : y + 100, x : x + 100] = label
        cv2.imwrite(str(folder / "images" / f"{number:05}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 85])
        cv2.imwrite(str(folder / "masks" / f"{number:05}.png"), mask)


def passes(split: Any) -> dict[str, Step]:
    """Return passes over all samples: reading alone, and with statistics."""
    usual = {"pixels": Moments(), "classes": ClassCounts(of="mask", num_classes=len(CLASSES))}
    seven = {
        **usual,
        "levels": Histogram(),
        "sizes": Sizes(),
        "together": CoOccurrence(of="mask", num_classes=len(CLASSES)),
        "same": Duplicates(split="train"),
        "finite": NonFinite(),
    }
    return {
        "reading every sample": lambda: deque((split[index] for index in range(len(split))), maxlen=1),
        "mean, std and class weights": lambda: collect(split, usual),
        "all seven of images and masks": lambda: collect(split, seven),
    }


PIPELINES: dict[str, tuple[tuple[str, ...], Callable[[], dict[str, Any]]]] = {
    "Crop, flip, colours of images": (
        ("image", "index"),
        lambda: {
            "crop": A.RandomResizedCrop((224, 224)),
            "flip": A.HorizontalFlip(p=0.5),
            "colours": A.ColorJitter(p=0.8),
        },
    ),
    "Letterbox, turn, light, blur of images and masks": (
        ("image", "mask", "index"),
        lambda: {
            "longest": A.LongestMaxSize(512),
            "pad": A.PadIfNeeded(512, 512),
            "affine": A.Affine(rotate=(-15, 15), scale=(0.8, 1.2), p=0.8),
            "light": A.RandomBrightnessContrast(p=0.5),
            "blur": A.GaussianBlur(p=0.3),
        },
    ),
}


def pipelines(samples: list[dict[str, Any]], transforms: dict[str, Any]) -> dict[str, Step]:
    """Return the same transforms of the same samples, called directly and by us, with the same draws."""
    source = SampleRandom()
    compose = A.Compose(list(transforms.values()))
    compose.set_random_state(source.numpy, source.python)
    chain = Chain(transforms, source, min_visibility=0.1, min_side=1.0, keypoint_swap=[])
    dataset = Augmentations(train=transforms).dataset(Held(samples), "train", seed=0)

    targets = [key for key in ("image", "mask") if key in samples[0]]

    def direct() -> None:
        for index, sample in enumerate(samples):
            source.set(0, 0, index)
            compose(**{key: sample[key] for key in targets})

    def chained() -> None:
        for index, sample in enumerate(samples):
            source.set(0, 0, index)
            chain(sample)

    def whole() -> None:
        for index in range(len(samples)):
            dataset[0, index]

    return {"albumentations": direct, "our chain, arrays": chained, "our data set, checked and as tensors": whole}


class Held:
    """Samples in memory."""

    def __init__(self, samples: list[dict[str, Any]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index]


def measured(steps: dict[str, Step], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least wall time and the least CPU time of each step over shuffled rounds."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    shuffle = random.Random(0).shuffle
    order = list(steps)
    for name in order:
        steps[name]()
    for position in range(rounds):
        print(f"round {position + 1} of {rounds}", end="\r", file=sys.stderr, flush=True)
        shuffle(order)
        for name in order:
            gc.collect()
            times[name].append(_seconds(steps[name]))
    return {name: (min(wall for wall, _ in rows), min(cpu for _, cpu in rows)) for name, rows in times.items()}


def _seconds(step: Step) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - cpu


def table(title: str, times: dict[str, tuple[float, float]], count: int, markdown: bool) -> Table | str:
    """Return milliseconds for each sample, and ratios to the first row."""
    floor = next(iter(times.values()))
    rows = [
        (name, f"{1000 * wall / count:.3f}", f"{wall / floor[0]:.3f}", f"{cpu / floor[1]:.3f}")
        for name, (wall, cpu) in times.items()
    ]
    return _markdown(title, rows) if markdown else _drawn(title, rows)


HEADER = ("", "ms a sample", "wall time", "CPU time")


def _drawn(title: str, rows: list[tuple[str, ...]]) -> Table:
    drawn = Table(title=title, title_justify="left")
    for name in HEADER:
        drawn.add_column(name, justify="left" if not name else "right")
    for row in rows:
        drawn.add_row(*row)
    return drawn


def _markdown(title: str, rows: list[tuple[str, ...]]) -> str:
    return "\n".join(_lines(title, rows))


def _lines(title: str, rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"\n{title}:\n"
    yield f"| {' | '.join(HEADER)} |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    main()
