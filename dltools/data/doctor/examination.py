"""One pass over a split: what is wrong with each sample, and statistics of those that can be counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dltools.data.base import Sample, Split
from dltools.data.doctor.checks import CHECKS, is_blank
from dltools.data.doctor.facts import About
from dltools.data.doctor.findings import Kind, told
from dltools.data.statistics import (
    Accumulator,
    ClassCounts,
    Duplicates,
    Facts,
    KeypointCounts,
    Kinds,
    Objects,
    Sizes,
    collect,
)

Fault = tuple[Kind, str]
Watch = Callable[[str, int], Callable[[], None]]
"""Given the name of a split and the number of samples to read, returns what is called after each, by any thread."""


@dataclass(kw_only=True, eq=False)
class Examination(Accumulator[Any]):
    """What is wrong with samples, and statistics, each of the samples that it can count."""

    about: About
    """What the data set says of itself."""
    split: str = field(default="", compare=False)
    """Name of the split."""
    faults: list[tuple[int, Fault]] = field(default_factory=list, init=False, repr=False)
    """What is wrong, with the index of the sample."""
    statistics: dict[str, Accumulator[Any]] = field(init=False, repr=False)
    """By name; those of classes by their target."""

    def __post_init__(self) -> None:
        about = self.about
        self.statistics = {
            "kinds": Kinds(),
            "sizes": Sizes(),
            "objects": Objects(),
            "keypoints": KeypointCounts(num_keypoints=len(about.keypoint_names)),
            "copies": Duplicates(split=self.split),
            **{target.value: ClassCounts(of=target, num_classes=len(about.names(target))) for target in about.targets},
        }

    def measure(self, sample: Facts) -> tuple[int, list[Fault], dict[str, Any]]:
        """Return index and faults of a sample, and what it adds to each of the statistics that can count it."""
        faults: dict[str, Fault] = {}
        measured = {}
        for check in CHECKS:
            try:
                faults.update((message, (kind, message)) for kind, message in check(sample, self.about))
            except Exception as error:  # a check, or a statistic below, stumbles over arrays that are none
                faults[str(error)] = told(error)
        for name, statistic in self.statistics.items():
            try:
                if _is_asked(name, statistic, sample):
                    measured[name] = statistic.measure(sample)
            except Exception as error:
                faults.setdefault(str(error), told(error))
        return int(sample["index"]), list(faults.values()), measured

    def count(self, measured: tuple[int, list[Fault], dict[str, Any]]) -> None:
        """Add the faults and counts of a sample."""
        index, faults, counts = measured
        self.faults += [(index, fault) for fault in faults]
        for name, each in counts.items():
            self.statistics[name].count(each)

    def result(self) -> dict[str, Any]:
        """Return the results of the statistics by name."""
        return {name: statistic.result() for name, statistic in self.statistics.items()}

    def _merge(self, other: Examination) -> None:
        self.faults += other.faults
        for name, statistic in self.statistics.items():
            statistic.merge(other.statistics[name])


class Watched:
    """Some samples of a split; keeps what is wrong with those that cannot be read.

    Args:
        split: where the samples come from.
        places: (N,) positions of those to read.
        tick: called after each sample, from any thread.
    """

    def __init__(self, split: Split, places: NDArray[np.int64], tick: Callable[[], None]) -> None:
        self.split = split
        self.places = places
        self.tick = tick
        self.faults: dict[int, Fault] = {}

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        try:
            return dict(self.split[int(self.places[index])])
        except Exception as error:
            self.faults[index] = told(error)
            raise
        finally:
            self.tick()


@dataclass(kw_only=True)
class Examined:
    """A split that was gone through."""

    split: Split
    """The samples."""
    places: NDArray[np.int64]
    """(N,) positions of those that were looked at."""
    read: int
    """How many of them could be read."""
    faults: list[tuple[int, Fault]]
    """What is wrong, with the position of the sample, in order."""
    statistics: dict[str, Accumulator[Any]]
    """By name; indices in them are places in `places`."""

    @property
    def whole(self) -> bool:
        """Whether all samples were looked at."""
        return len(self.places) == len(self.split)

    def file(self, index: int) -> str:
        """Return the file of a sample, where the data set tells."""
        try:
            return self.split.origin(index)
        except Exception:  # of a data set of the user's own; what is wrong with the sample is told elsewhere
            return ""


def gone_through(name: str, split: Split, about: About, *, workers: int, limit: int | None, watch: Watch) -> Examined:
    """Return what a pass over a split, or over `limit` samples spread evenly over it, has found."""
    places = np.arange(len(split))
    if limit is not None and limit < len(split):
        places = np.linspace(0, len(split) - 1, limit).round().astype(np.int64)
    samples = Watched(split, places, watch(name, len(places)))
    counted = collect(
        samples, {"all": Examination(about=about, split=name)}, workers=workers, on_error="skip", max_skipped=1.0
    )
    found = counted.accumulators["all"]
    assert isinstance(found, Examination)
    faults = [*samples.faults.items(), *found.faults]
    return Examined(
        split=split,
        places=places,
        read=counted.samples,
        faults=sorted(((int(places[index]), fault) for index, fault in faults), key=lambda fault: fault[0]),
        statistics=found.statistics,
    )


def _is_asked(name: str, statistic: Accumulator[Any], sample: Facts) -> bool:
    """Tell whether a statistic is of what a sample has; images of one colour are no copies of each other."""
    return sample.keys() >= set(statistic.requires) and (name != "copies" or not is_blank(sample.image))
