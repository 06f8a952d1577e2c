"""`dltools show data=coco data.root=photos augs=detection_light`: a sheet of samples as the training sees them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dltools.augs.base import Split
    from dltools.commands.parts import Parts
    from dltools.visualizers import Picture

NAME = "show"
HELP = "a picture of augmented samples: show task=detection augs=detection_light"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="as for training: task=NAME data=NAME augs=NAME ...")
    parser.add_argument("--split", default="train", choices=("train", "val", "test"), help="part of the data; train")
    parser.add_argument("--stage", default="train", choices=("train", "eval"), help="transforms of which stage; train")
    parser.add_argument("--count", type=_positive, default=4, metavar="N", help="samples, one a row; 4")
    parser.add_argument("--draws", type=_positive, default=3, metavar="N", help="epochs, one a column; 3")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--first", type=_natural, default=0, metavar="I", help="position of the first sample; 0")
    place.add_argument("--index", type=_positions, metavar="I,J", help="positions of the samples, in place of --count")
    parser.add_argument("--out", type=_image_file, default=Path("show.png"), metavar="FILE", help="show.png")


def run(arguments: argparse.Namespace) -> int:
    """Write the sheet and say where it is."""
    from omegaconf import OmegaConf
    from PIL import Image

    from dltools.commands.parts import Parts
    from dltools.visualizers.samples import draw_samples

    parts = Parts(arguments.words)
    split = parts.policy.prepare(parts.data.split(arguments.split))
    chosen = _chosen(arguments, len(split))
    titles = ["as it is", *(f"epoch {epoch}" for epoch in range(arguments.draws))]
    rows = _rows(parts, split, arguments.stage, chosen, arguments.draws)
    skeleton = OmegaConf.select(parts.config, "visualizer.predictions.skeleton")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_samples(rows, titles, skeleton=skeleton)).save(arguments.out)
    print(f"Picture: {arguments.out}", flush=True)
    return 0


def _chosen(arguments: argparse.Namespace, length: int) -> list[int]:
    """Return the positions of the samples to show.

    Raises:
        DataError: there is no such sample.
    """
    from dltools.cfgutils import DataError

    asked = arguments.index or range(arguments.first, min(arguments.first + arguments.count, length))
    missing = [position for position in asked or [arguments.first] if position >= length]
    if missing:
        raise DataError(
            f"There is no sample {missing[0]}: split {arguments.split!r} has {length} samples, counted from 0."
        )
    return list(asked)


def _rows(parts: Parts, split: Split, stage: str, chosen: list[int], draws: int) -> list[list[Picture]]:
    """Return for each sample a picture of it as it is, and one for each epoch."""
    from dltools.augs.dataset import read_sample, to_tensors

    dataset = parts.augs.dataset(split, stage, parts.config.data_seed)
    return [
        [
            _picture(parts, to_tensors(read_sample(split, position)), f"#{position}"),
            *(_picture(parts, dataset[epoch, position], "") for epoch in range(draws)),
        ]
        for position in chosen
    ]


def _picture(parts: Parts, sample: dict[str, Any], caption: str) -> Picture:
    """Return a sample with what the task learns of it."""
    import numpy as np
    import torch

    from dltools.augs.collate import collate
    from dltools.visualizers import Picture

    truth = parts.policy.truths(collate([sample]))[0]
    return Picture(
        image=np.ascontiguousarray(sample["image"].permute(1, 2, 0).numpy()),
        truth={name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in truth.items()},
        names=parts.policy.names(parts.data),
        caption=caption,
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text!r}")
    return int(text)


def _positions(text: str) -> list[int]:
    return [_natural(part) for part in text.split(",")]


def _image_file(text: str) -> Path:
    file = Path(text)
    if file.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise argparse.ArgumentTypeError(f"must end with .png, .jpg or .webp, got {text!r}")
    return file
