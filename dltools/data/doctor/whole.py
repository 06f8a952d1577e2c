"""Checks of a data set as a whole: copies, leaks, kinds of images, classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dltools.data.doctor.examination import Examined
from dltools.data.doctor.facts import About
from dltools.data.doctor.findings import Finding, Kind
from dltools.data.statistics import ClassTotals, Duplicates, KindTotals, Target

RARE = {Target.label: 50, Target.labels: 50, Target.mask: 1000}
"""How many times as often another class must be for one to be called rare: what `class_weights` levels out at most, and
for pixels far more, as the background is mostly most of them."""
WHAT = {Target.label: "images", Target.labels: "objects", Target.mask: "pixels"}
"""What is counted of a target."""

Splits = Mapping[str, Examined]


def check_copies(splits: Splits) -> Iterator[Finding]:
    """Find images that are in a split twice, or in several splits."""
    every = Duplicates()
    for split in splits.values():
        copies = split.statistics["copies"]
        assert isinstance(copies, Duplicates)
        every.merge(copies)
    shared = 0
    for group in every.result().groups:
        places = [(name, int(splits[name].places[index])) for name, index in group]
        first: dict[str, int] = {}
        for name, index in sorted(places, key=lambda place: list(splits).index(place[0])):
            of = name if name in first else "train"
            if of in first:
                kind, hint = (Kind.duplicate, "") if of == name else (Kind.leak, "; it may be in one of the two only")
                file = splits[of].file(first[of])
                other = f"{of}[{first[of]}]" + (f" ({file})" if file else "")
                yield _of(splits, name, index, kind, f"its image has the pixels of {other}{hint}")
            first.setdefault(name, index)
        shared += "val" in first and "test" in first
    if shared:
        images = f"{shared:,} image{'s' * (shared > 1)}"
        message = f"val and test share {images}; a test on what has chosen the best epoch flatters"
        yield Finding(kind=Kind.shared, message=message)


def check_kinds(splits: Splits, about: About) -> Iterator[Finding]:
    """Find images of another type than most images of the data set; those of other channels are told of one by one."""
    kinds: list[tuple[str, KindTotals]] = [
        (name, kind)
        for name, split in splits.items()
        for kind in split.statistics["kinds"].result()
        if kind.channels == about.in_channels
    ]
    counts: dict[str, int] = {}
    for _, kind in kinds:
        counts[kind.dtype] = counts.get(kind.dtype, 0) + kind.images
    usual = max(counts, key=lambda told: counts[told], default="")
    for name, kind in kinds:
        if kind.dtype != usual:
            message = (
                f"its image is the first of {kind.images:,} of {kind.dtype}; {counts[usual]:,} of the data set are of "
                f"{usual}, and all must be of one type"
            )
            yield _of(splits, name, int(splits[name].places[kind.first]), Kind.channels, message)


def check_classes(splits: Splits, about: About) -> Iterator[Finding]:
    """Find classes that are in val or test alone, in no split that is trained on, or rare in it."""
    for target in about.targets:
        counts: dict[str, Any] = {name: split.statistics[target.value].result() for name, split in splits.items()}
        if "train" not in counts or not counts["train"].counts.any():
            continue
        names, train = about.names(target), counts["train"]
        unseen = set()
        for name, totals in counts.items():
            for place in np.flatnonzero((train.images == 0) & (totals.images > 0)).tolist():
                unseen.add(place)
                message = f"{names[place]!r} (id {place}) has {_amount(totals, place, target)}, and none in train"
                yield Finding(kind=Kind.unseen_class, split=name, message=message)
        for place in sorted(set(np.flatnonzero(train.images == 0).tolist()) - unseen):
            message = f"{names[place]!r} (id {place}) has no {WHAT[target]}; it cannot be learned"
            yield Finding(kind=Kind.unused_class, split="train", message=message)
        most = int(train.counts.argmax())
        for place in np.flatnonzero((train.counts > 0) & (train.counts * RARE[target] < train.counts[most])).tolist():
            message = (
                f"{names[place]!r} (id {place}) has {_amount(train, place, target)}, one for "
                f"{train.counts[most] / train.counts[place]:,.0f} of {names[most]!r}"
            )
            yield Finding(kind=Kind.imbalance, split="train", message=message)


def _amount(totals: ClassTotals, place: int, target: Target) -> str:
    count = int(totals.counts[place])
    return f"{count:,} {WHAT[target].removesuffix('s') if count == 1 else WHAT[target]}"


def _of(splits: Splits, name: str, index: int, kind: Kind, message: str) -> Finding:
    return Finding(kind=kind, message=message, split=name, index=index, file=splits[name].file(index))
